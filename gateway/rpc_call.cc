#include "gateway/rpc_call.h"

#include "common/channel.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/request_id.h"
#include "common/status_macros.h"
#include "common/trace_context.h"

namespace tandem {
namespace {

// Where the call's headers lie; empty where there is none.
absl::string_view Header(const grpc::CallbackServerContext& context,
                         const char* name) {
  const auto found = context.client_metadata().find(name);
  if (found == context.client_metadata().end()) return "";
  return {found->second.data(), found->second.size()};
}

}  // namespace

absl::Status CheckGate(const RpcFrame& frame) {
  absl::Status status = frame.gate.Admit();
  if (!status.ok()) {
    frame.metrics.admission_rejections[Rejection::kDraining].Increment();
  }
  return status;
}

absl::StatusOr<ChatEngine::Call> BeginCall(
    const RpcFrame& frame, const grpc::CallbackServerContext& context,
    const std::string& request_id) {
  TANDEM_RETURN_IF_ERROR(CheckGate(frame));
  absl::StatusOr<absl::Time> deadline =
      RequestDeadline(context, frame.clock.Now());
  if (!deadline.ok()) {
    frame.metrics.admission_rejections[Rejection::kDeadline].Increment();
    return deadline.status();
  }
  TANDEM_ASSIGN_OR_RETURN(
      std::shared_ptr<AccessPass> pass,
      frame.access.Enter(Header(context, kAuthorizationHeader),
                         Header(context, kApiKeyHeader)));
  return ChatEngine::Call{.request_id = request_id,
                          .deadline = *deadline,
                          .pass = std::move(pass),
                          .trace = StartSpan(context)};
}

absl::StatusOr<std::shared_ptr<AccessPass>> Identify(
    const RpcFrame& frame, const grpc::CallbackServerContext& context) {
  return frame.access.Identify(Header(context, kAuthorizationHeader),
                               Header(context, kApiKeyHeader));
}

OpenCall::OpenCall(const RpcFrame& frame, grpc::CallbackServerContext& context,
                   CallRecord::Labels labels)
    : frame_(frame),
      context_(context),
      id_(TakeRequestId(context)),
      record_(frame.metrics, frame.clock, labels) {}

grpc::Status OpenCall::End(const absl::Status& status) {
  record_.End(status.code());
  return ToGrpcStatus(WithRequestId(status, id_));
}

grpc::ServerUnaryReactor* OpenCall::Answer(const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context_.DefaultReactor();
  reactor->Finish(End(status));
  return reactor;
}

}  // namespace tandem
