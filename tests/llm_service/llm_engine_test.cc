#include "llm_service/llm_engine.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/llm_service/engine_fixture.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kEos = 299;

std::vector<int> Bytes(const std::string& text) {
  return {reinterpret_cast<const unsigned char*>(text.data()),
          reinterpret_cast<const unsigned char*>(text.data()) + text.size()};
}

EngineFixture::Options Defaults() {
  EngineFixture::Options options;
  options.engine.tokens_per_tile = 16;
  options.engine.max_prefill_tokens = 64;
  return options;
}

EngineFixture::Options Scripted(std::vector<int> script) {
  EngineFixture::Options options = Defaults();
  options.runner.script = std::move(script);
  return options;
}

TEST(LlmEngine, AnswersATextPrompt) {
  EngineFixture fixture(Scripted(Bytes("hello")));
  AnswerReader reader;
  ASSERT_TRUE(fixture.Start(fixture.Make("r", 100, 5), reader).ok());
  ASSERT_TRUE(reader.ReadAll().ok());
  EXPECT_EQ(reader.text, "hello");
  EXPECT_EQ(reader.token_ids, Bytes("hello"));
  EXPECT_EQ(reader.end.finish_reason, v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(reader.end.usage.prompt_tokens(), 100u);
  EXPECT_EQ(reader.end.usage.completion_tokens(), 5u);
  EXPECT_EQ(reader.end.usage.image_tokens(), 0u);
  fixture.ExpectIdle();
  EXPECT_EQ(fixture.metrics.prompt_tokens.Value(), 100);
  EXPECT_EQ(fixture.metrics.generated_tokens.Value(), 5);
}

TEST(LlmEngine, AnswersAPromptWithImages) {
  EngineFixture fixture(Scripted(Bytes("cat")));
  AnswerReader reader;
  ASSERT_TRUE(fixture.Start(fixture.Make("r", 10, 3, {13, 1, 2}), reader).ok());
  ASSERT_TRUE(reader.ReadAll().ok());
  EXPECT_EQ(reader.text, "cat");
  EXPECT_EQ(reader.end.usage.prompt_tokens(), 10u + 16 * 16 + 3);
  EXPECT_EQ(reader.end.usage.image_tokens(), 16u * 16);
  fixture.ExpectIdle();
  EXPECT_EQ(fixture.metrics.image_tokens.Value(), 16 * 16);
}

TEST(LlmEngine, StopsAtAStopTokenWhoseTextIsNoPartOfTheAnswer) {
  EngineFixture fixture(Scripted({'h', 'i', kEos}));
  Generation generation = fixture.Make("r", 5, 10);
  generation.sampling.stop_token_ids = {kEos};
  AnswerReader reader;
  ASSERT_TRUE(fixture.Start(std::move(generation), reader).ok());
  ASSERT_TRUE(reader.ReadAll().ok());
  EXPECT_EQ(reader.text, "hi");
  EXPECT_THAT(reader.token_ids, ElementsAre('h', 'i', kEos));
  EXPECT_EQ(reader.end.finish_reason, v1::FINISH_REASON_STOP);
  EXPECT_EQ(reader.end.usage.completion_tokens(), 3u);
}

TEST(LlmEngine, StopsBeforeAStopStringThatSpansTokens) {
  EngineFixture fixture(Scripted(Bytes("one END two")));
  Generation generation = fixture.Make("r", 5, 100);
  generation.stop = {"END"};
  AnswerReader reader;
  ASSERT_TRUE(fixture.Start(std::move(generation), reader).ok());
  ASSERT_TRUE(reader.ReadAll().ok());
  EXPECT_EQ(reader.text, "one ");
  EXPECT_EQ(reader.token_ids, Bytes("one END"));
  EXPECT_EQ(reader.end.finish_reason, v1::FINISH_REASON_STOP);
}

TEST(LlmEngine, LooksForStopStringsOnlyAfterMinTokens) {
  EngineFixture fixture(Scripted(Bytes("END two END")));
  Generation generation = fixture.Make("r", 5, 100);
  generation.stop = {"END"};
  generation.sampling.min_tokens = 5;
  AnswerReader reader;
  ASSERT_TRUE(fixture.Start(std::move(generation), reader).ok());
  ASSERT_TRUE(reader.ReadAll().ok());
  EXPECT_EQ(reader.text, "END two ");
}

TEST(LlmEngine, GivesBackHeldTextAtTheEnd) {
  EngineFixture fixture(Scripted(Bytes("one EN")));
  Generation generation = fixture.Make("r", 5, 6);
  generation.stop = {"END"};
  AnswerReader reader;
  ASSERT_TRUE(fixture.Start(std::move(generation), reader).ok());
  ASSERT_TRUE(reader.ReadAll().ok());
  EXPECT_EQ(reader.text, "one EN");
  EXPECT_EQ(reader.end.finish_reason, v1::FINISH_REASON_LENGTH);
}

TEST(LlmEngine, StreamsWholeCharacters) {
  EngineFixture fixture(Scripted(Bytes("a\xE2\x82\xAC")));  // a, euro sign
  AnswerReader reader;
  ASSERT_TRUE(fixture.Start(fixture.Make("r", 5, 4), reader).ok());
  ASSERT_TRUE(reader.ReadAll().ok());
  ASSERT_EQ(reader.tokens.size(), 4u);
  EXPECT_EQ(reader.tokens[0].text, "a");
  EXPECT_EQ(reader.tokens[1].text, "");
  EXPECT_EQ(reader.tokens[2].text, "");
  EXPECT_EQ(reader.tokens[3].text, "\xE2\x82\xAC");
}

TEST(LlmEngine, PassesLogProbabilitiesOn) {
  EngineFixture fixture(Defaults());
  Generation generation = fixture.Make("r", 5, 3);
  generation.sampling.num_logprobs = 2;
  AnswerReader reader;
  ASSERT_TRUE(fixture.Start(std::move(generation), reader).ok());
  ASSERT_TRUE(reader.ReadAll().ok());
  for (const AnswerToken& token : reader.tokens) {
    EXPECT_EQ(token.top.size(), 2u);
  }
}

// Tokens that `generation` gets when nothing else runs.
std::vector<int> Alone(const EngineFixture::Options& options,
                       const std::function<Generation(EngineFixture&)>& make) {
  EngineFixture fixture(options);
  AnswerReader reader;
  EXPECT_TRUE(fixture.Start(make(fixture), reader).ok());
  EXPECT_TRUE(reader.ReadAll().ok());
  return reader.token_ids;
}

TEST(LlmEngine, GivesEverySequenceTheTokensItGetsAlone) {
  EngineFixture::Options options = Defaults();
  options.runner.vocabulary = {'a', 'b', 'c', 'd', 'e', 'f', 'g', kEos};
  options.runner.num_kv_blocks = 60;
  options.engine.max_running = 7;
  const auto make = [](EngineFixture& fixture, int number) {
    std::mt19937 random(number);
    std::vector<int> images(random() % 3);
    for (int& tiles : images) tiles = 1 + static_cast<int>(random() % 9);
    Generation generation =
        fixture.Make(absl::StrCat("request", number), 1 + random() % 200,
                     1 + random() % 80, images);
    generation.sampling.temperature = static_cast<float>(number % 2);
    generation.sampling.seed = number;
    generation.sampling.stop_token_ids = {kEos};
    generation.sampling.min_tokens =
        std::min<int>(generation.max_tokens, random() % 30);
    return generation;
  };
  EngineFixture fixture(options);
  std::deque<AnswerReader> readers(60);
  fixture.runner.Hold();
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(fixture.Start(make(fixture, i), readers[i]).ok());
  }
  fixture.runner.Release();
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(readers[i].ReadAll().ok()) << readers[i].end.status;
    EXPECT_EQ(readers[i].token_ids,
              Alone(options, [&](EngineFixture& f) { return make(f, i); }))
        << i;
  }
  EXPECT_EQ(fixture.runner.largest_batch(), 7);
  fixture.ExpectIdle();
}

