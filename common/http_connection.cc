#include "common/http_connection.h"

#include <exception>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "boost/asio/post.hpp"
#include "boost/asio/write.hpp"
#include "boost/beast/http/error.hpp"
#include "boost/beast/http/read.hpp"
#include "common/http_exchange.h"
#include "common/log.h"

namespace tandem {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

// Bodies over this are handled by a worker.
constexpr int64_t kLargeBody = 64 * 1024;
constexpr size_t kReadAhead = 1024;
constexpr size_t kBodyBuffer = 64 * 1024;
// For a client that is told to go away while it still sends.
constexpr absl::Duration kLinger = absl::Seconds(2);

absl::string_view View(beast::string_view text) {
  return {text.data(), text.size()};
}

HttpRequest ToRequest(http::request<http::string_body> message) {
  HttpRequest request;
  // A HEAD asks for what a GET would answer, less the body.
  request.method = message.method() == http::verb::head
                       ? "GET"
                       : std::string(message.method_string());
  const absl::string_view target = View(message.target());
  const size_t mark = target.find('?');
  request.path = std::string(target.substr(0, mark));
  if (mark != absl::string_view::npos) {
    request.query = std::string(target.substr(mark + 1));
  }
  for (const auto& field : message) {
    request.headers.emplace_back(
        absl::AsciiStrToLower(View(field.name_string())),
        std::string(field.value()));
  }
  request.body = std::move(message.body());
  return request;
}

void Handle(const HttpCore& core,
            const std::shared_ptr<HttpExchange>& exchange) {
  try {
    core.handler(exchange);
  } catch (const std::exception& error) {
    LogError("http handler threw", {{"error", error.what()}});
  }
}

}  // namespace

HttpConnection::Registration::Registration(std::shared_ptr<HttpCore> core,
                                           HttpConnection* connection)
    : core_(std::move(core)), connection_(connection) {
  absl::MutexLock lock(&core_->mutex);
  core_->connections.insert(connection_);
}

HttpConnection::Registration::~Registration() {
  absl::MutexLock lock(&core_->mutex);
  core_->connections.erase(connection_);
}

HttpConnection::HttpConnection(tcp::socket socket,
                               std::shared_ptr<HttpCore> core, bool is_surplus)
    : core_(std::move(core)),
      registration_(core_, this),
      is_surplus_(is_surplus),
      socket_(std::move(socket)),
      read_deadline_(socket_.get_executor()),
      write_deadline_(socket_.get_executor()),
      timer_(socket_.get_executor()) {
  ++(is_surplus_ ? core_->num_surplus : core_->num_connections);
}

HttpConnection::~HttpConnection() {
  Close();
  --(is_surplus_ ? core_->num_surplus : core_->num_connections);
}

void HttpConnection::Run() {
  Post([](HttpConnection& self) {
    if (!self.is_surplus_) return self.ReadHeader();
    self.RefuseWith(429, "too many connections");
  });
}

void HttpConnection::Post(std::function<void(HttpConnection&)> act) {
  asio::post(socket_.get_executor(),
             [self = shared_from_this(), act = std::move(act)] { act(*self); });
}

void HttpConnection::ReadHeader() {
  if (closed_) return;
  parser_.emplace();
  parser_->header_limit(options().max_header_bytes);
  parser_->body_limit(options().max_body_bytes);
  SetReadDeadline(options().header_timeout);
  http::async_read_header(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](error_code error, size_t) {
        if (error) return self->Refuse(error);
        self->OnHeader();
      });
}

void HttpConnection::OnHeader() {
  const auto& message = parser_->get();
  framing_ = {.minor_version = message.version() == 10 ? 0 : 1,
              .keep_alive = message.keep_alive(),
              .head_only = message.method() == http::verb::head};
  body_begin_ = std::chrono::steady_clock::now();
  if (parser_->content_length_remaining().value_or(kBodyBuffer) >=
      kBodyBuffer) {
    buffer_.reserve(kBodyBuffer);
  }
  if (!absl::EqualsIgnoreCase(View(message[http::field::expect]),
                              "100-continue")) {
    return ReadBody();
  }
  static constexpr absl::string_view kContinue =
      "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(socket_, asio::buffer(kContinue.data(), kContinue.size()),
                    [self = shared_from_this()](error_code error, size_t) {
                      if (error) return self->Close();
                      self->ReadBody();
                    });
}

void HttpConnection::ReadBody() {
  if (closed_) return;
  if (!AccountBody()) {
    return RefuseWith(429, "too many request bodies are being read");
  }
  if (parser_->is_done()) return Dispatch();
  const absl::Duration earned =
      absl::Seconds(static_cast<double>(accounted_bytes_) /
                    static_cast<double>(options().min_body_bytes_per_second));
  SetReadDeadline(
      options().body_timeout + earned -
      absl::FromChrono(std::chrono::steady_clock::now() - body_begin_));
  http::async_read_some(socket_, buffer_, *parser_,
                        [self = shared_from_this()](error_code error, size_t) {
                          if (error) return self->Refuse(error);
                          self->ReadBody();
                        });
}

