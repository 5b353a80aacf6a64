#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/host_port.h"
#include "grpcpp/server.h"

namespace tandem {

// What operators ask a process over gRPC, on a listener of its own: channelz
// (every channel, server and socket, with their counts) and reflection. Public
// servers of the process have no channelz: GrpcHost takes it out.
class GrpcAdmin {
 public:
  // FAILED_PRECONDITION when the address cannot be bound. Logs where it
  // listens. Not while another thread makes a server.
  static absl::StatusOr<std::unique_ptr<GrpcAdmin>> Start(
      const HostPort& listen);
  ~GrpcAdmin();

  // With the port that was picked.
  const HostPort& address() const { return address_; }

 private:
  GrpcAdmin() = default;
  std::unique_ptr<grpc::Server> server_;
  HostPort address_;
};

// The plugin's name, in any server made after Start.
inline constexpr char kChannelzPlugin[] = "channelz_service";

}  // namespace tandem