// However a window and chunks cut tiles, the engine never waits for a tile that
// it has no room for, and never makes room twice.
TEST(LlmEngine, NeverMakesMoreRoomThanItsWindowAndNeverStalls) {
  for (const int tokens_per_tile : {1, 7, 16, 48, 100}) {
    for (const int window : {2, 3, 4, 7}) {
      EngineFixture::Options options = Defaults();
      options.engine.tokens_per_tile = tokens_per_tile;
      options.engine.window_tiles = window;
      EngineFixture fixture(options);
      AnswerReader reader;
      ASSERT_TRUE(
          fixture.Start(fixture.Make("r", 11, 2, {9, 1, 13}), reader).ok());
      ASSERT_TRUE(reader.ReadAll().ok());
      fixture.ExpectIdle();
    }
  }
}

TEST(LlmEngine, PrefillsWhatHasArrivedWhileTilesCome) {
  EngineFixture fixture(Defaults());
  fixture.source.Hold();
  AnswerReader reader;
  // Less text than is worth a step of its own.
  ASSERT_TRUE(fixture.Start(fixture.Make("r", 10, 2, {4}), reader).ok());
  while (!fixture.source.ServeTile("r")) absl::SleepFor(absl::Milliseconds(1));
  while (fixture.runner.num_steps() == 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(fixture.runner.num_steps(), 1);  // with the first tile alone
  while (fixture.source.ServeTile("r")) {
  }
  ASSERT_TRUE(reader.ReadAll().ok());
  fixture.ExpectIdle();
}

TEST(LlmEngine, RefusesWhatWouldWaitBehindTooMany) {
  EngineFixture::Options options = Defaults();
  options.engine.max_running = 3;
  options.engine.max_waiting = 2;
  EngineFixture fixture(options);
  fixture.runner.Hold();
  std::deque<AnswerReader> readers(6);
  ASSERT_TRUE(fixture.Start(fixture.Make("0", 5, 2), readers[0]).ok());
  fixture.runner.WaitUntilHeld();
  // Two have a place in the next step, two wait behind them.
  for (int i = 1; i < 5; ++i) {
    ASSERT_TRUE(
        fixture.Start(fixture.Make(absl::StrCat(i), 5, 2), readers[i]).ok());
  }
  const absl::Status status =
      fixture.Start(fixture.Make("5", 5, 2), readers[5]);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), reason::kOverloaded);
  EXPECT_TRUE(RetryDelay(status).has_value());
  fixture.runner.Release();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(readers[i].ReadAll().ok());
  fixture.ExpectIdle();
}

