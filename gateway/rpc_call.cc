#include "gateway/rpc_call.h"

#include "common/channel.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/request_id.h"
#include "common/trace_context.h"

namespace tandem {

absl::StatusOr<ChatEngine::Call> BeginCall(
    const RpcFrame& frame, const grpc::CallbackServerContext& context,
    const std::string& request_id) {
  if (absl::Status status = frame.gate.Admit(); !status.ok()) {
    frame.metrics.admission_rejections[Rejection::kDraining].Increment();
    return status;
  }
  absl::StatusOr<absl::Time> deadline =
      RequestDeadline(context, frame.clock.Now());
  if (!deadline.ok()) {
    frame.metrics.admission_rejections[Rejection::kDeadline].Increment();
    return deadline.status();
  }
  return ChatEngine::Call{.request_id = request_id,
                          .deadline = *deadline,
                          .trace = StartSpan(context)};
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
