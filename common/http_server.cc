#include "common/http_server.h"

#include <pthread.h>
#include <sys/resource.h>

#include <atomic>
#include <exception>
#include <thread>
#include <utility>  // before asio, which needs std::exchange and forgets to ask

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "boost/asio/dispatch.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/beast/core/flat_buffer.hpp"
#include "boost/beast/core/tcp_stream.hpp"
#include "boost/beast/http.hpp"
#include "boost/optional.hpp"
#include "common/log.h"

namespace tandem {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;

absl::string_view View(beast::string_view text) {
  return {text.data(), text.size()};
}

std::chrono::nanoseconds Chrono(absl::Duration duration) {
  return absl::ToChronoNanoseconds(duration);
}

HttpRequest ToRequest(http::request<http::string_body>& message) {
  HttpRequest request;
  // A HEAD asks for what a GET would answer, less the body.
  request.method = message.method() == http::verb::head
                       ? "GET"
                       : std::string(message.method_string());
  const std::string target(message.target());
  const size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string::npos) request.query = target.substr(mark + 1);
  for (const auto& field : message) {
    request.headers.emplace_back(
        absl::AsciiStrToLower(View(field.name_string())),
        std::string(field.value()));
  }
  request.body = std::move(message.body());
  return request;
}

// What all connections share; used on the server's thread only, except the
// count.
struct Shared {
  HttpServer::Options options;
  HttpServer::Handler handler;
  std::atomic<int> num_connections = 0;
};

// One connection: read, handle, write, again. Kept alive by the operation in
// flight; every operation has a deadline, so none outlives its client for long.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, Shared& shared)
      : shared_(shared), stream_(std::move(socket)) {
    ++shared_.num_connections;
  }
  ~Session() { --shared_.num_connections; }

  void Run() { ReadHeader(); }

 private:
  const HttpServer::Options& options() const { return shared_.options; }

  // Between requests a client may be silent for longer than within one.
  void AwaitRequest() {
    if (buffer_.size() > 0) return ReadHeader();
    stream_.expires_after(Chrono(options().idle_timeout));
    stream_.async_read_some(
        buffer_.prepare(4096),
        [self = shared_from_this()](error_code error, size_t bytes) {
          if (error) return;
          self->buffer_.commit(bytes);
          self->ReadHeader();
        });
  }

  void ReadHeader() {
    parser_.emplace();
    parser_->header_limit(options().max_header_bytes);
    parser_->body_limit(options().max_body_bytes);
    stream_.expires_after(Chrono(options().header_timeout));
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, size_t) {
          if (error) return self->Refuse(error);
          self->ReadBody();
        });
  }

  void ReadBody() {
    stream_.expires_after(Chrono(options().body_timeout));
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](error_code error, size_t) {
                       if (error) return self->Refuse(error);
                       self->Answer();
                     });
  }

  void Answer() {
    http::request<http::string_body> message = parser_->release();
    const bool head = message.method() == http::verb::head;
    const bool keep_alive = message.keep_alive();
    HttpResponse response;
    try {
      response = shared_.handler(ToRequest(message));
    } catch (const std::exception& error) {
      LogError("http handler threw", {{"error", error.what()}});
      response = {.status = 500, .body = "internal error\n"};
    }
    Write(std::move(response), message.version(), keep_alive, head);
  }

  // The request could not be read: say why where the client will listen.
  void Refuse(error_code error) {
    if (error == http::error::end_of_stream || error == beast::error::timeout ||
        error.category() !=
            http::make_error_code(http::error::end_of_stream).category()) {
      return;
    }
    HttpResponse response{.status = 400, .body = "bad request\n"};
    if (error == http::error::header_limit)
      response = {.status = 431, .body = "header too large\n"};
    if (error == http::error::body_limit)
      response = {.status = 413, .body = "body too large\n"};
    Write(std::move(response), 11, /*keep_alive=*/false, /*head=*/false);
  }

  void Write(HttpResponse response, unsigned version, bool keep_alive,
             bool head) {
    auto message = std::make_shared<http::response<http::string_body>>(
        static_cast<http::status>(response.status), version);
    message->set(http::field::content_type, response.content_type);
    for (const auto& [name, value] : response.headers)
      message->set(name, value);
    message->content_length(response.body.size());
    message->keep_alive(keep_alive);
    if (!head) message->body() = std::move(response.body);
    stream_.expires_after(Chrono(options().body_timeout));
    http::async_write(stream_, *message,
                      [self = shared_from_this(), message, keep_alive](
                          error_code error, size_t) {
                        if (error) return;
                        if (keep_alive) return self->AwaitRequest();
                        self->stream_.socket().shutdown(
                            tcp::socket::shutdown_send, error);
                      });
  }

  Shared& shared_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  boost::optional<http::request_parser<http::string_body>> parser_;
};

}  // namespace

class HttpServer::Impl {
 public:
  Impl(const Options& options, Handler handler)
      : shared_{options, std::move(handler), {}}, acceptor_(io_), pause_(io_) {}

  ~Impl() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Listen() {
    const HostPort& wanted = shared_.options.listen;
    error_code error;
    tcp::resolver resolver(io_);
    const auto found = resolver.resolve(
        wanted.host, absl::StrCat(wanted.port),
        tcp::resolver::passive | tcp::resolver::numeric_service, error);
    if (!error) acceptor_.open(found->endpoint().protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(found->endpoint(), error);
    if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
    if (error) {
      return absl::FailedPreconditionError(absl::StrCat(
          "cannot listen on ", wanted.ToString(), ": ", error.message()));
    }
    address_ = {wanted.host, acceptor_.local_endpoint(error).port()};
    return absl::OkStatus();
  }

  void Start() {
    Accept();
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "http");
      io_.run();
    });
  }

  const HostPort& address() const { return address_; }
  int num_connections() const { return shared_.num_connections; }

 private:
  void Accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (error) return AcceptLater();
      // A socket that goes out of scope is closed.
      if (!Full(socket))
        std::make_shared<Session>(std::move(socket), shared_)->Run();
      Accept();
    });
  }

  // Out of file descriptors, most likely: trying again at once would spin.
  void AcceptLater() {
    pause_.expires_after(std::chrono::milliseconds(100));
    pause_.async_wait([this](error_code error) {
      if (!error) Accept();
    });
  }

  // Descriptors are handed out from the lowest: a high one means few are left,
  // and those are for files and peers.
  bool Full(tcp::socket& socket) const {
    rlimit limit{};
    const bool scarce =
        getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        static_cast<rlim_t>(socket.native_handle()) >= limit.rlim_cur / 10 * 9;
    return scarce || shared_.num_connections >= shared_.options.max_connections;
  }

  HostPort address_;
  Shared shared_;  // outlives the sessions, which io_ holds
  asio::io_context io_{/*concurrency_hint=*/1};
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    const Options& options, Handler handler) {
  auto impl = std::make_unique<Impl>(options, std::move(handler));
  if (absl::Status status = impl->Listen(); !status.ok()) return status;
  impl->Start();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() = default;

const HostPort& HttpServer::address() const { return impl_->address(); }

int HttpServer::num_connections() const { return impl_->num_connections(); }

}  // namespace tandem
