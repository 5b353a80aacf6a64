#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>  // before asio, which needs std::exchange and forgets to ask
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/ssl/context.hpp"
#include "boost/asio/ssl/stream.hpp"
#include "boost/beast/core/flat_buffer.hpp"
#include "boost/beast/http.hpp"
#include "gateway/remote_url.h"

namespace tandem {

// One GET of one image from addresses that are known: connects to the first
// that answers. All of it on the thread of `io`. Has no deadline of its own:
// its owner calls Close.
class RemoteDownload : public std::enable_shared_from_this<RemoteDownload> {
 public:
  // As RemoteImages::Done, of one image, without its name.
  using Done = std::function<void(absl::StatusOr<std::string>)>;
  // `io` and `tls` outlive this.
  RemoteDownload(boost::asio::io_context& io, boost::asio::ssl::context& tls,
                 RemoteImageUrl url, int64_t max_bytes, Done done);

  // `addresses` were checked; not empty.
  void Start(const std::vector<boost::asio::ip::address>& addresses);
  // Ends it: `done` is not called any more.
  void Close();

 private:
  using ErrorCode = boost::system::error_code;

  void OnConnected(ErrorCode error);
  void Handshake();
  template <class Stream>
  void Send(Stream& stream);
  template <class Stream>
  void ReadHead(Stream& stream);
  template <class Stream>
  void ReadBody(Stream& stream);
  absl::Status CheckHead() const;
  absl::Status Lost(ErrorCode error) const;
  void End(absl::StatusOr<std::string> file);

  const RemoteImageUrl url_;
  const int64_t max_bytes_;
  Done done_;
  // Its innermost layer is the socket, with or without TLS.
  boost::asio::ssl::stream<boost::asio::ip::tcp::socket> stream_;
  boost::beast::http::request<boost::beast::http::empty_body> request_;
  boost::beast::flat_buffer buffer_;
  boost::beast::http::response_parser<boost::beast::http::string_body> parser_;
};

// UNAVAILABLE BACKEND_UNAVAILABLE: why the host could not be asked.
absl::Status RemoteHostUnavailable(const ImageHost& host,
                                   absl::string_view why);

}  // namespace tandem
