#include "common/channel.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/callback_threads.h"
#include "common/errors.h"
#include "common/grpc_limits.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace tandem {

grpc::ChannelArguments TandemChannelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 10'000);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Settings come from us, not from a TXT record.
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  return arguments;
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target,
                                           GrpcMetrics* metrics) {
  KeepCallbackThreads();
  grpc::ChannelArguments arguments = TandemChannelArguments();
  const bool name = absl::StartsWith(target, "dns:///");
  arguments.SetLoadBalancingPolicyName(name ? "round_robin" : "pick_first");
  std::vector<
      std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>>
      interceptors;
  if (metrics != nullptr)
    interceptors.push_back(metrics->ClientInterceptor(target));
  return grpc::experimental::CreateCustomChannelWithInterceptors(
      name ? target : absl::StrCat("dns:///", target),
      grpc::InsecureChannelCredentials(), arguments, std::move(interceptors));
}

absl::StatusOr<absl::Time> RequestDeadline(
    const grpc::ServerContextBase& context, absl::Time now,
    const DeadlinePolicy& policy) {
  const std::chrono::system_clock::time_point given = context.deadline();
  absl::Time deadline = now + policy.if_none;
  if (given != std::chrono::system_clock::time_point::max()) {
    deadline = std::min(absl::FromChrono(given), now + policy.at_most);
  }
  if (deadline - now >= policy.least_useful) return deadline;
  return MakeError(absl::StatusCode::kDeadlineExceeded,
                   reason::kDeadlineExceeded,
                   absl::StrCat(absl::FormatDuration(deadline - now),
                                " are left, less than a request takes"));
}

void SetDeadline(absl::Time deadline, grpc::ClientContext& context) {
  context.set_deadline(absl::ToChronoTime(deadline));
}

}  // namespace tandem
