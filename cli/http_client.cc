#include "cli/http_client.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>  // before asio, which needs std::exchange and forgets to ask

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "boost/asio/connect.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/beast/core/flat_buffer.hpp"
#include "boost/beast/http.hpp"
#include "common/errors.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using Parser = http::response_parser<http::string_body>;

constexpr absl::Duration kConnectTimeout = absl::Seconds(10);
constexpr uint32_t kMaxHeaderBytes = 16 << 10;

absl::string_view View(beast::string_view text) {
  return {text.data(), text.size()};
}

http::request<http::string_body> ToMessage(const HttpCall& call,
                                           const HostPort& server) {
  http::request<http::string_body> message;
  message.method_string(call.method);
  message.target(call.target);
  message.set(http::field::host, server.ToString());
  message.set(http::field::user_agent, "tandem");
  message.set(http::field::connection, "close");
  if (!call.body.empty()) {
    message.set(http::field::content_type, "application/json");
  }
  for (const auto& [name, value] : call.headers) message.set(name, value);
  message.body() = call.body;
  message.prepare_payload();
  return message;
}

absl::Duration RetryDelayOf(const Parser::value_type& message) {
  double delay = 0;
  if (absl::SimpleAtod(View(message["retry-after-ms"]), &delay)) {
    return absl::Milliseconds(delay);
  }
  if (absl::SimpleAtod(View(message["retry-after"]), &delay)) {
    return absl::Seconds(delay);
  }
  return absl::ZeroDuration();  // a date is not understood
}

HttpHead HeadOf(const Parser::value_type& message) {
  absl::string_view type = View(message[http::field::content_type]);
  type = absl::StripAsciiWhitespace(type.substr(0, type.find(';')));
  return {.status = static_cast<int>(message.result_int()),
          .content_type = absl::AsciiStrToLower(type),
          .retry_delay = RetryDelayOf(message)};
}

}  // namespace

// One call's socket and what bounds it. All of it is used on the thread that
// calls Send; Cancel posts to it.
class HttpClient::Connection {
 public:
  Connection(const HostPort& server, const HttpCall& call)
      : server_(server), call_(call), end_(In(call.timeout)) {}

  absl::StatusOr<HttpHead> Run(const OnBody& on_body) {
    TANDEM_RETURN_IF_ERROR(Connect());
    const auto message = ToMessage(call_, server_);
    // A server that refuses a body may answer before it has read it.
    const error_code written = Wait([&](auto done) {
      http::async_write(socket_, message, std::move(done));
    });
    if (stopped_) return Ended();
    parser_.header_limit(kMaxHeaderBytes);
    parser_.body_limit(call_.max_body_bytes);
    const error_code read = Wait([&](auto done) {
      http::async_read_header(socket_, buffer_, parser_, std::move(done));
    });
    if (read) return Lost(written ? written : read);
    const HttpHead head = HeadOf(parser_.get());
    TANDEM_RETURN_IF_ERROR(ReadBody(head, on_body));
    return head;
  }

  // From any thread.
  void Cancel() {
    asio::post(context_, [this] { Stop(absl::CancelledError("stopped")); });
  }

 private:
  absl::Status Connect() {
    tcp::resolver::results_type addresses;
    SetTimer(std::min(end_, In(kConnectTimeout)));
    error_code error = Wait([&](auto done) {
      resolver_.async_resolve(
          server_.host, absl::StrCat(server_.port),
          [&addresses, done = std::move(done)](error_code e, auto found) {
            addresses = std::move(found);
            done(e);
          });
    });
    if (!error) {
      error = Wait([&](auto done) {
        asio::async_connect(
            socket_, addresses,
            [done = std::move(done)](error_code e, const auto&) { done(e); });
      });
    }
    if (stopped_) return Ended();
    if (error) return Unavailable(reason::kBackendUnavailable, error.message());
    SetTimer(end_);
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.set_option(tcp::socket::keep_alive(true), ignored);
    return absl::OkStatus();
  }

