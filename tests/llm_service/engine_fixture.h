#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/compute_executor.h"
#include "common/health.h"
#include "common/metrics.h"
#include "gtest/gtest.h"
#include "llm_service/llm_engine.h"
#include "llm_service/tokenizer.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_embedding_source.h"
#include "tests/fakes/fake_step_runner.h"

namespace tandem {

inline constexpr int kTestContext = 1024;

// Reads one answer as a call on the wire would.
class AnswerReader {
 public:
  // What came so far.
  std::vector<int> token_ids;
  std::vector<AnswerToken> tokens;
  std::string text;
  AnswerEnd end;

  std::function<void()> on_ready() {
    return [state = state_] {
      absl::MutexLock lock(&state->mutex);
      state->ready = true;
    };
  }
  void Attach(std::shared_ptr<Answer> answer) { answer_ = std::move(answer); }
  Answer& answer() { return *answer_; }

  void WaitUntilTold() {
    absl::MutexLock lock(&state_->mutex);
    state_->mutex.Await(absl::Condition(&state_->ready));
    state_->ready = false;
  }
  // Waits for something to read and reads it; false after the end.
  bool ReadSome() {
    WaitUntilTold();
    Answer::Batch batch = answer_->Read();
    for (AnswerToken& token : batch.tokens) {
      token_ids.push_back(token.token_id);
      text += token.text;
      tokens.push_back(std::move(token));
    }
    if (!batch.end.has_value()) return true;
    end = *std::move(batch.end);
    text += end.text;
    return false;
  }
  // Reads to the end and answers its status.
  absl::Status ReadAll() {
    while (ReadSome()) {
    }
    return end.status;
  }

 private:
  struct State {
    absl::Mutex mutex;
    bool ready = false;
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
  std::shared_ptr<Answer> answer_;
};

// An engine over fakes.
class EngineFixture {
 public:
  struct Options {
    LlmEngine::Options engine;
    FakeStepRunner::Options runner;
  };

  explicit EngineFixture(Options options)
      : format(MakeFormat(options)),
        source(format, clock),
        runner(options.runner),
        tokenizer(*Tokenizer::MakeByteTokenizer(400)) {
    options.engine.tick = absl::Milliseconds(1);
    engine = std::make_unique<LlmEngine>(options.engine, executor, runner,
                                         *tokenizer, source, metrics, clock);
  }

  // So that a test that fails while it holds a step ends.
  ~EngineFixture() { runner.Release(); }

  static EmbeddingFormat MakeFormat(const Options& options) {
    EmbeddingFormat format;
    format.tokens_per_tile = options.engine.tokens_per_tile;
    format.hidden_size = options.runner.hidden_size;
    return format;
  }

  // A prompt of `text_tokens`, then images of so many tiles with a token
  // between them; its own content for every `name`.
  Generation Make(const std::string& name, int text_tokens, int max_tokens,
                  const std::vector<int>& image_tiles = {}) {
    Generation generation;
    generation.request_id = name;
    generation.max_tokens = max_tokens;
    generation.sampling.temperature = 0;
    generation.received = clock.Monotonic();
    generation.deadline = clock.Monotonic() + absl::Seconds(120);
    std::vector<int>& ids = generation.prompt.token_ids;
    for (int i = 0; i < text_tokens; ++i) {
      ids.push_back(static_cast<unsigned char>(name[i % name.size()]));
    }
    for (size_t i = 0; i < image_tiles.size(); ++i) {
      ImageSpan span;
      span.image_index = static_cast<int>(i);
      span.first_token = static_cast<int>(ids.size());
      span.num_tokens = image_tiles[i] * format.tokens_per_tile;
      generation.prompt.images.push_back(span);
      ids.resize(ids.size() + span.num_tokens, 300);
      ids.push_back('.');
      v1::ImageRef& image = generation.images.emplace_back();
      image.set_handle(absl::StrCat(name, "/", i));
      image.set_num_tiles(image_tiles[i]);
    }
    return generation;
  }

  absl::Status Start(Generation generation, AnswerReader& reader) {
    auto answer = engine->Generate(std::move(generation), reader.on_ready());
    if (!answer.ok()) return answer.status();
    reader.Attach(*std::move(answer));
    return absl::OkStatus();
  }

  // Waits until nothing runs or waits and everything is free, then says whether
  // all went well.
  void ExpectIdle() {
    while (!IsIdle()) absl::SleepFor(absl::Milliseconds(1));
    EXPECT_EQ(runner.problems(), std::vector<std::string>());
    EXPECT_EQ(source.problems(), std::vector<std::string>());
  }
  bool IsIdle() {
    const LlmEngine::Load load = engine->load();
    return load.running + load.waiting == 0 &&
           load.free_kv_blocks == load.kv_blocks &&
           runner.num_open_slots() == 0 && source.num_pulls() == 0 &&
           metrics.kv_cache_usage_ratio.Value() == 0;
  }

  FakeClock clock;
  Health health;
  Metrics process_metrics{{"cpu", ""}, health};
  LlmMetrics metrics{process_metrics, "fake", kTestContext};
  const EmbeddingFormat format;
  FakeEmbeddingSource source;
  FakeStepRunner runner;
  std::unique_ptr<Tokenizer> tokenizer;
  ComputeExecutor executor{{}};
  std::unique_ptr<LlmEngine> engine;
};

}  // namespace tandem
