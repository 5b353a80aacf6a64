#include "common/http_exchange.h"

#include <utility>

#include "common/http_connection.h"

namespace tandem {
namespace {

class ConnectionExchange final : public HttpExchange {
 public:
  ConnectionExchange(std::shared_ptr<HttpCore> core,
                     std::weak_ptr<HttpConnection> connection, int64_t number,
                     HttpRequest request)
      : HttpExchange(std::move(request)),
        core_(std::move(core)),
        connection_(std::move(connection)),
        number_(number) {}

  ~ConnectionExchange() override {
    if (ended_) return;
    Reach([n = number_](HttpConnection& to) { to.Abandon(n); });
  }

  void Watch(Events events) override {
    const auto on_gone = events.on_gone;
    const bool reached = Reach(
        [n = number_, events = std::move(events)](HttpConnection& to) mutable {
          to.Watch(n, std::move(events));
        });
    if (!reached && on_gone) on_gone();
  }

  void SetTimer(absl::Duration delay, std::function<void()> act) override {
    Reach([n = number_, delay, act = std::move(act)](HttpConnection& to) {
      to.SetTimer(n, delay, act);
    });
  }

  void Respond(HttpResponse response) override {
    ended_ = true;
    Reach([n = number_, response = std::move(response)](HttpConnection& to) {
      to.Respond(n, response);
    });
  }

  void Begin(HttpResponse head) override {
    Reach([n = number_, head = std::move(head)](HttpConnection& to) {
      to.Begin(n, head);
    });
  }

  void Write(std::string piece) override {
    Reach([n = number_, piece = std::move(piece)](HttpConnection& to) {
      to.Write(n, piece);
    });
  }

  void End() override {
    ended_ = true;
    Reach([n = number_](HttpConnection& to) { to.End(n); });
  }

 private:
  bool Reach(std::function<void(HttpConnection&)> act) {
    return ReachHttpConnection(*core_, connection_, std::move(act));
  }

  const std::shared_ptr<HttpCore> core_;
  const std::weak_ptr<HttpConnection> connection_;
  const int64_t number_;
  bool ended_ = false;
};

}  // namespace

bool ReachHttpConnection(HttpCore& core,
                         const std::weak_ptr<HttpConnection>& connection,
                         std::function<void(HttpConnection&)> act) {
  // Let go of after the lock, which its end takes.
  const std::shared_ptr<HttpConnection> reached = connection.lock();
  if (reached == nullptr) return false;
  absl::ReaderMutexLock lock(&core.mutex);
  if (!core.open) return false;
  reached->Post(std::move(act));
  return true;
}

std::shared_ptr<HttpExchange> MakeHttpExchange(
    std::shared_ptr<HttpCore> core, std::weak_ptr<HttpConnection> connection,
    int64_t number, HttpRequest request) {
  return std::make_shared<ConnectionExchange>(
      std::move(core), std::move(connection), number, std::move(request));
}

}  // namespace tandem