TEST(LlmEngine, FreesEverythingWhenCancelledInTheQueue) {
  EngineFixture::Options options = Defaults();
  options.engine.max_running = 1;
  EngineFixture fixture(options);
  fixture.runner.Hold();
  AnswerReader first, second;
  ASSERT_TRUE(fixture.Start(fixture.Make("1", 5, 2), first).ok());
  fixture.runner.WaitUntilHeld();
  ASSERT_TRUE(fixture.Start(fixture.Make("2", 5, 2), second).ok());
  second.answer().Cancel();
  fixture.runner.Release();
  EXPECT_EQ(second.ReadAll().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(first.ReadAll().ok());
  fixture.ExpectIdle();
  EXPECT_EQ(fixture.metrics.cancelled_requests[Stage::kDecodeQueue].Value(), 1);
}

TEST(LlmEngine, FreesEverythingWhenCancelledWhileTilesCome) {
  EngineFixture fixture(Defaults());
  fixture.source.Hold();
  AnswerReader reader;
  ASSERT_TRUE(fixture.Start(fixture.Make("r", 20, 2, {4}), reader).ok());
  while (!fixture.source.ServeTile("r")) absl::SleepFor(absl::Milliseconds(1));
  reader.answer().Cancel();
  EXPECT_EQ(reader.ReadAll().code(), absl::StatusCode::kCancelled);
  fixture.ExpectIdle();
  EXPECT_EQ(fixture.metrics.cancelled_requests[Stage::kTransfer].Value(), 1);
}

TEST(LlmEngine, FreesEverythingWhenCancelledInPrefill) {
  EngineFixture fixture(Defaults());
  fixture.runner.Hold();
  AnswerReader reader;
  ASSERT_TRUE(fixture.Start(fixture.Make("r", 200, 2), reader).ok());
  fixture.runner.WaitUntilHeld();
  reader.answer().Cancel();
  fixture.runner.Release();
  EXPECT_EQ(reader.ReadAll().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(reader.token_ids.empty());
  fixture.ExpectIdle();
  EXPECT_EQ(fixture.runner.num_steps(), 1);
  EXPECT_EQ(fixture.metrics.cancelled_requests[Stage::kPrefill].Value(), 1);
}

TEST(LlmEngine, FreesEverythingWhenCancelledInDecode) {
  EngineFixture fixture(Defaults());
  AnswerReader reader;
  fixture.runner.Hold(/*after_steps=*/3);
  ASSERT_TRUE(fixture.Start(fixture.Make("r", 5, 900), reader).ok());
  fixture.runner.WaitUntilHeld();
  const double before = fixture.metrics.generated_tokens.Value();
  reader.answer().Cancel();
  fixture.runner.Release();
  EXPECT_EQ(reader.ReadAll().code(), absl::StatusCode::kCancelled);
  fixture.ExpectIdle();
  EXPECT_EQ(fixture.metrics.cancelled_requests[Stage::kDecode].Value(), 1);
  // The step that was under way, and no other.
  EXPECT_EQ(fixture.metrics.generated_tokens.Value(), before + 1);
  EXPECT_EQ(fixture.metrics.tokens_after_cancel.Value(), 1);
}

TEST(LlmEngine, EndsAtTheDeadline) {
  EngineFixture fixture(Defaults());
  fixture.source.Hold();
  AnswerReader reader;
  ASSERT_TRUE(fixture.Start(fixture.Make("r", 20, 2, {4}), reader).ok());
  while (fixture.engine->load().running == 0) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  fixture.clock.Advance(absl::Seconds(119));
  AnswerReader other;
  ASSERT_TRUE(fixture.Start(fixture.Make("other", 5, 2), other).ok());
  ASSERT_TRUE(other.ReadAll().ok());  // the engine has looked
  EXPECT_TRUE(reader.answer().failure().ok());
  fixture.clock.Advance(absl::Seconds(1));
  const absl::Status status = reader.ReadAll();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ErrorReason(status), reason::kDeadlineExceeded);
  EXPECT_EQ(ErrorMetadataOf(status)["stage"], "transfer");
  fixture.ExpectIdle();

  Generation late = fixture.Make("r", 5, 2);
  late.deadline = fixture.clock.Monotonic();
  EXPECT_EQ(fixture.Start(std::move(late), reader).code(),
            absl::StatusCode::kDeadlineExceeded);
}

// gRPC cancels a call at its deadline, so both come at once.
TEST(LlmEngine, TakesACancellationAtTheDeadlineForTheDeadline) {
  EngineFixture fixture(Defaults());
  fixture.runner.Hold();
  AnswerReader reader;
  ASSERT_TRUE(fixture.Start(fixture.Make("r", 200, 2), reader).ok());
  fixture.runner.WaitUntilHeld();
  fixture.clock.Advance(absl::Seconds(120));
  reader.answer().Cancel();
  fixture.runner.Release();
  const absl::Status status = reader.ReadAll();
  EXPECT_EQ(ErrorReason(status), reason::kDeadlineExceeded);
  EXPECT_EQ(ErrorMetadataOf(status)["stage"], "prefill");
  fixture.ExpectIdle();
  EXPECT_EQ(fixture.metrics.cancelled_requests[Stage::kPrefill].Value(), 0);
}

TEST(LlmEngine, NeverSaysThatItIsIdleWhileARequestLives) {
  EngineFixture fixture(Defaults());
  for (int i = 0; i < 50; ++i) {
    fixture.runner.Hold();
    AnswerReader reader;
    const int steps = fixture.runner.num_steps();
    ASSERT_TRUE(fixture.Start(fixture.Make("r", 5, 1), reader).ok());
    do {
      const LlmEngine::Load load = fixture.engine->load();
      ASSERT_EQ(load.running + load.waiting, 1);
    } while (fixture.runner.num_steps() == steps);
    fixture.runner.Release();
    ASSERT_TRUE(reader.ReadAll().ok());
    fixture.ExpectIdle();
  }
}

TEST(LlmEngine, PausesForASlowReaderAndGoesOn) {
  EngineFixture::Options options = Defaults();
  options.engine.ring_tokens = 4;
  EngineFixture fixture(options);
  const std::vector<int> want =
      Alone(Defaults(), [](EngineFixture& f) { return f.Make("slow", 5, 30); });
  AnswerReader slow, other;
  ASSERT_TRUE(fixture.Start(fixture.Make("slow", 5, 30), slow).ok());
  while (!slow.answer().full()) absl::SleepFor(absl::Milliseconds(1));
  // The other one is not held up.
  ASSERT_TRUE(fixture.Start(fixture.Make("other", 5, 30), other).ok());
  ASSERT_TRUE(other.ReadAll().ok());
  EXPECT_EQ(other.token_ids.size(), 30u);
  fixture.clock.Advance(absl::Seconds(29));
  ASSERT_TRUE(slow.ReadSome());
  EXPECT_EQ(slow.token_ids.size(), 4u);
  ASSERT_TRUE(slow.ReadAll().ok());
  EXPECT_EQ(slow.token_ids, want);
  fixture.ExpectIdle();
}

TEST(LlmEngine, EndsAnAnswerThatNobodyReads) {
  EngineFixture::Options options = Defaults();
  options.engine.ring_tokens = 4;
  EngineFixture fixture(options);
  Generation generation = fixture.Make("r", 5, 30);
  generation.deadline =
      absl::Hours(1000);  // time may run ahead of the engine below
  AnswerReader reader;
  ASSERT_TRUE(fixture.Start(std::move(generation), reader).ok());
  while (reader.answer().failure().ok()) {
    fixture.clock.Advance(absl::Seconds(1));
    absl::SleepFor(absl::Milliseconds(1));
  }
  const absl::Status status = reader.ReadAll();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ErrorReason(status), reason::kSlowConsumer);
  EXPECT_EQ(reader.token_ids.size(), 4u);
  fixture.ExpectIdle();
}

