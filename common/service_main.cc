#include "common/service_main.h"

#include <memory>

#include "common/admin_server.h"
#include "common/clock.h"
#include "common/status_macros.h"

namespace tandem {

int RunService(const std::string& program, const BuildInfo& build,
               const HostPort& admin_listen, const std::string& condition,
               const std::function<absl::Status(const ServiceFrame&,
                                                StopSignal&)>& serve) {
  return RunProgram([&](StopSignal& stop) -> absl::Status {
    RealClock clock;
    Health health;
    health.AddCondition(condition);
    Metrics metrics(build, health);
    GrpcMetrics grpc_metrics(metrics);
    TANDEM_ASSIGN_OR_RETURN(
        const std::unique_ptr<AdminServer> admin,
        AdminServer::Start(admin_listen, program, health, metrics));
    return serve({.clock = clock,
                  .health = health,
                  .metrics = metrics,
                  .grpc_metrics = grpc_metrics},
                 stop);
  });
}

}  // namespace tandem