bool HttpConnection::AccountBody() {
  const auto size = static_cast<int64_t>(parser_->get().body().size());
  const int64_t added = size - accounted_bytes_;
  accounted_bytes_ = size;
  return core_->buffered_bytes.fetch_add(added) + added <=
         options().max_buffered_bytes;
}

void HttpConnection::ReleaseBody() {
  core_->buffered_bytes -= accounted_bytes_;
  accounted_bytes_ = 0;
}

void HttpConnection::Dispatch() {
  read_deadline_.cancel();
  HttpRequest request = ToRequest(parser_->release());
  parser_.reset();
  buffer_.shrink_to_fit();
  in_exchange_ = true;
  complete_ = streamed_ = false;
  ++exchange_;
  ++core_->num_exchanges;
  ReadAhead();
  // Its body counts until the handler returns: what comes of it is the
  // handler's to bound.
  auto handle = [core = core_, weak = weak_from_this(),
                 exchange = MakeHttpExchange(core_, weak_from_this(), exchange_,
                                             std::move(request))]() mutable {
    Handle(*core, exchange);
    exchange->request() = {};
    exchange = nullptr;
    ReachHttpConnection(*core, weak,
                        [](HttpConnection& self) { self.ReleaseBody(); });
  };
  if (core_->workers != nullptr && accounted_bytes_ > kLargeBody) {
    asio::post(*core_->workers, std::move(handle));
  } else {
    handle();
  }
}

void HttpConnection::ReadAhead() {
  if (closed_ || reading_ahead_) return;
  if (buffer_.size() >= options().max_header_bytes) return;
  reading_ahead_ = true;
  socket_.async_read_some(
      buffer_.prepare(kReadAhead),
      [self = shared_from_this()](error_code error, size_t bytes) {
        self->OnReadAhead(error, bytes);
      });
}

void HttpConnection::OnReadAhead(error_code error, size_t bytes) {
  reading_ahead_ = false;
  if (closed_) return;
  if (error == asio::error::operation_aborted) return ReadHeader();
  if (error) {
    // Who has asked for nothing more may still read what is on its way.
    peer_closed_ = !lingers_ && complete_ && !outgoing_.empty();
    return peer_closed_ ? void() : Close();
  }
  buffer_.commit(bytes);
  if (lingers_) {
    buffer_.clear();
    return ReadAhead();
  }
  if (in_exchange_ || !outgoing_.empty()) return ReadAhead();
  ReadHeader();
}

void HttpConnection::Watch(int64_t exchange, HttpExchange::Events events) {
  if (IsCurrent(exchange)) {
    events_ = std::move(events);
  } else if (closed_ && exchange == exchange_ && !complete_) {
    if (events.on_gone) events.on_gone();
  }
}

void HttpConnection::SetTimer(int64_t exchange, absl::Duration delay,
                              std::function<void()> act) {
  if (!IsCurrent(exchange)) return;
  timer_.expires_after(absl::ToChronoNanoseconds(delay));
  timer_.async_wait([self = shared_from_this(), exchange,
                     act = std::move(act)](error_code error) {
    if (!error && self->IsCurrent(exchange)) act();
  });
}

void HttpConnection::Respond(int64_t exchange, const HttpResponse& response) {
  if (!IsCurrent(exchange)) return;
  complete_ = true;
  framing_.keep_alive &= !core_->draining;
  std::string bytes = HttpHead(response, framing_, /*has_length=*/true);
  if (!framing_.head_only) bytes += response.body;
  Queue(std::move(bytes), /*is_piece=*/false);
}

void HttpConnection::Begin(int64_t exchange, const HttpResponse& head) {
  if (!IsCurrent(exchange)) return;
  streamed_ = true;
  framing_.chunked = framing_.minor_version > 0;
  framing_.keep_alive &= framing_.chunked && !core_->draining;
  head_ = HttpHead(head, framing_, /*has_length=*/false);
}

void HttpConnection::Write(int64_t exchange, absl::string_view piece) {
  if (!IsCurrent(exchange)) return;
  std::string bytes = std::exchange(head_, {});
  if (!framing_.head_only) {
    bytes += framing_.chunked ? HttpChunk(piece) : std::string(piece);
  }
  Queue(std::move(bytes), /*is_piece=*/true);
}

void HttpConnection::End(int64_t exchange) {
  if (!IsCurrent(exchange)) return;
  complete_ = true;
  std::string bytes = std::exchange(head_, {});
  if (framing_.chunked && !framing_.head_only) {
    bytes.append(kHttpLastChunk.data(), kHttpLastChunk.size());
  }
  if (!bytes.empty()) {
    Queue(std::move(bytes), /*is_piece=*/false);
  } else if (outgoing_.empty()) {
    OnAnswered();
  }
}

