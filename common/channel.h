#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/grpc_metrics.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/channel_arguments.h"

namespace tandem {

// What every channel of ours is made with: 32 MiB messages, keepalive that our
// servers allow, quick reconnects, no retries (the gateway retries, once), no
// HTTP proxy from the environment, connections of its own.
grpc::ChannelArguments TandemChannelArguments();

// A channel to one address ("HOST:PORT") or name ("dns:///NAME:PORT", all of
// whose addresses take turns). Dials when first used. Attempts are measured
// where `metrics`, which must outlive the channel, is given.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target,
                                           GrpcMetrics* metrics = nullptr);

// How long a call may take that says nothing, or too much.
struct DeadlinePolicy {
  absl::Duration if_none = absl::Seconds(120);
  absl::Duration at_most = absl::Seconds(600);
  absl::Duration least_useful = absl::Milliseconds(50);
};

// The deadline of an incoming call by `policy`: the client's, bounded. What is
// left of it is passed on to every call made on its behalf. DEADLINE_EXCEEDED
// when less than `least_useful` is left: nothing is begun for such a call.
absl::StatusOr<absl::Time> RequestDeadline(
    const grpc::ServerContextBase& context, absl::Time now,
    const DeadlinePolicy& policy = {});

// For an outgoing call.
void SetDeadline(absl::Time deadline, grpc::ClientContext& context);

}  // namespace tandem
