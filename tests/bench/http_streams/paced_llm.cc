// An llm service without a model that answers at a given pace, for thousands of
// calls at once: gRPC's callback API and timers, no thread a call, and no bound
// on the streams of a connection.
//
//   paced_llm FIRST_TOKEN_MS TOKENS_PER_SECOND
//
// Every answer is as long as the request's max_tokens; token k, from 0 on, is
// the text "k ". It is due FIRST_TOKEN_MS after the call came and k /
// TOKENS_PER_SECOND later, however late those before it were. Counts no tokens.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/callback_threads.h"
#include "grpcpp/alarm.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "tandem/v1/llm.grpc.pb.h"
#include "tests/fakes/fake_llm_service.h"

namespace tandem {
namespace {

struct Pace {
  absl::Duration first_token;
  absl::Duration per_token;
};

// One answer: always either a timer or a write is under way. Owns itself.
class PacedAnswer final : public grpc::ServerWriteReactor<v1::GenerateChunk> {
 public:
  PacedAnswer(const Pace& pace, int num_tokens, std::atomic<int>& num_running)
      : pace_(pace), num_tokens_(num_tokens), num_running_(num_running) {
    ++num_running_;
    AwaitToken();
  }

 private:
  void AwaitToken() ABSL_LOCKS_EXCLUDED(mutex_) {
    const absl::Time due =
        begin_ + pace_.first_token + num_written_ * pace_.per_token;
    if (due <= absl::Now()) return WriteToken();
    absl::MutexLock lock(&mutex_);
    timer_ = std::make_unique<grpc::Alarm>();
    timer_->Set(absl::ToChronoTime(due), [this](bool) { WriteToken(); });
    if (cancelled_) timer_->Cancel();
  }

  void WriteToken() ABSL_LOCKS_EXCLUDED(mutex_) {
    if (IsCancelled()) return Finish(grpc::Status::CANCELLED);
    const absl::Time now = absl::Now();
    if (num_written_ == 0) first_token_ = now;
    chunk_.Clear();
    chunk_.set_delta_text(absl::StrCat(num_written_, " "));
    chunk_.add_token_ids(num_written_ + 1);
    if (++num_written_ < num_tokens_) return StartWrite(&chunk_);
    chunk_.set_finish_reason(v1::FINISH_REASON_LENGTH);
    chunk_.mutable_usage()->set_prompt_tokens(1);
    chunk_.mutable_usage()->set_completion_tokens(num_tokens_);
    v1::Timings& timings = *chunk_.mutable_timings();
    const double first = absl::ToDoubleMilliseconds(first_token_ - begin_);
    timings.set_prefill(first);
    timings.set_time_to_first_token(first);
    timings.set_decode(absl::ToDoubleMilliseconds(now - first_token_));
    timings.set_total(absl::ToDoubleMilliseconds(now - begin_));
    StartWriteAndFinish(&chunk_, {}, grpc::Status::OK);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    AwaitToken();
  }
  void OnCancel() override {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    if (timer_ != nullptr) timer_->Cancel();
  }
  void OnDone() override {
    --num_running_;
    delete this;
  }
  bool IsCancelled() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return cancelled_;
  }

  const Pace pace_;
  const int num_tokens_;
  std::atomic<int>& num_running_;
  const absl::Time begin_ = absl::Now();
  absl::Time first_token_;
  int num_written_ = 0;
  v1::GenerateChunk chunk_;
  mutable absl::Mutex mutex_;
  std::unique_ptr<grpc::Alarm> timer_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

class PacedLlm final : public v1::LlmService::CallbackService {
 public:
  explicit PacedLlm(Pace pace) : pace_(pace) {
    info_.set_max_context_tokens(1 << 20);
    info_.set_max_waiting_sequences(1 << 20);
    info_.set_accepts_images(false);
  }

  grpc::ServerWriteReactor<v1::GenerateChunk>* Generate(
      grpc::CallbackServerContext*,
      const v1::GenerateRequest* request) override {
    const uint32_t num_tokens = request->sampling().max_tokens();
    return new PacedAnswer(pace_, std::max<int>(1, num_tokens), num_running_);
  }

  grpc::ServerUnaryReactor* GetInfo(grpc::CallbackServerContext* context,
                                    const v1::GetLlmInfoRequest*,
                                    v1::GetLlmInfoResponse* response) override {
    *response = info_;
    response->set_running_sequences(num_running_);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const Pace pace_;
  v1::GetLlmInfoResponse info_ = FakeLlmService::DefaultInfo();
  std::atomic<int> num_running_ = 0;
};

int Main(int argc, char** argv) {
  const double rate = argc == 3 ? std::atof(argv[2]) : 0;
  if (rate <= 0) {
    std::fprintf(stderr, "usage: paced_llm FIRST_TOKEN_MS TOKENS_PER_SECOND\n");
    return 2;
  }
  KeepCallbackThreads();
  PacedLlm service({.first_token = absl::Milliseconds(std::atof(argv[1])),
                    .per_token = absl::Seconds(1 / rate)});
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::fprintf(stderr, "INFO grpc listens address=127.0.0.1:%d\n", port);
  server->Wait();
  return 0;
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) { return tandem::Main(argc, argv); }
