#include "llm_service/batch_scheduler.h"

#include <deque>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(KvBlockPool, GivesTheLowestBlocksAndNeverTheScratchBlock) {
  KvBlockPool pool(4);
  auto first = pool.Take(2);
  ASSERT_TRUE(first.has_value());
  EXPECT_THAT(first->blocks(), ElementsAre(1, 2));
  auto second = pool.Take(2);
  EXPECT_THAT(second->blocks(), ElementsAre(3, 4));
  first.reset();
  EXPECT_THAT(pool.Take(1)->blocks(), ElementsAre(1));
}

TEST(KvBlockPool, GivesAllOrNothing) {
  KvBlockPool pool(3);
  auto lease = pool.Take(2);
  EXPECT_FALSE(pool.Take(2).has_value());
  EXPECT_EQ(pool.num_free(), 1);
  *lease = KvBlockPool::Lease();
  EXPECT_EQ(pool.num_free(), 3);
}

TEST(KvBlockPool, MovesALeaseWithoutFreeingIt) {
  KvBlockPool pool(3);
  KvBlockPool::Lease lease = *pool.Take(2);
  KvBlockPool::Lease other = std::move(lease);
  EXPECT_EQ(pool.num_free(), 1);
  other = *pool.Take(1);
  EXPECT_EQ(pool.num_free(), 2);
}

class BatchSchedulerTest : public testing::Test {
 protected:
  Sequence& Make(int num_prompt, int max_tokens = 10) {
    Sequence& sequence = sequences_.emplace_back();
    sequence.id = sequences_.size();
    sequence.token_ids.assign(num_prompt, 1);
    sequence.num_prompt = num_prompt;
    sequence.max_tokens = max_tokens;
    sequence.ready_frontier = num_prompt;
    return sequence;
  }
  Sequence& Add(int num_prompt, int max_tokens = 10) {
    Sequence& sequence = Make(num_prompt, max_tokens);
    EXPECT_TRUE(scheduler_->Add(sequence).ok());
    return sequence;
  }
  // What a step does to the sequences it ran.
  std::vector<PlannedRow> Step() {
    std::vector<Sequence*> admitted;
    std::vector<PlannedRow> rows = scheduler_->Plan(admitted);
    for (const PlannedRow& row : rows) {
      const bool samples = row.samples();
      row.sequence->num_cached += row.num_tokens;
      if (samples) row.sequence->token_ids.push_back(1);
    }
    return rows;
  }
  static std::vector<std::pair<int, int>> Shape(
      const std::vector<PlannedRow>& rows) {
    std::vector<std::pair<int, int>> shape;
    for (const PlannedRow& row : rows) {
      shape.emplace_back(row.sequence->id, row.num_tokens);
    }
    return shape;
  }
  void Reset(const BatchScheduler::Options& options, int num_blocks) {
    pool_ = std::make_unique<KvBlockPool>(num_blocks);
    scheduler_ = std::make_unique<BatchScheduler>(options, *pool_);
  }
  void SetUp() override { Reset({4, 8, 512, 128}, 100); }

  std::unique_ptr<KvBlockPool> pool_;
  std::unique_ptr<BatchScheduler> scheduler_;
  std::deque<Sequence> sequences_;
};

using Row = std::pair<int, int>;

TEST_F(BatchSchedulerTest, PrefillsInChunksAndThenDecodes) {
  Sequence& sequence = Add(1000);
  EXPECT_THAT(Shape(Step()), ElementsAre(Row(1, 512)));
  EXPECT_EQ(sequence.num_generated(), 0);
  EXPECT_THAT(Shape(Step()), ElementsAre(Row(1, 488)));
  EXPECT_EQ(sequence.num_generated(), 1);
  EXPECT_THAT(Shape(Step()), ElementsAre(Row(1, 1)));
  EXPECT_EQ(sequence.num_cached, 1001);
  EXPECT_EQ(sequence.num_generated(), 2);
}

TEST_F(BatchSchedulerTest, DecodesBesidePrefill) {
  Add(10);
  Step();
  Add(600);
  EXPECT_THAT(Shape(Step()), ElementsAre(Row(1, 1), Row(2, 512)));
  EXPECT_THAT(Shape(Step()), ElementsAre(Row(1, 1), Row(2, 88)));
  EXPECT_THAT(Shape(Step()), ElementsAre(Row(1, 1), Row(2, 1)));
}

TEST_F(BatchSchedulerTest, SharesAStepAmongPromptsThatFitWhole) {
  Add(200);
  Add(200);
  Add(200);
  Add(10);
  // The third would have to be cut where its neighbours' lengths say.
  EXPECT_THAT(Shape(Step()), ElementsAre(Row(1, 200), Row(2, 200)));
  EXPECT_THAT(Shape(Step()),
              ElementsAre(Row(1, 1), Row(2, 1), Row(3, 200), Row(4, 10)));
}

TEST_F(BatchSchedulerTest, CutsChunksAtAbsolutePositionsWhateverRunsBeside) {
  Sequence& alone = Add(1300);
  std::set<int> borders;
  for (int i = 0; i < 4; ++i) {
    Step();
    borders.insert(alone.num_cached);
  }
  Add(300);
  Sequence& beside = Add(1300);
  std::set<int> others;
  for (int i = 0; i < 6; ++i) {
    Step();
    others.insert(beside.num_cached);
  }
  for (const int border : {512, 1024, 1300}) {
    EXPECT_EQ(borders.count(border), 1u) << border;
    EXPECT_EQ(others.count(border), 1u) << border;
  }
}

