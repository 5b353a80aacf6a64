// The contract of LlmService: the same cases against the real rpc and engine
// (over a fake model and a fake vision service) and against the fake service
// that the gateway's tests use.
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/grpc_host.h"
#include "common/grpc_status.h"
#include "common/resolve_target.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"
#include "llm_service/llm_rpc.h"
#include "llm_service/vision_client.h"
#include "tests/fakes/fake_llm_service.h"
#include "tests/fakes/fake_step_runner.h"
#include "tests/fakes/fake_vision_service.h"

namespace tandem {
namespace {

constexpr int kContext = 1024;
constexpr int kTokensPerTile = 16;

enum class HoldStage { kQueue, kEmbeddings, kPrefill, kDecode };

// One service under test.
class LlmUnderTest {
 public:
  virtual ~LlmUnderTest() = default;
  virtual std::shared_ptr<grpc::Channel> channel() = 0;
  virtual v1::ImageRef AddImage(int columns, int rows) = 0;
  // Answers to come end with `status` when they need images.
  virtual void ExpireImages() = 0;
  virtual void CorruptImages() = 0;
  virtual void MakeImagesIncompatible() = 0;
  virtual void LoseImages() = 0;
  // Calls to come stop in that stage.
  virtual void HoldAt(HoldStage stage) = 0;
  virtual void WaitUntilHeld(HoldStage stage) = 0;
  // Calls that ended because their caller went away.
  virtual int num_cancelled() = 0;
  // Waits until there are so many; calls are held in `stage`, and those that
  // need not go on for that do not.
  virtual void WaitUntilCancelled(HoldStage stage, int count) = 0;
  virtual void Release() = 0;
  // How many calls fit at once while none proceeds.
  virtual int MakeSmall() = 0;
  virtual void Drain() = 0;
  virtual void ExpectIdle() = 0;
};

class RealLlm final : public LlmUnderTest {
 public:
  explicit RealLlm(absl::Duration slow_reader = absl::Minutes(5),
                   std::optional<HostPort> listen = std::nullopt)
      : slow_reader_(slow_reader) {
    replicas_ = std::make_unique<VisionReplicas>(ReplicaOptions(),
                                                 FakeVisionInfo(Format()));
    vision_client_ =
        std::make_unique<VisionClient>(Format(), *replicas_, metrics_, clock_);
    engine_ = std::make_unique<LlmEngine>(EngineOptions(), executor_, runner_,
                                          *tokenizer_, *vision_client_,
                                          metrics_, clock_);
    SamplingDefaults defaults;
    defaults.vocab_size = 400;
    defaults.stop_token_ids = prompts_->stop_token_ids();
    reader_ = std::make_unique<GenerationReader>(*prompts_, defaults, kContext);
    v1::GetLlmInfoResponse info;
    info.mutable_info()->set_model("fake");
    info.mutable_info()->set_fingerprint("f00d");
    info.set_max_context_tokens(kContext);
    info.set_accepts_images(true);
    rpc_ = std::make_unique<LlmRpc>(
        info,
        LlmRpc::Deps{*engine_, *reader_, *tokenizer_, workers_, gate_, clock_});
    GrpcHost::Options options;
    options.listen = std::move(listen);
    options.pre_drain = absl::ZeroDuration();
    options.drain = absl::ZeroDuration();
    host_ = *GrpcHost::Start(
        options, {{v1::LlmService::service_full_name(), rpc_.get(), &gate_}},
        health_, grpc_metrics_);
  }
  ~RealLlm() override {
    Release();
    absl::Notification hurry;
    hurry.Notify();
    host_->Shutdown(hurry);
    host_ = nullptr;
  }