TEST(LlmEngine, TellsWhoStillHoldsACompleteAnswerThatItsTimeIsOver) {
  EngineFixture fixture(Defaults());
  AnswerReader slow, late;
  Generation generation = fixture.Make("late", 5, 3);
  generation.deadline = fixture.clock.Monotonic() + absl::Seconds(10);
  ASSERT_TRUE(fixture.Start(std::move(generation), late).ok());
  ASSERT_TRUE(late.ReadAll().ok());
  ASSERT_TRUE(fixture.Start(fixture.Make("slow", 5, 3), slow).ok());
  ASSERT_TRUE(slow.ReadAll().ok());
  fixture.ExpectIdle();
  EXPECT_TRUE(late.answer().failure().ok());
  fixture.clock.Advance(absl::Seconds(10));
  late.WaitUntilTold();
  EXPECT_EQ(ErrorReason(late.answer().failure()), reason::kDeadlineExceeded);
  EXPECT_TRUE(slow.answer().failure().ok());
  fixture.clock.Advance(absl::Seconds(20));
  slow.WaitUntilTold();
  EXPECT_EQ(ErrorReason(slow.answer().failure()), reason::kSlowConsumer);
}

TEST(LlmEngine, PassesOnWhyTilesDidNotCome) {
  EngineFixture fixture(Defaults());
  fixture.source.Hold();
  AnswerReader reader;
  ASSERT_TRUE(fixture.Start(fixture.Make("r", 20, 2, {4}), reader).ok());
  while (!fixture.source.ServeTile("r")) absl::SleepFor(absl::Milliseconds(1));
  fixture.source.Fail(
      "r", MakeError(absl::StatusCode::kNotFound, reason::kEmbeddingExpired,
                     "gone", {{"image", "0"}}));
  const absl::Status status = reader.ReadAll();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(status), reason::kEmbeddingExpired);
  EXPECT_EQ(ErrorMetadataOf(status)["image"], "0");
  fixture.ExpectIdle();
}

