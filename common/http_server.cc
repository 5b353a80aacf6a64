#include "common/http_server.h"

#include <pthread.h>
#include <sys/resource.h>

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "boost/asio/executor_work_guard.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/strand.hpp"
#include "common/http_connection.h"

namespace tandem {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

}  // namespace

absl::string_view HttpRequest::Header(absl::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

class HttpServer::Impl {
 public:
  Impl(const Options& options, Handler handler)
      : core_(std::make_shared<HttpCore>()) {
    core_->options = options;
    core_->handler = std::move(handler);
    core_->io = std::make_unique<asio::io_context>(options.num_threads);
    if (options.num_workers > 0) {
      core_->workers = std::make_unique<asio::thread_pool>(options.num_workers);
    }
    acceptor_.emplace(asio::make_strand(*core_->io));
    pause_.emplace(acceptor_->get_executor());
  }

  ~Impl() {
    StopAccepting();
    {
      absl::MutexLock lock(&core_->mutex);
      core_->open = false;
    }
    OnConnections([](HttpConnection& connection) { connection.Close(); });
    {
      // Their operations end now, and they with them.
      absl::MutexLock lock(&core_->mutex);
      core_->mutex.Await(absl::Condition(
          +[](HttpCore* core) ABSL_EXCLUSIVE_LOCKS_REQUIRED(core->mutex) {
            return core->connections.empty();
          },
          core_.get()));
    }
    if (core_->workers != nullptr) core_->workers->join();
    work_.reset();
    for (std::thread& thread : threads_) thread.join();
    pause_.reset();
    acceptor_.reset();
    core_->io = nullptr;
  }

  absl::Status Listen() {
    const HostPort& wanted = core_->options.listen;
    error_code error;
    tcp::resolver resolver(*core_->io);
    const auto found = resolver.resolve(
        wanted.host, absl::StrCat(wanted.port),
        tcp::resolver::passive | tcp::resolver::numeric_service, error);
    if (!error) acceptor_->open(found->endpoint().protocol(), error);
    if (!error) {
      acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
    }
    if (!error) acceptor_->bind(found->endpoint(), error);
    if (!error) acceptor_->listen(tcp::acceptor::max_listen_connections, error);
    if (error) {
      return absl::FailedPreconditionError(absl::StrCat(
          "cannot listen on ", wanted.ToString(), ": ", error.message()));
    }
    address_ = {wanted.host, acceptor_->local_endpoint(error).port()};
    return absl::OkStatus();
  }

  void Start() {
    work_.emplace(core_->io->get_executor());
    asio::post(acceptor_->get_executor(), [this] { Accept(); });
    for (int i = 0; i < core_->options.num_threads; ++i) {
      threads_.emplace_back([io = core_->io.get()] {
        pthread_setname_np(pthread_self(), "http");
        io->run();
      });
    }
  }

  void Drain(absl::Duration grace, const absl::Notification& hurry) {
    core_->draining = true;
    StopAccepting();
    OnConnections([](HttpConnection& connection) { connection.CloseIfIdle(); });
    const absl::Time end = absl::Now() + grace;
    while (core_->num_exchanges > 0 && absl::Now() < end) {
      if (hurry.WaitForNotificationWithTimeout(absl::Milliseconds(10))) return;
    }
  }

  const HostPort& address() const { return address_; }
  const HttpCore& core() const { return *core_; }

 private:
  void Accept() {
    acceptor_->async_accept(asio::make_strand(*core_->io),
                            [this](error_code error, auto socket) {
                              if (!acceptor_->is_open()) return;
                              if (error) return AcceptLater();
                              Take(std::move(socket));
                              Accept();
                            });
  }

  // A socket that goes out of scope is closed.
  template <class Socket>
  void Take(Socket socket) {
    const int bound = core_->options.max_connections;
    const bool is_surplus = core_->num_connections >= bound;
    if (IsScarce(socket) || (is_surplus && core_->num_surplus >= bound)) return;
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    std::make_shared<HttpConnection>(std::move(socket), core_, is_surplus)
        ->Run();
  }

  // Out of file descriptors, most likely: trying again at once would spin.
  void AcceptLater() {
    pause_->expires_after(std::chrono::milliseconds(100));
    pause_->async_wait([this](error_code error) {
      if (!error && acceptor_->is_open()) Accept();
    });
  }

  // Returns when nothing will be accepted any more.
  void StopAccepting() {
    if (threads_.empty()) return;
    absl::Notification stopped;
    asio::post(acceptor_->get_executor(), [&] {
      error_code ignored;
      acceptor_->close(ignored);
      pause_->cancel();
      stopped.Notify();
    });
    stopped.WaitForNotification();
  }

  void OnConnections(const std::function<void(HttpConnection&)>& act) {
    absl::MutexLock lock(&core_->mutex);
    for (HttpConnection* connection : core_->connections) {
      // One whose end has begun waits for the lock.
      auto held = connection->weak_from_this().lock();
      if (held == nullptr) continue;
      held->Post(act);
      // Its end takes the lock: let go of it elsewhere.
      asio::post(*core_->io, [held = std::move(held)] {});
    }
  }

  // Descriptors are handed out from the lowest: a high one means few are left,
  // and those are for files and peers.
  template <class Socket>
  static bool IsScarce(Socket& socket) {
    rlimit limit{};
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
           static_cast<rlim_t>(socket.native_handle()) >=
               limit.rlim_cur / 10 * 9;
  }

  const std::shared_ptr<HttpCore> core_;
  HostPort address_;
  absl::optional<tcp::acceptor> acceptor_;
  absl::optional<asio::steady_timer> pause_;
  absl::optional<asio::executor_work_guard<asio::io_context::executor_type>>
      work_;
  std::vector<std::thread> threads_;
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    const Options& options, Handler handler) {
  auto impl = std::make_unique<Impl>(options, std::move(handler));
  if (absl::Status status = impl->Listen(); !status.ok()) return status;
  impl->Start();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    const Options& options, SimpleHandler handler) {
  return Start(options,
               Handler([handler = std::move(handler)](
                           const std::shared_ptr<HttpExchange>& exchange) {
                 exchange->Respond(handler(exchange->request()));
               }));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() = default;

void HttpServer::Drain(absl::Duration grace, const absl::Notification& hurry) {
  impl_->Drain(grace, hurry);
}

const HostPort& HttpServer::address() const { return impl_->address(); }

int HttpServer::num_connections() const {
  return impl_->core().num_connections;
}

int HttpServer::num_exchanges() const { return impl_->core().num_exchanges; }

}  // namespace tandem