  std::shared_ptr<grpc::Channel> channel() override {
    return host_->InProcessChannel();
  }
  v1::ImageRef AddImage(int columns, int rows) override {
    const v1::ImageRef image = vision_.AddImage(columns, rows);
    handles_.push_back(image.handle());
    return image;
  }
  void ExpireImages() override {
    for (const std::string& handle : handles_) vision_.Expire(handle);
  }
  void CorruptImages() override {
    vision_.SetFault(FakeVisionService::Fault::kFlippedBit);
  }
  void MakeImagesIncompatible() override {
    vision_.SetFault(FakeVisionService::Fault::kOtherFingerprint);
  }
  void LoseImages() override { vision_.Shutdown(); }

  void HoldAt(HoldStage stage) override {
    switch (stage) {
      case HoldStage::kQueue:
        // The one place in the batch waits for tiles.
        vision_.Hold();
        AddBlocker(AddImage(1, 1));
        while (engine_->load().running < 1) Nap();
        break;
      case HoldStage::kEmbeddings:
        vision_.Hold();
        break;
      case HoldStage::kPrefill:
        runner_.Hold();
        break;
      case HoldStage::kDecode:
        runner_.Hold(/*after_steps=*/20);
        break;
    }
  }
  void WaitUntilHeld(HoldStage stage) override {
    switch (stage) {
      case HoldStage::kQueue:
        while (engine_->load().waiting < 1) Nap();
        break;
      case HoldStage::kEmbeddings:
        while (vision_.num_streams() < 1) Nap();
        break;
      case HoldStage::kPrefill:
      case HoldStage::kDecode:
        runner_.WaitUntilHeld();
        break;
    }
  }
  void Release() override {
    runner_.Release();
    vision_.Release();
    for (std::unique_ptr<Blocker>& blocker : blockers_) blocker->thread.join();
    blockers_.clear();
  }
  // Fills all places in the batch with calls that are held in their prefill.
  int MakeSmall() override {
    runner_.Hold();
    for (int i = 0; i < EngineOptions().max_running; ++i) {
      AddBlocker(absl::nullopt);
      // One step holds the first; the others wait for the next step.
      runner_.WaitUntilHeld();
      while (engine_->load().waiting != i) Nap();
    }
    // The blockers behind the first wait too.
    return EngineOptions().max_waiting - (EngineOptions().max_running - 1);
  }
  void Drain() override { gate_.Close(); }

  void ExpectIdle() override {
    Release();
    while (!IsIdle()) Nap();
    EXPECT_EQ(runner_.problems(), std::vector<std::string>());
  }

  int num_cancelled() override {
    double count = 0;
    for (const Stage stage : {Stage::kTransfer, Stage::kDecodeQueue,
                              Stage::kPrefill, Stage::kDecode}) {
      count += metrics_.cancelled_requests[stage].Value();
    }
    return static_cast<int>(count);
  }
  void WaitUntilCancelled(HoldStage stage, int count) override {
    // The engine looks after the step that is held.
    if (stage == HoldStage::kPrefill || stage == HoldStage::kDecode) {
      runner_.Release();
    }
    while (num_cancelled() < count) Nap();
  }

  LlmEngine& engine() { return *engine_; }
  GrpcHost& host() { return *host_; }

 private:
  struct Blocker {
    std::thread thread;
  };