TEST(LlmEngine, RefusesImagesThatDoNotMatchThePrompt) {
  EngineFixture fixture(Defaults());
  Generation generation = fixture.Make("r", 20, 2, {4});
  generation.images[0].set_num_tiles(5);
  AnswerReader reader;
  EXPECT_EQ(fixture.Start(std::move(generation), reader).code(),
            absl::StatusCode::kInternal);
}

TEST(LlmEngine, FailsTheSequencesOfAStepThatBreaks) {
  for (const bool in_collect : {false, true}) {
    EngineFixture fixture(Defaults());
    fixture.runner.Hold();
    AnswerReader first, second;
    ASSERT_TRUE(fixture.Start(fixture.Make("1", 5, 50), first).ok());
    fixture.runner.WaitUntilHeld();
    const absl::Status broken = MakeError(absl::StatusCode::kInternal,
                                          reason::kInternal, "device lost");
    if (in_collect) {
      fixture.runner.FailNextCollect(broken);
    } else {
      fixture.runner.FailNextSubmit(broken);
    }
    fixture.runner.Release();
    const absl::Status status = first.ReadAll();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(status.message()), HasSubstr("device lost"));
    ASSERT_TRUE(fixture.Start(fixture.Make("2", 5, 3), second).ok());
    EXPECT_TRUE(second.ReadAll().ok());
    fixture.ExpectIdle();
  }
}

