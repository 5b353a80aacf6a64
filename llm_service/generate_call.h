#pragma once

#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "grpcpp/support/server_callback.h"
#include "llm_service/answer.h"
#include "llm_service/llm_rpc.h"
#include "tandem/v1/llm.pb.h"

namespace tandem {

// One Generate on the wire. Lives until gRPC is done with it and nobody else
// holds it: a worker that still reads the request, the engine that still
// answers.
class GenerateCall final : public grpc::ServerWriteReactor<v1::GenerateChunk> {
 public:
  // `drop` ends the call on the wire at once, whatever is in flight; not called
  // after OnDone.
  static std::shared_ptr<GenerateCall> Make(const LlmRpc::Deps& deps,
                                            std::function<void()> drop);

  // On a worker: reads the request, which is valid until gRPC is done, and
  // hands it to the engine. Does neither for a call that nobody waits for.
  void Run(const v1::GenerateRequest& request, absl::Duration deadline)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends the call without an answer. Once, instead of or in Run.
  void Refuse(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone() override;

 private:
  GenerateCall(const LlmRpc::Deps& deps, std::function<void()> drop);

  absl::Status CheckWanted(absl::Duration deadline) ABSL_LOCKS_EXCLUDED(mutex_);
  void Attach(std::shared_ptr<Answer> answer) ABSL_LOCKS_EXCLUDED(mutex_);
  // Reads what the answer has and writes it, unless a write is in flight.
  void Pump() ABSL_LOCKS_EXCLUDED(mutex_);
  void WriteTokens(Answer::Batch batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddToken(const AnswerToken& token) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddEnd(const AnswerEnd& end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishWith(const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const LlmRpc::Deps deps_;
  const std::function<void()> drop_;
  const absl::Duration received_;
  std::shared_ptr<GenerateCall> self_;  // until OnDone
  bool logprobs_ = false;
  uint32_t num_prompt_ = 0;  // tokens

  absl::Mutex mutex_;
  std::shared_ptr<Answer> answer_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  // How to finish once the write in flight is done.
  absl::optional<absl::Status> finish_next_ ABSL_GUARDED_BY(mutex_);
  v1::GenerateChunk chunk_ ABSL_GUARDED_BY(mutex_);  // gRPC's while writing_
  absl::optional<absl::Duration> first_write_ ABSL_GUARDED_BY(mutex_);
  absl::Duration last_token_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tandem