  bool IsIdle() {
    const LlmEngine::Load load = engine_->load();
    return load.running + load.waiting == 0 &&
           load.free_kv_blocks == load.kv_blocks &&
           runner_.num_open_slots() == 0 && vision_.num_streams() == 0;
  }
  // A call that takes a place until Release.
  void AddBlocker(const absl::optional<v1::ImageRef>& image) {
    blockers_.push_back(std::make_unique<Blocker>());
    blockers_.back()->thread = std::thread([this, image] {
      auto stub = v1::LlmService::NewStub(channel());
      grpc::ClientContext context;
      v1::GenerateRequest request;
      request.set_request_id("blocker");
      request.add_messages()->set_role("user");
      request.mutable_messages(0)->add_content()->set_text("x");
      if (image.has_value()) {
        *request.add_images() = *image;
        request.mutable_messages(0)->add_content()->set_image_index(0);
      }
      request.mutable_sampling()->set_max_tokens(1);
      auto reader = stub->Generate(&context, request);
      v1::GenerateChunk chunk;
      while (reader->Read(&chunk)) {
      }
      EXPECT_TRUE(reader->Finish().ok());
    });
  }
  static void Nap() { absl::SleepFor(absl::Milliseconds(1)); }
  static EmbeddingFormat Format() {
    EmbeddingFormat format;
    format.tokens_per_tile = kTokensPerTile;
    format.hidden_size = 8;
    format.fingerprint = "f00d";
    return format;
  }
  VisionReplicas::Options ReplicaOptions() {
    VisionReplicas::Options options;
    options.targets = {vision_.address()};
    options.dial = [](const std::string& address) {
      return MakeChannel(address);
    };
    options.resolve = ResolveTarget;
    return options;
  }
  LlmEngine::Options EngineOptions() const {
    LlmEngine::Options options;
    options.tokens_per_tile = kTokensPerTile;
    options.max_running = 1;
    options.max_waiting = 4;
    options.max_prefill_tokens = 16;  // a prompt is several steps
    options.slow_reader = slow_reader_;
    options.tick = absl::Milliseconds(5);
    return options;
  }

  const absl::Duration slow_reader_;
  RealClock clock_;
  Health health_;
  Metrics process_metrics_{{"cpu", ""}, health_};
  GrpcMetrics grpc_metrics_{process_metrics_};
  LlmMetrics metrics_{process_metrics_, "fake", kContext};
  FakeVisionService vision_{Format(), FakeVisionInfo(Format())};
  std::vector<std::string> handles_;
  std::unique_ptr<Tokenizer> tokenizer_ = *Tokenizer::MakeByteTokenizer(400);
  absl::optional<PromptBuilder> prompts_ = *PromptBuilder::Make(
      [] {
        PromptBuilder::Options options;
        options.tokens_per_tile = kTokensPerTile;
        options.system_message = "You help.";
        return options;
      }(),
      *tokenizer_);
  FakeStepRunner runner_{FakeStepRunner::Options()};
  ComputeExecutor executor_{{}};
  std::unique_ptr<VisionReplicas> replicas_;
  std::unique_ptr<VisionClient> vision_client_;
  std::unique_ptr<LlmEngine> engine_;
  std::unique_ptr<GenerationReader> reader_;
  WorkerPool workers_{{}};
  CallGate gate_;
  std::unique_ptr<LlmRpc> rpc_;
  std::unique_ptr<GrpcHost> host_;
  std::vector<std::unique_ptr<Blocker>> blockers_;
};

class ScriptedLlm final : public LlmUnderTest {
 public:
  std::shared_ptr<grpc::Channel> channel() override {
    return fake_.InProcessChannel();
  }
  v1::ImageRef AddImage(int columns, int rows) override {
    v1::ImageRef image;
    image.set_handle(std::string(16, 'h'));
    image.set_sha256(std::string(32, 's'));
    image.set_replica_id("replica");
    image.set_columns(columns);
    image.set_rows(rows);
    image.set_num_tiles(columns * rows == 1 ? 1 : columns * rows + 1);
    return image;
  }
  void ExpireImages() override {
    FailWith(absl::StatusCode::kNotFound, reason::kEmbeddingExpired);
  }
  void CorruptImages() override {
    FailWith(absl::StatusCode::kDataLoss, reason::kEmbeddingCorrupt);
  }
  void MakeImagesIncompatible() override {
    FailWith(absl::StatusCode::kFailedPrecondition,
             reason::kEmbeddingIncompatible);
  }
  void LoseImages() override {
    FailWith(absl::StatusCode::kUnavailable, reason::kBackendUnavailable);
  }
  void HoldAt(HoldStage stage) override {
    script_.hold_after = stage == HoldStage::kDecode ? 1 : 0;
    fake_.SetScript(script_);
  }
  void WaitUntilHeld(HoldStage) override {
    while (fake_.num_held() < 1) absl::SleepFor(absl::Milliseconds(1));
  }
  int num_cancelled() override { return fake_.num_cancelled(); }
  void WaitUntilCancelled(HoldStage, int count) override {
    while (num_cancelled() < count) absl::SleepFor(absl::Milliseconds(1));
  }
  void Release() override { fake_.Release(); }
  int MakeSmall() override {
    script_.hold_after = 0;
    script_.max_calls = 3;
    fake_.SetScript(script_);
    return 3;
  }
  void Drain() override {
    script_.draining = true;
    fake_.SetScript(script_);
  }
  void ExpectIdle() override {
    fake_.Release();
    while (fake_.num_calls() > 0) absl::SleepFor(absl::Milliseconds(1));
  }

