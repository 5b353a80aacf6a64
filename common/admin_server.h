#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/health.h"
#include "common/host_port.h"
#include "common/http_server.h"
#include "common/metrics.h"

namespace tandem {

// What operators ask, over plain HTTP, for one process; inside a cluster only.
//
//   /healthz /readyz /startupz   200, or 503 with the reason
//   /metrics                     Prometheus text
//   /version                     {"program", "version", "commit"}
//
// GET and HEAD; other paths 404, other methods 405. Opens before weights load.
class AdminServer {
 public:
  // `program` is the name in /version. `health` and `metrics` must outlive it.
  // FAILED_PRECONDITION when `listen` cannot be bound. Logs where it listens.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(
      const HostPort& listen, std::string program, const Health& health,
      Metrics& metrics);

  // With the port that was picked.
  const HostPort& address() const { return server_->address(); }

 private:
  explicit AdminServer(std::unique_ptr<HttpServer> server)
      : server_(std::move(server)) {}
  std::unique_ptr<HttpServer> server_;
};

}  // namespace tandem