TEST_F(BatchSchedulerTest, StopsAtTheFrontierOfTiles) {
  Sequence& sequence = Add(1000);
  sequence.ready_frontier = 20;  // too little to be worth a step
  EXPECT_THAT(Step(), IsEmpty());
  sequence.ready_frontier = 276;
  EXPECT_THAT(Shape(Step()), ElementsAre(Row(1, 276)));
  EXPECT_THAT(Step(), IsEmpty());
  sequence.ready_frontier = 532;
  EXPECT_THAT(Shape(Step()), ElementsAre(Row(1, 236)));  // to 512
  EXPECT_THAT(Step(), IsEmpty());
  sequence.ready_frontier = 1000;
  EXPECT_THAT(Shape(Step()), ElementsAre(Row(1, 488)));
}

TEST_F(BatchSchedulerTest, LetsOthersPassAPromptThatWaitsForTiles) {
  Add(1000).ready_frontier = 20;
  Add(100);
  EXPECT_THAT(Shape(Step()), ElementsAre(Row(2, 100)));
}

TEST_F(BatchSchedulerTest, LeavesPausedSequencesOut) {
  Sequence& slow = Add(10);
  Add(10);
  Step();
  slow.paused = true;
  EXPECT_THAT(Shape(Step()), ElementsAre(Row(2, 1)));
  slow.paused = false;
  EXPECT_THAT(Shape(Step()), ElementsAre(Row(1, 1), Row(2, 1)));
}

TEST_F(BatchSchedulerTest, RunsAtMostSoMany) {
  for (int i = 0; i < 6; ++i) Add(10);
  EXPECT_EQ(Step().size(), 4u);
  EXPECT_EQ(scheduler_->num_running(), 4);
  EXPECT_EQ(scheduler_->num_waiting(), 2);
  scheduler_->Remove(sequences_[1]);
  Step();
  EXPECT_TRUE(sequences_[4].running());
  EXPECT_FALSE(sequences_[5].running());
  EXPECT_EQ(sequences_[4].sampling_slot, 1);  // the one that came free
}

TEST_F(BatchSchedulerTest, WaitsForBlocksOfTheWholeAnswerInOrder) {
  Reset({4, 8, 512, 128}, 4);
  Add(64, 129);                 // 3 blocks: the last token is never read
  Sequence& big = Add(64, 65);  // 2
  Sequence& small = Add(10);    // 1 would be free, but it came later
  Step();
  EXPECT_EQ(pool_->num_free(), 1);
  EXPECT_FALSE(big.running());
  EXPECT_FALSE(small.running());
  scheduler_->Remove(sequences_[0]);
  Step();
  EXPECT_TRUE(big.running());
  EXPECT_TRUE(small.running());
  EXPECT_EQ(pool_->num_free(), 1);
}

TEST_F(BatchSchedulerTest, RefusesWhatWouldWaitBehindTooMany) {
  Reset({1, 2, 512, 128}, 100);
  Add(10);  // has a place in the next step
  Add(10);
  Add(10);
  Sequence& refused = Make(10);
  const absl::Status status = scheduler_->Add(refused);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), reason::kOverloaded);
  EXPECT_TRUE(RetryDelay(status).has_value());
}

TEST_F(BatchSchedulerTest, ForgetsASequenceThatWaits) {
  Reset({1, 2, 512, 128}, 100);
  Add(10);
  Sequence& waiting = Add(10);
  Step();
  scheduler_->Remove(waiting);
  EXPECT_EQ(scheduler_->num_waiting(), 0);
  EXPECT_EQ(scheduler_->num_running(), 1);
}

// Random arrivals, ends and frontiers: no block twice, none lost, no row
// without its blocks, and every sequence ends.
TEST_F(BatchSchedulerTest, KeepsItsPromisesUnderRandomLoad) {
  for (int seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    sequences_.clear();
    Reset({5, 50, 128, 32}, 40);
    int to_add = 40, steps = 0;
    std::set<Sequence*> alive;
    while (to_add > 0 || !alive.empty()) {
      ASSERT_LT(++steps, 10000) << "seed " << seed;
      if (to_add > 0 && random() % 3 == 0) {
        Sequence& sequence = Add(1 + random() % 600, 1 + random() % 200);
        sequence.ready_frontier = random() % (sequence.num_prompt + 1);
        alive.insert(&sequence);
        --to_add;
      }
      for (Sequence* sequence : alive) {
        if (random() % 2 == 0) sequence->ready_frontier = sequence->num_prompt;
        sequence->paused = random() % 4 == 0;
      }
      std::set<int> used;
      int prefill = 0;
      for (const PlannedRow& row : Step()) {
        const Sequence& sequence = *row.sequence;
        EXPECT_LE(sequence.num_cached,
                  64 * static_cast<int>(sequence.kv.blocks().size()));
        for (const int block : sequence.kv.blocks()) {
          EXPECT_TRUE(used.insert(block).second);
        }
        if (sequence.num_generated() <= 1) prefill += row.num_tokens;
        if (sequence.num_generated() == sequence.max_tokens ||
            random() % 100 == 0) {
          scheduler_->Remove(*row.sequence);
          alive.erase(row.sequence);
        }
      }
      EXPECT_LE(prefill, 128);
    }
    EXPECT_EQ(pool_->num_free(), 40);
    EXPECT_EQ(scheduler_->num_running(), 0);
  }
}

}  // namespace
}  // namespace tandem