 private:
  void FailWith(absl::StatusCode code, const char* why) {
    script_.status = MakeError(code, why, "scripted", {{"image", "0"}});
    fake_.SetScript(script_);
  }

  FakeLlmService::Script script_;
  FakeLlmService fake_;
};

struct Subject {
  std::string name;
  std::function<std::unique_ptr<LlmUnderTest>()> make;
  friend std::ostream& operator<<(std::ostream& os, const Subject& s) {
    return os << s.name;
  }
};

// A call of Generate, read to its end.
struct Outcome {
  std::vector<v1::GenerateChunk> chunks;
  absl::Status status;

  std::string text() const {
    std::string text;
    for (const v1::GenerateChunk& chunk : chunks) text += chunk.delta_text();
    return text;
  }
};

v1::GenerateRequest TextRequest() {
  v1::GenerateRequest request;
  request.set_request_id("contract-1");
  v1::PromptMessage& message = *request.add_messages();
  message.set_role("user");
  message.add_content()->set_text("What is this?");
  request.mutable_sampling()->set_max_tokens(200);
  return request;
}

v1::GenerateRequest PromptRequest(const std::string& prompt) {
  v1::GenerateRequest request = TextRequest();
  request.clear_messages();
  request.set_prompt(prompt);
  request.mutable_sampling()->set_max_tokens(20);
  return request;
}

v1::GenerateRequest ImageRequest(LlmUnderTest& llm) {
  v1::GenerateRequest request = TextRequest();
  *request.add_images() = llm.AddImage(2, 2);
  request.mutable_messages(0)->add_content()->set_image_index(0);
  return request;
}

class LlmContractTest : public testing::TestWithParam<Subject> {
 protected:
  Outcome Run(const v1::GenerateRequest& request,
              absl::Duration timeout = absl::Seconds(60)) {
    grpc::ClientContext context;
    SetDeadline(absl::Now() + timeout, context);
    auto reader = stub_->Generate(&context, request);
    Outcome outcome;
    v1::GenerateChunk chunk;
    while (reader->Read(&chunk)) outcome.chunks.push_back(chunk);
    outcome.status = FromGrpcStatus(reader->Finish());
    return outcome;
  }
  absl::StatusOr<v1::CountPromptTokensResponse> Count(
      const v1::CountPromptTokensRequest& request) {
    grpc::ClientContext context;
    v1::CountPromptTokensResponse count;
    const absl::Status status =
        FromGrpcStatus(stub_->CountTokens(&context, request, &count));
    if (!status.ok()) return status;
    return count;
  }

