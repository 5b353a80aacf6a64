#include "llm_service/llm_model.h"

#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <random>

#include "common/errors.h"
#include "tests/fakes/fake_weight_source.h"
#include "tests/llm_service/small_model.h"

namespace tandem {
namespace {

std::vector<int> RandomIds(int count, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<int> ids(count);
  for (int& id : ids) id = static_cast<int>(generator() % 101);
  return ids;
}

class LlmModelTest : public testing::TestWithParam<DType> {
 protected:
  LlmModelTest()
      : source_(MakeRandomWeights(SmallConfig(), /*seed=*/5)),
        observed_(LoadObserved(SmallConfig().text, *source_, GetParam())),
        model_(*observed_.model) {}

  // Logits after all of `sequence`, prefilled in chunks of `chunk`.
  at::Tensor LogitsInChunks(TestSequence sequence, int chunk) {
    Open(sequence.slot);
    const int size = static_cast<int>(sequence.token_ids.size());
    while (sequence.num_cached < size) {
      const int count = std::min(chunk, size - sequence.num_cached);
      StepInput input;
      AddChunk(sequence, count, sequence.num_cached + count == size, input);
      RunStep(model_, input);
    }
    model_.CloseSamplingSlot(sequence.slot);
    return observed_.value("logits");
  }

  void Open(int slot, const SamplingParams& params = GreedyParams()) {
    const absl::Status opened = model_.OpenSamplingSlot(slot, params, {});
    ASSERT_TRUE(opened.ok()) << opened;
  }

