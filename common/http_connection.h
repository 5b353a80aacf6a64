#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>  // before asio, which needs std::exchange and forgets to ask

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/asio/thread_pool.hpp"
#include "boost/beast/core/flat_buffer.hpp"
#include "boost/beast/http/parser.hpp"
#include "boost/beast/http/string_body.hpp"
#include "boost/optional.hpp"
#include "common/http_server.h"
#include "common/http_wire.h"

namespace tandem {

class HttpConnection;

// What the connections of one server share.
struct HttpCore {
  HttpServer::Options options;
  HttpServer::Handler handler;
  std::atomic<int> num_connections = 0;  // without the surplus
  std::atomic<int> num_surplus = 0;      // connections that are turned away
  std::atomic<int> num_exchanges = 0;
  std::atomic<int64_t> buffered_bytes = 0;
  std::atomic<bool> draining = false;

  // Exchanges outlive the server: they reach its threads only while it is open.
  absl::Mutex mutex;
  bool open ABSL_GUARDED_BY(mutex) = true;
  std::unordered_set<HttpConnection*> connections ABSL_GUARDED_BY(mutex);
  // Reset by the server's end, and with it all that waits there.
  std::unique_ptr<boost::asio::thread_pool> workers;
  std::unique_ptr<boost::asio::io_context> io;
};

// One connection: reads a request, has it handled, writes the answer, again.
// Kept alive by its operations in flight, each of which has a deadline. All of
// it runs on the socket's strand.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  using tcp = boost::asio::ip::tcp;
  using error_code = boost::system::error_code;

  // One of the surplus is only turned away.
  HttpConnection(tcp::socket socket, std::shared_ptr<HttpCore> core,
                 bool is_surplus);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  void Run();
  // From any thread: runs on the strand.
  void Post(std::function<void(HttpConnection&)> act);

  // Below: on the strand only.

  // Ends everything at once; tells who watches the exchange in flight.
  void Close();
  // Closes unless an exchange is in flight, which then is the last.
  void CloseIfIdle();

  // Of exchange number `exchange`; ignored when it is not the one in flight.
  void Watch(int64_t exchange, HttpExchange::Events events);
  void SetTimer(int64_t exchange, absl::Duration delay,
                std::function<void()> act);
  void Respond(int64_t exchange, const HttpResponse& response);
  void Begin(int64_t exchange, const HttpResponse& head);
  void Write(int64_t exchange, absl::string_view piece);
  void End(int64_t exchange);
  // Nobody will answer.
  void Abandon(int64_t exchange);

 private:
  const HttpServer::Options& options() const { return core_->options; }
  bool IsCurrent(int64_t exchange) const {
    return in_exchange_ && exchange == exchange_ && !complete_;
  }

  void ReadHeader();
  void OnHeader();
  void ReadBody();
  bool AccountBody();
  void ReleaseBody();
  void Dispatch();
  // Reads what comes before the answer is complete: mostly the news that the
  // client left.
  void ReadAhead();
  void OnReadAhead(error_code error, size_t bytes);
  void Refuse(error_code error);
  void RefuseWith(int status, absl::string_view why);
  void Queue(std::string bytes, bool is_piece);
  void WriteNext();
  void OnWritten(error_code error);
  void OnAnswered();
  void AwaitRequest();
  // Takes what the client still sends for a moment: closing at once could take
  // the answer from it.
  void Linger();
  void SetReadDeadline(absl::Duration after);
  void SetWriteDeadline(absl::Duration after);
  void ExpireAfter(boost::asio::steady_timer& timer, absl::Duration after);

  struct Outgoing {
    std::string bytes;
    bool is_piece = false;
  };

  // In the core's set; leaves it when everything below is gone, for the server
  // waits for that before it ends what sockets and timers need.
  class Registration {
   public:
    Registration(std::shared_ptr<HttpCore> core, HttpConnection* connection);
    ~Registration();

   private:
    const std::shared_ptr<HttpCore> core_;
    HttpConnection* const connection_;
  };

  const std::shared_ptr<HttpCore> core_;
  const Registration registration_;
  const bool is_surplus_;
  tcp::socket socket_;
  boost::asio::steady_timer read_deadline_, write_deadline_, timer_;
  boost::beast::flat_buffer buffer_;
  boost::optional<
      boost::beast::http::request_parser<boost::beast::http::string_body>>
      parser_;
  std::chrono::steady_clock::time_point body_begin_;
  int64_t accounted_bytes_ = 0;

  HttpFraming framing_;
  int64_t exchange_ = 0;      // number of the last one
  bool in_exchange_ = false;  // one is being handled or answered
  bool complete_ = false;     // its answer was given whole
  bool streamed_ = false;     // it was begun
  bool reading_ahead_ = false;
  bool closed_ = false;
  bool peer_closed_ = false;       // it will send nothing more
  bool lingers_ = false;           // the connection ends with this answer
  std::string head_;               // goes out with the first piece
  std::deque<Outgoing> outgoing_;  // the front is being written
  HttpExchange::Events events_;
};

}  // namespace tandem