  std::unique_ptr<LlmUnderTest> llm_ = GetParam().make();
  std::unique_ptr<v1::LlmService::Stub> stub_ =
      v1::LlmService::NewStub(llm_->channel());
};

INSTANTIATE_TEST_SUITE_P(
    Services, LlmContractTest,
    testing::Values(Subject{"Real", [] { return std::make_unique<RealLlm>(); }},
                    Subject{"Fake",
                            [] { return std::make_unique<ScriptedLlm>(); }}),
    [](const auto& info) { return info.param.name; });

TEST_P(LlmContractTest, SaysWhoItIs) {
  grpc::ClientContext context;
  v1::GetLlmInfoResponse info;
  ASSERT_TRUE(stub_->GetInfo(&context, {}, &info).ok());
  EXPECT_EQ(info.info().model(), "fake");
  EXPECT_EQ(info.info().fingerprint(), "f00d");
  EXPECT_EQ(info.max_context_tokens(), 1024u);
  EXPECT_TRUE(info.accepts_images());
  EXPECT_TRUE(info.info().ready());
}

TEST_P(LlmContractTest, StreamsAnAnswer) {
  const Outcome outcome = Run(TextRequest());
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  ASSERT_FALSE(outcome.chunks.empty());
  EXPECT_GE(outcome.chunks.front().token_ids_size(), 1);
  EXPECT_FALSE(outcome.text().empty());
  uint32_t tokens = 0;
  for (const v1::GenerateChunk& chunk : outcome.chunks) {
    tokens += chunk.token_ids_size();
    const bool last = &chunk == &outcome.chunks.back();
    EXPECT_EQ(chunk.finish_reason() != v1::FINISH_REASON_UNSPECIFIED, last);
    EXPECT_EQ(chunk.has_usage(), last);
    EXPECT_EQ(chunk.prompt_tokens() > 0, &chunk == &outcome.chunks.front());
    EXPECT_EQ(chunk.has_timings(), last);
  }
  const v1::GenerateChunk& last = outcome.chunks.back();
  EXPECT_EQ(last.usage().completion_tokens(), tokens);
  EXPECT_GT(last.usage().prompt_tokens(), 0u);
  EXPECT_EQ(last.usage().image_tokens(), 0u);
  EXPECT_GT(last.timings().time_to_first_token(), 0);
  EXPECT_GE(last.timings().total(), last.timings().time_to_first_token());
  llm_->ExpectIdle();
}

TEST_P(LlmContractTest, CountsTheTokensOfImages) {
  const Outcome outcome = Run(ImageRequest(*llm_));
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  const v1::Usage& usage = outcome.chunks.back().usage();
  EXPECT_EQ(usage.image_tokens(), 5u * kTokensPerTile);
  EXPECT_GT(usage.prompt_tokens(), usage.image_tokens());

  grpc::ClientContext context;
  v1::CountPromptTokensRequest request;
  *request.mutable_messages() = ImageRequest(*llm_).messages();
  request.add_image_tiles(5);
  v1::CountPromptTokensResponse count;
  ASSERT_TRUE(stub_->CountTokens(&context, request, &count).ok());
  EXPECT_EQ(count.prompt_tokens(), usage.prompt_tokens());
  EXPECT_EQ(count.image_tokens(), usage.image_tokens());
  llm_->ExpectIdle();
}

TEST_P(LlmContractTest, GoesOnFromAPromptWithoutATemplate) {
  const Outcome outcome = Run(PromptRequest("<|im_start|>abc"));
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_FALSE(outcome.text().empty());
  const v1::Usage& usage = outcome.chunks.back().usage();
  EXPECT_EQ(usage.prompt_tokens(), 15u);  // a byte each
  EXPECT_EQ(usage.image_tokens(), 0u);
  llm_->ExpectIdle();
}

TEST_P(LlmContractTest, AnswersTheIdsOfAPrompt) {
  v1::CountPromptTokensRequest request;
  request.set_prompt("<img>");
  EXPECT_EQ(Count(request).value().token_ids_size(), 0);
  request.set_return_token_ids(true);
  const v1::CountPromptTokensResponse count = Count(request).value();
  EXPECT_EQ(count.prompt_tokens(), 5u);
  EXPECT_EQ(count.image_tokens(), 0u);
  EXPECT_EQ(std::string(count.token_ids().begin(), count.token_ids().end()),
            "<img>");
  request.set_prompt("");
  EXPECT_EQ(Count(request).value().prompt_tokens(), 0u);
}

TEST_P(LlmContractTest, AnImageIsOneTokenRepeated) {
  v1::CountPromptTokensRequest request;
  *request.mutable_messages() = ImageRequest(*llm_).messages();
  request.add_image_tiles(5);
  request.set_return_token_ids(true);
  const v1::CountPromptTokensResponse count = Count(request).value();
  EXPECT_EQ(static_cast<uint32_t>(count.token_ids_size()),
            count.prompt_tokens());
  const auto& ids = count.token_ids();
  int longest = 0;
  for (auto run = ids.begin(); run != ids.end();) {
    const auto end =
        std::find_if(run, ids.end(), [run](uint32_t id) { return id != *run; });
    longest = std::max(longest, static_cast<int>(end - run));
    run = end;
  }
  EXPECT_EQ(longest, 5 * kTokensPerTile);
  EXPECT_EQ(count.image_tokens(), 5u * kTokensPerTile);
}

TEST_P(LlmContractTest, TakesEitherMessagesOrAPrompt) {
  v1::GenerateRequest both = TextRequest();
  both.set_prompt("x");
  v1::GenerateRequest picture = PromptRequest("x");
  *picture.add_images() = llm_->AddImage(1, 1);
  EXPECT_EQ(ErrorField(Run(both).status), "prompt");
  EXPECT_EQ(ErrorField(Run(picture).status), "images[0]");
  EXPECT_EQ(ErrorField(Run(PromptRequest("")).status), "prompt");
  v1::CountPromptTokensRequest counted;
  EXPECT_EQ(ErrorField(Count(counted).status()), "messages");
  *counted.mutable_messages() = TextRequest().messages();
  counted.set_prompt("");
  EXPECT_EQ(ErrorField(Count(counted).status()), "prompt");
  counted.clear_messages();
  counted.add_image_tiles(1);
  EXPECT_EQ(ErrorField(Count(counted).status()), "images[0]");
  llm_->ExpectIdle();
}

TEST_P(LlmContractTest, NamesTheFieldThatIsWrong) {
  v1::GenerateRequest request = TextRequest();
  request.set_request_id("no spaces");
  EXPECT_EQ(ErrorField(Run(request).status), "request_id");
  request = TextRequest();
  request.mutable_sampling()->set_temperature(3);
  EXPECT_EQ(ErrorField(Run(request).status), "sampling.temperature");
  request = TextRequest();
  request.mutable_messages(0)->set_role("robot");
  EXPECT_EQ(ErrorField(Run(request).status).substr(0, 11), "messages[0]");
  request.clear_messages();
  const absl::Status status = Run(request).status;
  EXPECT_EQ(ErrorField(status), "messages");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), reason::kFieldInvalid);
  llm_->ExpectIdle();
}