  absl::Status ReadBody(const HttpHead& head, const OnBody& on_body) {
    // Not eager: an eager parser waits for the next chunk to end this one.
    parser_.eager(false);
    while (!parser_.is_done()) {
      const error_code error = Wait([&](auto done) {
        http::async_read_some(socket_, buffer_, parser_, std::move(done));
      });
      const std::string piece = std::exchange(parser_.get().body(), {});
      if (!piece.empty() && !stopped_) {
        TANDEM_RETURN_IF_ERROR(on_body(head, piece));
      }
      if (error) return Lost(error);
    }
    return absl::OkStatus();
  }

  // Starts one operation, which calls what it is given, and runs until it is
  // done.
  template <class Start>
  error_code Wait(Start start) {
    if (stopped_) return asio::error::operation_aborted;
    error_code result;
    bool is_done = false;
    start([&](error_code error, size_t = 0) {
      result = error;
      is_done = true;
    });
    while (!is_done) context_.run_one();
    return result;
  }

  using Moment = std::chrono::steady_clock::time_point;
  static Moment In(absl::Duration duration) {
    return std::chrono::steady_clock::now() +
           absl::ToChronoNanoseconds(duration);
  }

  void SetTimer(Moment at) {
    timer_.expires_at(at);
    timer_.async_wait([this](error_code error) {
      if (!error) Stop(absl::DeadlineExceededError(""));
    });
  }

  // Whatever runs ends with an error.
  void Stop(absl::Status why) {
    if (!std::exchange(stopped_, true)) why_ = std::move(why);
    resolver_.cancel();
    error_code ignored;
    socket_.close(ignored);
  }

  absl::Status Ended() const {
    if (absl::IsCancelled(why_)) return why_;
    return MakeError(
        absl::StatusCode::kDeadlineExceeded, reason::kDeadlineExceeded,
        absl::StrCat(server_.ToString(), " did not answer in time (",
                     absl::FormatDuration(call_.timeout), ")"));
  }

  // After the connection stood.
  absl::Status Lost(error_code error) const {
    if (stopped_) return Ended();
    static const auto& kHttp =
        http::make_error_code(http::error::bad_version).category();
    const bool is_closed = error == http::error::end_of_stream ||
                           error == http::error::partial_message;
    if (error.category() == kHttp && !is_closed) {
      return MakeError(absl::StatusCode::kInternal, reason::kInternal,
                       absl::StrCat(server_.ToString(),
                                    " does not answer as an HTTP server does: ",
                                    error.message()));
    }
    return Unavailable(
        reason::kPeerLost,
        absl::StrCat("the connection was lost: ", error.message()));
  }

  absl::Status Unavailable(absl::string_view reason,
                           absl::string_view message) const {
    return MakeError(absl::StatusCode::kUnavailable, reason,
                     absl::StrCat(server_.ToString(), ": ", message));
  }

  const HostPort& server_;
  const HttpCall& call_;
  const Moment end_;
  bool stopped_ = false;
  absl::Status why_;
  asio::io_context context_{/*concurrency_hint=*/1};
  tcp::resolver resolver_{context_};
  tcp::socket socket_{context_};
  asio::steady_timer timer_{context_};
  beast::flat_buffer buffer_;
  Parser parser_;
};

HttpClient::HttpClient(HostPort server) : server_(std::move(server)) {}
HttpClient::~HttpClient() = default;

absl::StatusOr<HttpHead> HttpClient::Send(const HttpCall& call,
                                          const OnBody& on_body) {
  try {
    Connection connection(server_, call);
    SetRunning(&connection);
    const absl::Cleanup not_running = [this] { SetRunning(nullptr); };
    return connection.Run(on_body);
  } catch (const std::exception& error) {  // no descriptors, no memory
    return absl::InternalError(error.what());
  }
}

void HttpClient::SetRunning(Connection* connection) {
  absl::MutexLock lock(&mutex_);
  running_ = connection;
}

void HttpClient::Cancel() {
  absl::MutexLock lock(&mutex_);
  if (running_ != nullptr) running_->Cancel();
}

}  // namespace tandem
