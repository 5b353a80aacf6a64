#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "common/grpc_admin.h"
#include "common/grpc_metrics.h"
#include "common/health.h"
#include "common/host_port.h"
#include "common/options.h"
#include "grpcpp/channel.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/server.h"

namespace tandem {

// A gRPC server as all of ours are: bounded messages, streams and metadata, no
// compression, keepalive, health, reflection, and a shutdown that loses no
// call.
//
// Health service names: "" and "readiness" (takes calls), "liveness" (its
// engines move), each service's own name (takes calls), and that of a part of
// it (SERVICE/PART: takes calls, and this part of them can be answered). They
// follow `health`, and turn NOT_SERVING for good when Shutdown begins.
class GrpcHost {
 public:
  struct Options {
    // Empty: reached through InProcessChannel only.
    std::optional<HostPort> listen;
    bool reflection = true;
    // channelz and reflection for operators; empty: nowhere.
    std::optional<HostPort> admin_listen = std::nullopt;
    // Late callers are still served after health has said no.
    absl::Duration pre_drain = absl::Seconds(5);
    // Calls in flight may finish.
    absl::Duration drain = absl::Seconds(120);
    absl::Duration cancel_after = absl::Seconds(5);
    // Health is looked at this often, for engines that fall silent and for
    // parts of services; a change of a condition is seen at once.
    absl::Duration health_period = absl::Milliseconds(250);
    // Of gRPC's own buffers.
    size_t memory_quota_bytes = size_t{1} << 30;
  };
  // A service and the gate that its handlers ask; both outlive the host.
  struct Service {
    std::string name;  // VisionService::service_full_name()
    grpc::Service* service;
    CallGate* gate;
    // Empty: no part has a health name of its own.
    std::string part = "";
    // Looked at several times a second, from the host's own thread.
    std::function<bool()> part_ready = nullptr;
  };

  // Everything borrowed must outlive the host. FAILED_PRECONDITION when the
  // address cannot be bound. Logs where it listens.
  static absl::StatusOr<std::unique_ptr<GrpcHost>> Start(
      const Options& options, std::vector<Service> services, Health& health,
      GrpcMetrics& metrics);
  // Cancels what Shutdown has not ended.
  ~GrpcHost();

  // Where it listens, with the port that was picked; empty if nowhere.
  const std::optional<HostPort>& address() const { return address_; }
  // Null where there is none.
  const GrpcAdmin* admin() const { return admin_.get(); }

  // A channel without a socket, with the arguments of MakeChannel. No call may
  // begin on it once Shutdown has begun: gRPC 1.51 would call into a server
  // that is no longer there.
  std::shared_ptr<grpc::Channel> InProcessChannel();

  // Calls of the hosted services that have not ended.
  int calls_in_flight() const;

  // 1. Health says no; late calls are still served for `pre_drain`. 2. The
  // gates close and calls in flight get `drain` to finish. 3. The rest is
  // cancelled. `hurry`, once notified, leads straight to 3. Returns when no
  // handler runs.
  void Shutdown(const absl::Notification& hurry);

 private:
  class InFlight;

  GrpcHost(const Options& options, std::vector<Service> services,
           Health& health, GrpcMetrics& metrics);
  absl::Status Build();
  void FollowHealth();
  void Report(const Health::State& state);

  const Options options_;
  const std::vector<Service> services_;
  Health& health_;
  GrpcMetrics& metrics_;
  const std::shared_ptr<InFlight> in_flight_;  // shared with the interceptor
  std::unique_ptr<grpc::Server> server_;
  std::optional<HostPort> address_;
  std::unique_ptr<GrpcAdmin> admin_;
  // Of each health name; the health thread's, once it runs.
  std::map<std::string, bool> reported_;
  std::atomic<bool> stopping_ = false;
  std::thread health_thread_;
};

// --listen with the default that `options->listen` holds, --reflection,
// --admin-grpc-listen, --pre-drain and --drain.
void AddGrpcHostOptions(CommandLine& line, GrpcHost::Options* options);

}  // namespace tandem