TEST_P(LlmContractTest, RefusesWhatDoesNotFitTheContext) {
  v1::GenerateRequest request = TextRequest();
  request.mutable_sampling()->set_max_tokens(kContext);
  const absl::Status status = Run(request).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), reason::kContextLengthExceeded);
  const ErrorMetadata metadata = ErrorMetadataOf(status);
  EXPECT_EQ(metadata.at("maxTokens"), absl::StrCat(kContext));
  EXPECT_EQ(metadata.at("imageTokens"), "0");
  EXPECT_NE(metadata.at("promptTokens"), "0");
  EXPECT_EQ(ErrorReason(Run(PromptRequest(std::string(kContext, 'x'))).status),
            reason::kContextLengthExceeded);
}

TEST_P(LlmContractTest, SaysThatAnImageHasExpired) {
  const v1::GenerateRequest request = ImageRequest(*llm_);
  llm_->ExpireImages();
  const Outcome outcome = Run(request);
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(outcome.status), reason::kEmbeddingExpired);
  EXPECT_EQ(ErrorMetadataOf(outcome.status)["image"], "0");
  EXPECT_TRUE(outcome.chunks.empty());
  llm_->ExpectIdle();
}

TEST_P(LlmContractTest, SaysThatEmbeddingsAreCorrupt) {
  const v1::GenerateRequest request = ImageRequest(*llm_);
  llm_->CorruptImages();
  const absl::Status status = Run(request).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ErrorReason(status), reason::kEmbeddingCorrupt);
  llm_->ExpectIdle();
}