  std::unique_ptr<WeightSource> source_;
  ObservedModel observed_;
  LlmModel& model_;
};

TEST_P(LlmModelTest, ChunksDoNotChangeTheLogits) {
  const TestSequence sequence{RandomIds(150, 1), {1, 2, 3}};
  const at::Tensor whole = LogitsInChunks(sequence, 150);
  ASSERT_EQ(whole.sizes(), (std::vector<int64_t>{1, 101}));
  for (const int chunk : {1, 7, 64, 100}) {
    EXPECT_TRUE(at::equal(LogitsInChunks(sequence, chunk), whole)) << chunk;
  }
}

TEST_P(LlmModelTest, BlocksMayLieAnywhere) {
  const at::Tensor here = LogitsInChunks({RandomIds(150, 1), {1, 2, 3}}, 150);
  const at::Tensor there =
      LogitsInChunks({RandomIds(150, 1), {60, 4, 33}}, 150);
  EXPECT_TRUE(at::equal(here, there));
}

TEST_P(LlmModelTest, NeighboursDoNotChangeTheLogits) {
  const TestSequence alone{RandomIds(90, 1), {1, 2}, 0, 0};
  const at::Tensor want = LogitsInChunks(alone, 90);

  std::vector<TestSequence> all = {{RandomIds(70, 2), {3, 4}, 0, 1},
                                   {RandomIds(90, 1), {5, 6}, 0, 2},
                                   {RandomIds(200, 3), {7, 8, 9, 10}, 0, 3}};
  for (const TestSequence& s : all) Open(s.slot);
  StepInput prefill;
  AddChunk(all[0], 69, /*sample=*/false, prefill);
  AddChunk(all[1], 33, /*sample=*/false, prefill);
  RunStep(model_, prefill);
  StepInput mixed;
  AddChunk(all[0], 1, /*sample=*/true, mixed);
  AddChunk(all[1], 57, /*sample=*/true, mixed);
  AddChunk(all[2], 130, /*sample=*/false, mixed);
  const StepOutput output = RunStep(model_, mixed);
  ASSERT_EQ(output.tokens.size(), 2u);
  EXPECT_EQ(output.tokens[0].sampling_slot, 1);
  EXPECT_EQ(output.tokens[1].sampling_slot, 2);
  EXPECT_TRUE(at::equal(observed_.value("logits")[1], want[0]));
}

TEST_P(LlmModelTest, GreedyTakesTheBestLogitAndReportsIt) {
  TestSequence sequence{RandomIds(20, 1), {1}};
  Open(0);
  StepInput input;
  AddChunk(sequence, 20, /*sample=*/true, input);
  const StepOutput output = RunStep(model_, input);
  ASSERT_EQ(output.tokens.size(), 1u);
  const at::Tensor logits = observed_.value("logits")[0].to(at::kFloat);
  const SampledToken& token = output.tokens[0];
  EXPECT_EQ(token.token_id, logits.argmax().item<int64_t>());
  ASSERT_EQ(token.top.size(), 2u);
  EXPECT_EQ(token.top[0].first, token.token_id);
  EXPECT_NEAR(token.logprob, logits.log_softmax(0).max().item<float>(), 1e-4);
}

TEST_P(LlmModelTest, EmbeddingsStandInForLookups) {
  const std::vector<int> ids = RandomIds(30, 1);
  const at::Tensor want = LogitsInChunks({ids, {1}}, 30);

  // Rows 5 .. 14 as embeddings, over ids that do not exist.
  const int64_t hidden = SmallConfig().text.hidden_size;
  std::vector<float> rows(10 * hidden);
  TestSequence sequence{ids, {2}};
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(source_
                    ->ReadRows("language_model.model.embed_tokens.weight",
                               ids[5 + i], 1, DType::kFloat32,
                               rows.data() + i * hidden)
                    .ok());
    sequence.token_ids[5 + i] = 1 << 30;
  }
  Open(0);
  StepInput input;
  AddChunk(sequence, 30, /*sample=*/true, input);
  input.embeddings = {{.first_slot = 5,
                       .num_rows = 10,
                       .dtype = DType::kFloat32,
                       .data = reinterpret_cast<const char*>(rows.data())}};
  RunStep(model_, input);
  EXPECT_TRUE(at::equal(observed_.value("logits"), want));
}

TEST_P(LlmModelTest, ABrokenEmbeddingFailsItsSequenceAlone) {
  const at::Tensor want = LogitsInChunks({RandomIds(20, 2), {2}}, 20);
  const std::vector<float> rows(SmallConfig().text.hidden_size, std::nanf(""));
  TestSequence broken{RandomIds(20, 1), {1}, 0, 0};
  TestSequence sound{RandomIds(20, 2), {2}, 0, 1};
  Open(0);
  Open(1);
  StepInput input;
  AddChunk(broken, 20, /*sample=*/true, input);
  AddChunk(sound, 20, /*sample=*/true, input);
  input.embeddings = {{.first_slot = 3,
                       .num_rows = 1,
                       .dtype = DType::kFloat32,
                       .data = reinterpret_cast<const char*>(rows.data())}};
  const StepOutput output = RunStep(model_, input);
  ASSERT_EQ(output.tokens.size(), 2u);
  EXPECT_EQ(ErrorReason(output.tokens[0].status), reason::kNumericFault);
  EXPECT_TRUE(output.tokens[1].status.ok());
  EXPECT_TRUE(at::equal(observed_.value("logits")[1], want[0]));
  // Its blocks hold NaN now; who gets them next does not see it.
  EXPECT_TRUE(
      at::equal(LogitsInChunks({RandomIds(20, 2), {1}, 0, 2}, 20), want));
}

TEST_P(LlmModelTest, AResumedSequenceGoesOnAsBefore) {
  SamplingParams params;
  params.seed = 9;
  params.frequency_penalty = 0.5f;
  const auto generate = [&](std::vector<int> prompt, std::vector<int> before,
                            int count) {
    TestSequence sequence{std::move(prompt), {1, 2}};
    sequence.token_ids.insert(sequence.token_ids.end(), before.begin(),
                              before.end());
    EXPECT_TRUE(model_.OpenSamplingSlot(0, params, before).ok());
    std::vector<int> tokens = before;
    while (static_cast<int>(tokens.size()) < count) {
      const int size = static_cast<int>(sequence.token_ids.size());
      StepInput input;
      AddChunk(sequence, size - sequence.num_cached, /*sample=*/true, input);
      tokens.push_back(RunStep(model_, input).tokens.at(0).token_id);
      sequence.token_ids.push_back(tokens.back());
    }
    model_.CloseSamplingSlot(0);
    return tokens;
  };
  const std::vector<int> whole = generate(RandomIds(25, 1), {}, 12);
  const std::vector<int> half(whole.begin(), whole.begin() + 5);
  EXPECT_EQ(generate(RandomIds(25, 1), half, 12), whole);
}

TEST_P(LlmModelTest, StepsThatBreakABoundAreRefused) {
  const auto refused = [&](const std::function<void(StepInput&)>& breaks) {
    StepInput input;
    input.token_ids = {1, 2, 3};
    input.sequences = {{.block_table = {1}, .num_cached = 0, .num_new = 3}};
    breaks(input);
    const absl::Status status = model_.Submit(input);
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
    return std::string(status.message());
  };
  using testing::HasSubstr;
  EXPECT_THAT(refused([](StepInput& in) { in.token_ids[1] = 101; }),
              HasSubstr("token id 101 is outside [0, 100]"));
  EXPECT_THAT(refused([](StepInput& in) { in.token_ids[1] = -1; }),
              HasSubstr("token id -1"));
  EXPECT_THAT(refused([](StepInput& in) { in.token_ids.pop_back(); }),
              HasSubstr("number of token ids 2"));
  EXPECT_THAT(refused([](StepInput& in) { in.sequences[0].block_table = {0}; }),
              HasSubstr("KV block 0 is outside [1, 64]"));
  EXPECT_THAT(
      refused([](StepInput& in) { in.sequences[0].block_table = {65}; }),
      HasSubstr("KV block 65"));
  EXPECT_THAT(refused([](StepInput& in) { in.sequences[0].num_cached = 62; }),
              HasSubstr("KV blocks that are needed 2"));
  EXPECT_THAT(refused([](StepInput& in) { in.sequences[0].num_cached = 1022; }),
              HasSubstr("1025 is outside [1, 1024]"));
  EXPECT_THAT(refused([](StepInput& in) { in.sequences[0].num_new = 0; }),
              HasSubstr("tokens"));
  EXPECT_THAT(refused([](StepInput& in) { in.sequences[0].sampling_slot = 8; }),
              HasSubstr("sampling slot 8 is outside [-1, 7]"));
  EXPECT_THAT(refused([](StepInput& in) { in.sequences[0].sampling_slot = 4; }),
              HasSubstr("sampling slot 4 is not open"));
  EXPECT_THAT(refused([](StepInput& in) {
                in.embeddings = {{.first_slot = 2, .num_rows = 2}};
              }),
              HasSubstr("embedding row 2"));
}

TEST_P(LlmModelTest, StepsAreCollectedOneByOne) {
  EXPECT_EQ(model_.Collect().status().code(), absl::StatusCode::kInternal);
  TestSequence sequence{RandomIds(8, 1), {1}};
  StepInput input;
  AddChunk(sequence, 4, /*sample=*/false, input);
  ASSERT_TRUE(model_.Submit(input).ok());
  EXPECT_EQ(model_.Submit(input).code(), absl::StatusCode::kInternal);
  const auto output = model_.Collect();
  ASSERT_TRUE(output.ok());
  EXPECT_TRUE(output->tokens.empty());
}

TEST_P(LlmModelTest, SamplingSlotsOpenOnceAndWithinRange) {
  EXPECT_EQ(model_.num_sampling_slots(), 8);
  EXPECT_EQ(model_.num_kv_blocks(), 64);
  EXPECT_FALSE(model_.OpenSamplingSlot(8, GreedyParams(), {}).ok());
  EXPECT_FALSE(model_.OpenSamplingSlot(-1, GreedyParams(), {}).ok());
  EXPECT_FALSE(model_.OpenSamplingSlot(0, GreedyParams(), {101}).ok());
  Open(0);
  EXPECT_FALSE(model_.OpenSamplingSlot(0, GreedyParams(), {}).ok());
  model_.CloseSamplingSlot(0);
  Open(0);
}

INSTANTIATE_TEST_SUITE_P(DTypes, LlmModelTest,
                         testing::Values(DType::kFloat32, DType::kBFloat16),
                         [](const auto& info) {
                           return std::string(DTypeName(info.param));
                         });

class CountingProgress : public LoadProgress {
 public:
  void Advance(int64_t bytes_done, int64_t bytes_total) override {
    EXPECT_GT(bytes_done, done);
    done = bytes_done;
    total = bytes_total;
  }
  int64_t done = 0, total = 0;
};

TEST(LlmModelLoadTest, ProgressEndsAtTheWeightsSize) {
  const TextConfig config = SmallConfig().text;
  const auto source = MakeRandomWeights(SmallConfig(), 1);
  CountingProgress progress;
  LlmModel::Options options;
  options.num_kv_blocks = 1;
  ASSERT_TRUE(LlmModel::Load(config, *source, options, &progress).ok());
  EXPECT_EQ(progress.done, progress.total);
  EXPECT_EQ(progress.done, TextWeightBytes(config, DType::kBFloat16));
}

TEST(LlmModelLoadTest, NamesTheTensorThatIsMissing) {
  const auto model = LlmModel::Load(SmallConfig().text, FakeWeightSource(), {});
  EXPECT_EQ(model.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(model.status().message()),
              testing::HasSubstr("language_model.model.embed_tokens.weight"));
}

TEST(KvCacheTest, MemoryThatDoesNotFitIsAnError) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "its allocator stops the program instead";
#endif
  // More than the address space has.
  const KvLayout layout{
      .num_layers = 1, .num_kv_heads = 1024, .head_dim = 1024};
  const auto cache = KvCache::Allocate(layout, 2000000000, at::kCPU);
  EXPECT_EQ(cache.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(cache.status()), reason::kDeviceOutOfMemory);
}

TEST(KvLayoutTest, CountsTheBytesOfABlock) {
  TextConfig config;
  config.num_layers = 28;
  config.num_kv_heads = 4;
  config.head_dim = 128;
  // 28 layers x (keys, values) x 64 tokens x 4 heads x 128 x 2 bytes.
  EXPECT_EQ(MakeKvLayout(config, DType::kBFloat16).bytes_per_block(), 3670016);
  EXPECT_EQ(KvBlocksFor(0), 0);
  EXPECT_EQ(KvBlocksFor(64), 1);
  EXPECT_EQ(KvBlocksFor(65), 2);
}

}  // namespace
}  // namespace tandem
