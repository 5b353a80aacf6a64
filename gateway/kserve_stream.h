#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gateway/kserve_tensors.h"
#include "gateway/rpc_call.h"
#include "grpcpp/alarm.h"
#include "triton/grpc_service.grpc.pb.h"

namespace tandem {

// One ModelStreamInfer: requests come in, each becomes a chat session, and
// their responses go out one write at a time. Whatever waits to be written is
// bounded: a session has one chunk out at a time, and a request counts until
// its last response is written. Ends when its caller has sent the last request
// and every one is answered, when the caller goes away or stops reading, and
// once the gate is closed and what was begun is answered.
class KserveStream final
    : public grpc::ServerBidiReactor<inference::ModelInferRequest,
                                     inference::ModelStreamInferResponse>,
      public std::enable_shared_from_this<KserveStream> {
 public:
  static constexpr size_t kMaxInFlight = 16;

  // Owned by the call, and for a moment after it by who still runs in it.
  static KserveStream* Start(const RpcFrame& frame,
                             grpc::CallbackServerContext& context);

  void OnReadDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone() override;

 private:
  struct Request;
  struct Out {
    std::shared_ptr<Request> request;
    inference::ModelStreamInferResponse response;
    bool continues = false;  // the session has another chunk
  };

  KserveStream(const RpcFrame& frame, grpc::CallbackServerContext& context);

  // Of one request: parses it and starts its session.
  absl::Status Begin(const std::shared_ptr<Request>& request);
  void OnChunk(const std::shared_ptr<Request>& request, v1::ChatChunk chunk)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Its session has ended, or none was begun.
  void OnEnd(const std::shared_ptr<Request>& request,
             const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  void Put(Out out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveIfOver(const std::shared_ptr<Request>& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Reads on where there is room, finishes where nothing is left to do.
  void Proceed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetTimer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnTimer() ABSL_LOCKS_EXCLUDED(mutex_);

  const RpcFrame frame_;
  grpc::CallbackServerContext& context_;
  const std::string request_id_;
  std::shared_ptr<KserveStream> self_;     // until OnDone
  inference::ModelInferRequest incoming_;  // while it is read

  absl::Mutex mutex_;
  std::set<std::shared_ptr<Request>> requests_ ABSL_GUARDED_BY(mutex_);
  std::deque<Out> outbox_ ABSL_GUARDED_BY(mutex_);  // the first is written
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration write_begin_ ABSL_GUARDED_BY(mutex_);
  bool reads_done_ ABSL_GUARDED_BY(mutex_) = false;  // there is no more to read
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<grpc::Alarm> timer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tandem