TEST_P(LlmContractTest, SaysThatEmbeddingsAreOfAnotherModel) {
  const v1::GenerateRequest request = ImageRequest(*llm_);
  llm_->MakeImagesIncompatible();
  const absl::Status status = Run(request).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(status), reason::kEmbeddingIncompatible);
  llm_->ExpectIdle();
}

TEST_P(LlmContractTest, SaysThatTheVisionServiceIsLost) {
  const v1::GenerateRequest request = ImageRequest(*llm_);
  llm_->LoseImages();
  const absl::Status status = Run(request).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), reason::kBackendUnavailable);
  llm_->ExpectIdle();
}

TEST_P(LlmContractTest, FreesEverythingWhereverItIsCancelled) {
  for (const HoldStage stage : {HoldStage::kQueue, HoldStage::kEmbeddings,
                                HoldStage::kPrefill, HoldStage::kDecode}) {
    v1::GenerateRequest request =
        stage == HoldStage::kEmbeddings ? ImageRequest(*llm_) : TextRequest();
    // More than anybody takes who does not read.
    request.mutable_sampling()->set_max_tokens(800);
    const int cancelled = llm_->num_cancelled();
    llm_->HoldAt(stage);
    grpc::ClientContext context;
    auto reader = stub_->Generate(&context, request);
    v1::GenerateChunk chunk;
    if (stage == HoldStage::kDecode) {
      ASSERT_TRUE(reader->Read(&chunk));
    }
    llm_->WaitUntilHeld(stage);
    context.TryCancel();
    while (reader->Read(&chunk)) {
    }
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
    llm_->WaitUntilCancelled(stage, cancelled + 1);
    llm_->ExpectIdle();
    EXPECT_EQ(llm_->num_cancelled(), cancelled + 1);
  }
  EXPECT_TRUE(Run(TextRequest()).status.ok());
}

TEST_P(LlmContractTest, EndsAtTheDeadlineAndFreesEverything) {
  llm_->HoldAt(HoldStage::kEmbeddings);
  const absl::Status status =
      Run(ImageRequest(*llm_), absl::Milliseconds(300)).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  llm_->ExpectIdle();
}

TEST_P(LlmContractTest, RefusesWhatWouldWaitBehindTooMany) {
  constexpr int kTooMany = 3;
  const int fit = llm_->MakeSmall();
  absl::Mutex mutex;
  std::vector<absl::Status> refused, served;
  std::vector<std::thread> callers;
  for (int i = 0; i < fit + kTooMany; ++i) {
    callers.emplace_back([&] {
      const absl::Status status = Run(TextRequest()).status;
      absl::MutexLock lock(&mutex);
      (status.ok() ? served : refused).push_back(status);
    });
  }
  {
    // Those that do not fit come back although nothing proceeds.
    absl::MutexLock lock(&mutex);
    const auto all_refused = [&] { return refused.size() == kTooMany; };
    mutex.Await(absl::Condition(&all_refused));
  }
  llm_->Release();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(served.size(), static_cast<size_t>(fit));
  for (const absl::Status& status : refused) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(ErrorReason(status), reason::kOverloaded);
    EXPECT_TRUE(RetryDelay(status).has_value());
  }
  llm_->ExpectIdle();
}

TEST_P(LlmContractTest, TakesNothingNewWhileItDrains) {
  llm_->Drain();
  const absl::Status status = Run(TextRequest()).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), reason::kDraining);
  EXPECT_TRUE(RetryDelay(status).has_value());
}

