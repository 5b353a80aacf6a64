#include "gateway/remote_download.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "boost/asio/connect.hpp"
#include "boost/asio/ssl/error.hpp"
#include "boost/asio/ssl/host_name_verification.hpp"
#include "common/errors.h"

namespace tandem {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

constexpr uint32_t kMaxHeaderBytes = 16 << 10;

absl::Status Refused(absl::string_view reason, absl::string_view why) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, why);
}

bool IsAddress(const std::string& host) {
  boost::system::error_code error;
  asio::ip::make_address(host, error);
  return !error;
}

}  // namespace

absl::Status RemoteHostUnavailable(const ImageHost& host,
                                   absl::string_view why) {
  return RetryableError(
      absl::StatusCode::kUnavailable, reason::kBackendUnavailable,
      absl::StrCat(ShowOption(host), ": ", why), absl::Seconds(1));
}

RemoteDownload::RemoteDownload(asio::io_context& io, asio::ssl::context& tls,
                               RemoteImageUrl url, int64_t max_bytes, Done done)
    : url_(std::move(url)),
      max_bytes_(max_bytes),
      done_(std::move(done)),
      stream_(io, tls) {
  request_.method(http::verb::get);
  request_.target(url_.target);
  request_.set(http::field::host, url_.host.Authority());
  request_.set(http::field::user_agent, "tandem");
  request_.set(http::field::accept,
               "image/jpeg, image/png, image/webp, image/bmp");
  request_.set(http::field::accept_encoding, "identity");
  request_.set(http::field::connection, "close");
  parser_.header_limit(kMaxHeaderBytes);
  parser_.body_limit(static_cast<uint64_t>(max_bytes));
}

void RemoteDownload::Start(const std::vector<asio::ip::address>& addresses) {
  auto endpoints = std::make_shared<std::vector<tcp::endpoint>>();
  for (const asio::ip::address& address : addresses) {
    endpoints->emplace_back(address, static_cast<uint16_t>(url_.host.port));
  }
  asio::async_connect(
      stream_.next_layer(), *endpoints,
      [self = shared_from_this(), endpoints](ErrorCode error, const auto&) {
        self->OnConnected(error);
      });
}

void RemoteDownload::Close() {
  done_ = nullptr;
  ErrorCode ignored;
  stream_.next_layer().close(ignored);
}

void RemoteDownload::OnConnected(ErrorCode error) {
  if (done_ == nullptr) return;
  if (error) return End(Lost(error));
  ErrorCode ignored;
  stream_.next_layer().set_option(tcp::no_delay(true), ignored);
  if (url_.host.is_encrypted) {
    Handshake();
  } else {
    Send(stream_.next_layer());
  }
}

void RemoteDownload::Handshake() {
  const std::string& host = url_.host.host;
  ErrorCode error;
  stream_.set_verify_mode(asio::ssl::verify_peer, error);
  if (!error) {
    stream_.set_verify_callback(asio::ssl::host_name_verification(host), error);
  }
  const bool named =
      IsAddress(host) ||
      SSL_set_tlsext_host_name(stream_.native_handle(), host.c_str()) == 1;
  if (error || !named) {
    return End(RemoteHostUnavailable(url_.host, "TLS could not be set up"));
  }
  stream_.async_handshake(
      asio::ssl::stream_base::client,
      [self = shared_from_this()](ErrorCode failed) {
        if (self->done_ == nullptr) return;
        if (!failed) return self->Send(self->stream_);
        if (ERR_GET_REASON(static_cast<unsigned long>(failed.value())) ==
            SSL_R_CERTIFICATE_VERIFY_FAILED) {
          return self->End(Refused(
              reason::kFieldInvalid,
              absl::StrCat(ShowOption(self->url_.host),
                           " has no certificate that is valid for it")));
        }
        self->End(self->Lost(failed));
      });
}

template <class Stream>
void RemoteDownload::Send(Stream& stream) {
  http::async_write(
      stream, request_,
      [self = shared_from_this(), &stream](ErrorCode error, size_t) {
        if (self->done_ == nullptr) return;
        if (error) return self->End(self->Lost(error));
        self->ReadHead(stream);
      });
}

template <class Stream>
void RemoteDownload::ReadHead(Stream& stream) {
  http::async_read_header(
      stream, buffer_, parser_,
      [self = shared_from_this(), &stream](ErrorCode error, size_t) {
        if (self->done_ == nullptr) return;
        if (error) return self->End(self->Lost(error));
        if (absl::Status status = self->CheckHead(); !status.ok()) {
          return self->End(std::move(status));
        }
        self->ReadBody(stream);
      });
}

template <class Stream>
void RemoteDownload::ReadBody(Stream& stream) {
  http::async_read(stream, buffer_, parser_,
                   [self = shared_from_this()](ErrorCode error, size_t) {
                     if (self->done_ == nullptr) return;
                     if (error) return self->End(self->Lost(error));
                     self->End(std::move(self->parser_.get().body()));
                   });
}

absl::Status RemoteDownload::CheckHead() const {
  const int status = static_cast<int>(parser_.get().result_int());
  if (status == 200) return absl::OkStatus();
  return Refused(
      reason::kFieldInvalid,
      absl::StrCat(ShowOption(url_.host), " answered ", status, ", not 200",
                   status / 100 == 3 ? "; redirects are not followed" : ""));
}

absl::Status RemoteDownload::Lost(ErrorCode error) const {
  if (error == http::error::body_limit) {
    return Refused(reason::kImageTooLarge,
                   absl::StrCat("the image has over ", max_bytes_, " bytes"));
  }
  return RemoteHostUnavailable(url_.host, error.message());
}

void RemoteDownload::End(absl::StatusOr<std::string> file) {
  const Done done = std::move(done_);
  Close();
  done(std::move(file));
}

}  // namespace tandem
