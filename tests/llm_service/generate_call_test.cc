// One Generate against a wire that the test holds in its hand: it decides when
// a write is done and when a cancellation comes.
#include "llm_service/generate_call.h"

#include <memory>
#include <string>
#include <vector>

#include "common/errors.h"
#include "common/grpc_status.h"
#include "gtest/gtest.h"
#include "tests/llm_service/engine_fixture.h"

namespace tandem {
namespace {

// What gRPC does for a call. A write is done when the test says so.
class FakeWire final : public grpc::ServerCallbackWriter<v1::GenerateChunk> {
 public:
  void Bind(GenerateCall& call) { BindReactor(&call); }

  void Finish(grpc::Status status) override ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    EXPECT_FALSE(finished_);
    finished_ = true;
    status_ = FromGrpcStatus(status);
  }
  void SendInitialMetadata() override {}
  void Write(const v1::GenerateChunk* chunk, grpc::WriteOptions) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    chunks_.push_back(*chunk);
  }
  void WriteAndFinish(const v1::GenerateChunk*, grpc::WriteOptions,
                      grpc::Status) override {
    ADD_FAILURE() << "the status may overtake the chunk";
  }
  void Drop() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    ++num_drops_;
  }

  void WaitForWrite() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto written = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return !chunks_.empty();
    };
    mutex_.Await(absl::Condition(&written));
  }
  absl::Status WaitForEnd() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&finished_));
    return status_;
  }
  std::vector<v1::GenerateChunk> chunks() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return chunks_;
  }
  int num_drops() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return num_drops_;
  }

 private:
  grpc::internal::ServerReactor* reactor() override { return nullptr; }
  void CallOnDone() override {}

  absl::Mutex mutex_;
  std::vector<v1::GenerateChunk> chunks_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  int num_drops_ ABSL_GUARDED_BY(mutex_) = 0;
};

class GenerateCallTest : public testing::Test {
 protected:
  GenerateCallTest() { wire_.Bind(*call_); }
  ~GenerateCallTest() override { call_->OnDone(); }

  static EngineFixture::Options Options() {
    EngineFixture::Options options;
    options.engine.tokens_per_tile = 16;
    options.engine.max_prefill_tokens = 64;
    return options;
  }
  static PromptBuilder::Options PromptOptions() {
    PromptBuilder::Options options;
    options.tokens_per_tile = 16;
    options.system_message = "You help.";
    return options;
  }
  static SamplingDefaults Defaults() {
    SamplingDefaults defaults;
    defaults.vocab_size = 400;
    return defaults;
  }

  // A short text is prefilled in one step.
  void Run(uint32_t max_tokens, const std::string& text = "Hello") {
    request_.set_request_id("r");
    request_.add_messages()->set_role("user");
    request_.mutable_messages(0)->add_content()->set_text(text);
    request_.mutable_sampling()->set_max_tokens(max_tokens);
    call_->Run(request_, deadline_);
  }

  EngineFixture fixture_{Options()};
  const PromptBuilder prompts_ =
      *PromptBuilder::Make(PromptOptions(), *fixture_.tokenizer);
  const GenerationReader reader_{prompts_, Defaults(), kTestContext};
  WorkerPool workers_{{}};
  CallGate gate_;
  FakeWire wire_;
  v1::GenerateRequest request_;
  absl::Duration deadline_ = fixture_.clock.Monotonic() + absl::Seconds(120);
  const std::shared_ptr<GenerateCall> call_ =
      GenerateCall::Make({*fixture_.engine, reader_, *fixture_.tokenizer,
                          workers_, gate_, fixture_.clock},
                         [this] { wire_.Drop(); });
};

TEST_F(GenerateCallTest, WritesAnAnswerAndItsEnd) {
  Run(/*max_tokens=*/1);
  wire_.WaitForWrite();
  call_->OnWriteDone(true);
  EXPECT_TRUE(wire_.WaitForEnd().ok());
  ASSERT_EQ(wire_.chunks().size(), 1u);
  EXPECT_EQ(wire_.chunks()[0].finish_reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(wire_.num_drops(), 0);
  fixture_.ExpectIdle();
}

TEST_F(GenerateCallTest, EndsWithoutAWriteWhenCancelledDuringItsOnlyStep) {
  fixture_.runner.Hold();
  Run(/*max_tokens=*/1);
  fixture_.runner.WaitUntilHeld();
  call_->OnCancel();
  fixture_.runner.Release();
  EXPECT_EQ(wire_.WaitForEnd().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(wire_.chunks().empty());
  fixture_.ExpectIdle();
}

TEST_F(GenerateCallTest, CancelsTheSequenceInItsPrefill) {
  fixture_.runner.Hold();
  Run(/*max_tokens=*/5, std::string(200, 'x'));
  fixture_.runner.WaitUntilHeld();
  call_->OnCancel();
  fixture_.runner.Release();
  EXPECT_EQ(wire_.WaitForEnd().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(fixture_.metrics.cancelled_requests[Stage::kPrefill].Value(), 1);
  fixture_.ExpectIdle();
}

TEST_F(GenerateCallTest, ReadsNoRequestOfACallerThatHasGone) {
  call_->OnCancel();
  request_.set_request_id("no spaces");  // would be refused
  call_->Run(request_, deadline_);
  EXPECT_EQ(wire_.WaitForEnd().code(), absl::StatusCode::kCancelled);
}

TEST_F(GenerateCallTest, ReadsNoRequestAfterItsDeadline) {
  fixture_.clock.Advance(absl::Seconds(120));
  request_.set_request_id("no spaces");
  call_->Run(request_, deadline_);
  const absl::Status status = wire_.WaitForEnd();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ErrorReason(status), reason::kDeadlineExceeded);
}

TEST_F(GenerateCallTest, DropsACallWhoseLastWriteNobodyTakes) {
  Run(/*max_tokens=*/1);
  wire_.WaitForWrite();
  fixture_.ExpectIdle();  // the answer is complete
  fixture_.clock.Advance(absl::Seconds(30));
  const absl::Status status = wire_.WaitForEnd();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ErrorReason(status), reason::kSlowConsumer);
  while (wire_.num_drops() == 0) absl::SleepFor(absl::Milliseconds(1));
  call_->OnWriteDone(false);
}

TEST_F(GenerateCallTest, DropsACallWhoseLastWriteOutlastsItsDeadline) {
  deadline_ = fixture_.clock.Monotonic() + absl::Seconds(10);
  Run(/*max_tokens=*/1);
  wire_.WaitForWrite();
  fixture_.ExpectIdle();
  fixture_.clock.Advance(absl::Seconds(10));
  const absl::Status status = wire_.WaitForEnd();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ErrorReason(status), reason::kDeadlineExceeded);
  while (wire_.num_drops() == 0) absl::SleepFor(absl::Milliseconds(1));
  call_->OnWriteDone(false);
}

TEST_F(GenerateCallTest, DropsACallThatStopsReadingInTheMiddle) {
  deadline_ = absl::Hours(1000);  // time may run ahead of the engine below
  Run(/*max_tokens=*/900);
  wire_.WaitForWrite();
  while (wire_.num_drops() == 0) {  // the ring fills, then time passes
    fixture_.clock.Advance(absl::Seconds(1));
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(ErrorReason(wire_.WaitForEnd()), reason::kSlowConsumer);
  call_->OnWriteDone(false);
  fixture_.ExpectIdle();
}

}  // namespace
}  // namespace tandem