// Of the call's own memory too, though its last write is never done.
void ExpectEndOfAnAnswerThatNobodyReads(
    RealLlm& llm, const std::shared_ptr<grpc::Channel>& channel) {
  const auto stub = v1::LlmService::NewStub(channel);
  grpc::ClientContext context;
  v1::GenerateRequest request = TextRequest();
  // Some 300 bytes a token: far more than 64 KiB.
  request.mutable_sampling()->set_max_tokens(900);
  request.mutable_sampling()->set_logprobs(true);
  request.mutable_sampling()->set_top_logprobs(20);
  auto reader = stub->Generate(&context, request);
  while (llm.engine().load().running == 0) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  llm.ExpectIdle();  // although nothing was read
  while (llm.host().calls_in_flight() > 0) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  int num_tokens = 0;
  v1::GenerateChunk chunk;
  while (reader->Read(&chunk)) num_tokens += chunk.token_ids_size();
  EXPECT_LT(num_tokens, 900);
  EXPECT_FALSE(reader->Finish().ok());
}

TEST(LlmRpc, EndsAnAnswerThatNobodyReads) {
  RealLlm llm(/*slow_reader=*/absl::Milliseconds(300));
  ExpectEndOfAnAnswerThatNobodyReads(llm, llm.channel());
}

TEST(LlmRpc, EndsAnAnswerThatNobodyReadsFromASocket) {
  RealLlm llm(/*slow_reader=*/absl::Milliseconds(300),
              HostPort{"127.0.0.1", 0});
  // So that the window of a stream stays at 64 KiB.
  grpc::ChannelArguments arguments = TandemChannelArguments();
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  ExpectEndOfAnAnswerThatNobodyReads(
      llm,
      grpc::CreateCustomChannel(llm.host().address()->ToString(),
                                grpc::InsecureChannelCredentials(), arguments));
}

class LlmRpcTest : public testing::Test {
 protected:
  RealLlm llm_;
  std::unique_ptr<v1::LlmService::Stub> stub_ =
      v1::LlmService::NewStub(llm_.channel());
};

TEST_F(LlmRpcTest, ReportsLogProbabilitiesWithTheBytesOfTokens) {
  grpc::ClientContext context;
  v1::GenerateRequest request = TextRequest();
  request.mutable_sampling()->set_max_tokens(5);
  request.mutable_sampling()->set_logprobs(true);
  request.mutable_sampling()->set_top_logprobs(3);
  auto reader = stub_->Generate(&context, request);
  v1::GenerateChunk chunk;
  std::string bytes, text;
  while (reader->Read(&chunk)) {
    text += chunk.delta_text();
    ASSERT_EQ(chunk.logprobs_size(), chunk.token_ids_size());
    for (int i = 0; i < chunk.logprobs_size(); ++i) {
      EXPECT_EQ(chunk.logprobs(i).token_id(), chunk.token_ids(i));
      EXPECT_EQ(chunk.logprobs(i).top_size(), 3);
      EXPECT_LE(chunk.logprobs(i).logprob(), 0);
      bytes += chunk.logprobs(i).bytes();
    }
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(bytes, text);
  EXPECT_EQ(text.size(), 5u);
}

TEST_F(LlmRpcTest, DividesTheTimeToTheFirstTokenIntoStages) {
  grpc::ClientContext context;
  auto reader = stub_->Generate(&context, ImageRequest(llm_));
  v1::GenerateChunk chunk;
  while (reader->Read(&chunk)) {
  }
  ASSERT_TRUE(reader->Finish().ok());
  const v1::Timings& t = chunk.timings();
  const double stages = t.image_decode() + t.preprocess() + t.encode_queue() +
                        t.encode() + t.transfer() + t.decode_queue() +
                        t.prefill();
  EXPECT_GT(stages, 0);
  // What is left is the way from the sampler to the wire.
  EXPECT_LE(stages, t.time_to_first_token() + 1e-6);
  EXPECT_LE(t.time_to_first_token() + t.decode(), t.total() + 1e-6);
}

}  // namespace
}  // namespace tandem