TEST(LlmEngine, GivesUpTheNewestWhenTheDeviceIsFull) {
  const std::vector<int> want =
      Alone(Defaults(), [](EngineFixture& f) { return f.Make("old", 5, 50); });
  EngineFixture fixture(Defaults());
  AnswerReader old, fresh;
  fixture.runner.Hold(/*after_steps=*/3);
  ASSERT_TRUE(fixture.Start(fixture.Make("old", 5, 50), old).ok());
  fixture.runner.WaitUntilHeld();
  ASSERT_TRUE(fixture.Start(fixture.Make("fresh", 30, 50), fresh).ok());
  fixture.runner.FailNextSubmit(MakeError(absl::StatusCode::kResourceExhausted,
                                          reason::kDeviceOutOfMemory, "full"));
  fixture.runner.Release();
  const absl::Status status = fresh.ReadAll();
  EXPECT_EQ(ErrorReason(status), reason::kDeviceOutOfMemory);
  EXPECT_TRUE(old.ReadAll().ok());
  EXPECT_EQ(old.token_ids, want);
  EXPECT_EQ(fixture.metrics.device_oom[Stage::kPrefill].Value(), 1);
  fixture.ExpectIdle();
}

TEST(LlmEngine, FailsOnlyTheSequenceWhoseLogitsAreNoNumbers) {
  EngineFixture fixture(Defaults());
  fixture.runner.Hold();
  AnswerReader bad, good;
  ASSERT_TRUE(fixture.Start(fixture.Make("bad", 5, 3), bad).ok());
  fixture.runner.WaitUntilHeld();
  ASSERT_TRUE(fixture.Start(fixture.Make("good", 5, 3), good).ok());
  fixture.runner.FailNextToken(
      MakeError(absl::StatusCode::kInternal, reason::kNumericFault, "a NaN"));
  fixture.runner.Release();
  EXPECT_EQ(ErrorReason(bad.ReadAll()), reason::kNumericFault);
  EXPECT_TRUE(good.ReadAll().ok());
  EXPECT_EQ(fixture.metrics.numeric_faults[Stage::kPrefill].Value(), 1);
  fixture.ExpectIdle();
}

TEST(LlmEngine, FailsARequestWhoseSamplingSlotCannotBeOpened) {
  EngineFixture fixture(Defaults());
  fixture.runner.FailNextOpen(absl::InternalError("no slot"));
  AnswerReader bad, good;
  ASSERT_TRUE(fixture.Start(fixture.Make("bad", 5, 3), bad).ok());
  EXPECT_EQ(bad.ReadAll().code(), absl::StatusCode::kInternal);
  ASSERT_TRUE(fixture.Start(fixture.Make("good", 5, 3), good).ok());
  EXPECT_TRUE(good.ReadAll().ok());
  fixture.ExpectIdle();
}

TEST(LlmEngine, EndsEveryRequestWhenItStops) {
  EngineFixture::Options options = Defaults();
  options.engine.max_running = 1;
  EngineFixture fixture(options);
  fixture.source.Hold();
  AnswerReader running, waiting;
  ASSERT_TRUE(fixture.Start(fixture.Make("1", 20, 2, {4}), running).ok());
  ASSERT_TRUE(fixture.Start(fixture.Make("2", 20, 2, {4}), waiting).ok());
  fixture.engine.reset();
  for (AnswerReader* reader : {&running, &waiting}) {
    const absl::Status status = reader->ReadAll();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(ErrorReason(status), reason::kDraining);
  }
  EXPECT_EQ(fixture.runner.num_open_slots(), 0);
  EXPECT_EQ(fixture.source.num_pulls(), 0);
}

TEST(LlmEngine, SaysWhereTheTimeWent) {
  EngineFixture fixture(Defaults());
  fixture.source.Hold();
  fixture.runner.Hold();
  AnswerReader reader;
  Generation generation = fixture.Make("r", 10, 1, {1});
  fixture.clock.Advance(absl::Milliseconds(40));  // tokenizing and the queue
  ASSERT_TRUE(fixture.Start(std::move(generation), reader).ok());
  while (fixture.engine->load().running == 0) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  ASSERT_TRUE(fixture.source.ServeTile("r"));
  fixture.runner.WaitUntilHeld();
  fixture.clock.Advance(absl::Milliseconds(60));
  fixture.runner.Release();
  ASSERT_TRUE(reader.ReadAll().ok());
  EXPECT_NEAR(reader.end.timings.decode_queue(), 40, 1e-6);
  EXPECT_NEAR(reader.end.timings.prefill(), 60, 1e-6);
}

}  // namespace
}  // namespace tandem
