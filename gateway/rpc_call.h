#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/clock.h"
#include "common/health.h"
#include "common/metrics.h"
#include "gateway/access.h"
#include "gateway/call_record.h"
#include "gateway/chat_engine.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace tandem {

// What the gRPC services of the gateway work with; all of it outlives the
// server that they are registered with.
struct RpcFrame {
  ChatEngine& engine;
  AccessControl& access;
  Clock& clock;
  const CallGate& gate;
  GatewayMetrics& metrics;
};

// OK while the gateway takes calls; UNAVAILABLE DRAINING, counted as a
// rejection, when the gate is closed. What every protocol asks first.
absl::Status CheckGate(const RpcFrame& frame);

// Admits a call, or one request of a stream, and tells what the engine must
// know of it. UNAVAILABLE DRAINING when the gate is closed; DEADLINE_EXCEEDED
// when too little time is left; else the errors of AccessControl::Enter for the
// key in the call's metadata.
absl::StatusOr<ChatEngine::Call> BeginCall(
    const RpcFrame& frame, const grpc::CallbackServerContext& context,
    const std::string& request_id);

// Whose call it is that makes no work: AccessControl::Identify.
absl::StatusOr<std::shared_ptr<AccessPass>> Identify(
    const RpcFrame& frame, const grpc::CallbackServerContext& context);

// What every call has, however it ends: an id and its place in the metrics.
class OpenCall {
 public:
  OpenCall(const RpcFrame& frame, grpc::CallbackServerContext& context,
           CallRecord::Labels labels);

  const std::string& id() const { return id_; }

  absl::StatusOr<ChatEngine::Call> Begin() {
    return BeginCall(frame_, context_, id_);
  }
  // Counts it; how the client is told.
  grpc::Status End(const absl::Status& status);
  // The same for a call that is answered at once.
  grpc::ServerUnaryReactor* Answer(const absl::Status& status);

 private:
  const RpcFrame frame_;
  grpc::CallbackServerContext& context_;
  const std::string id_;
  CallRecord record_;
};

}  // namespace tandem