void HttpConnection::Abandon(int64_t exchange) {
  if (!IsCurrent(exchange)) return;
  if (streamed_) return Close();  // A part of it is out.
  framing_.keep_alive = false;
  const auto& refusal = options().refusal;
  Respond(exchange,
          refusal != nullptr
              ? refusal(500, "internal error")
              : HttpResponse{.status = 500, .body = "internal error\n"});
}

// The request could not be read: say why where the client will listen.
void HttpConnection::Refuse(error_code error) {
  if (closed_) return;
  const auto& category =
      http::make_error_code(http::error::end_of_stream).category();
  if (error == http::error::end_of_stream ||
      error == http::error::partial_message || error.category() != category) {
    return Close();
  }
  if (error == http::error::header_limit) {
    RefuseWith(431, "header too large");
  } else if (error == http::error::body_limit) {
    RefuseWith(413, "body too large");
  } else {
    RefuseWith(400, "bad request");
  }
}

void HttpConnection::RefuseWith(int status, absl::string_view why) {
  read_deadline_.cancel();
  ReleaseBody();
  parser_.reset();
  framing_ = {.keep_alive = false};
  complete_ = true;
  const HttpResponse response =
      options().refusal != nullptr
          ? options().refusal(status, why)
          : HttpResponse{.status = status, .body = std::string(why) + "\n"};
  Queue(HttpHead(response, framing_, /*has_length=*/true) + response.body,
        /*is_piece=*/false);
}

void HttpConnection::Queue(std::string bytes, bool is_piece) {
  outgoing_.push_back({std::move(bytes), is_piece});
  if (outgoing_.size() == 1) WriteNext();
}

void HttpConnection::WriteNext() {
  SetWriteDeadline(options().write_timeout);
  asio::async_write(socket_, asio::buffer(outgoing_.front().bytes),
                    [self = shared_from_this()](error_code error, size_t) {
                      self->OnWritten(error);
                    });
}

void HttpConnection::OnWritten(error_code error) {
  if (closed_) return;
  if (error) return Close();
  const bool was_piece = outgoing_.front().is_piece;
  outgoing_.pop_front();
  if (!outgoing_.empty()) {
    WriteNext();
  } else {
    write_deadline_.cancel();
    if (complete_) return OnAnswered();
  }
  if (was_piece && events_.on_written) events_.on_written();
}

void HttpConnection::OnAnswered() {
  timer_.cancel();
  if (in_exchange_) --core_->num_exchanges;
  in_exchange_ = false;
  const HttpExchange::Events let_go = std::exchange(events_, {});
  std::deque<Outgoing>().swap(outgoing_);
  if (peer_closed_) return Close();  // There is no second news of it.
  if (framing_.keep_alive && !core_->draining) {
    AwaitRequest();
  } else {
    Linger();
  }
}

// Between requests a client may be silent for longer than within one.
void HttpConnection::AwaitRequest() {
  if (buffer_.size() == 0) {
    SetReadDeadline(options().idle_timeout);
    ReadAhead();
  } else if (reading_ahead_) {
    socket_.cancel();  // The next request is here: OnReadAhead goes on with it.
  } else {
    ReadHeader();
  }
}

void HttpConnection::Linger() {
  lingers_ = true;
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  SetReadDeadline(kLinger);
  if (reading_ahead_) return;
  buffer_.clear();
  ReadAhead();
}

void HttpConnection::Close() {
  if (closed_) return;
  closed_ = true;
  ReleaseBody();
  read_deadline_.cancel();
  write_deadline_.cancel();
  timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
  const HttpExchange::Events events = std::exchange(events_, {});
  if (!in_exchange_) return;
  in_exchange_ = false;
  --core_->num_exchanges;
  if (!complete_ && events.on_gone) events.on_gone();
}

void HttpConnection::CloseIfIdle() {
  if (in_exchange_ || !outgoing_.empty() || lingers_) return;
  if (parser_.has_value() && parser_->got_some()) return;
  Close();
}

void HttpConnection::SetReadDeadline(absl::Duration after) {
  ExpireAfter(read_deadline_, after);
}

void HttpConnection::SetWriteDeadline(absl::Duration after) {
  ExpireAfter(write_deadline_, after);
}

void HttpConnection::ExpireAfter(asio::steady_timer& timer,
                                 absl::Duration after) {
  timer.expires_after(absl::ToChronoNanoseconds(after));
  timer.async_wait([self = shared_from_this(), &timer](error_code error) {
    // It may have been set anew while this was on its way.
    if (error || timer.expiry() > std::chrono::steady_clock::now()) return;
    self->Close();
  });
}

}  // namespace tandem
