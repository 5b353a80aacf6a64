#include "llm_service/answer.h"

#include <atomic>
#include <memory>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/errors.h"
#include "gtest/gtest.h"
#include "llm_service/answer_delivery.h"
#include "llm_service/worker_pool.h"

namespace tandem {
namespace {

AnswerToken Token(int id) {
  AnswerToken token;
  token.token_id = id;
  return token;
}

AnswerEnd Failure() {
  AnswerEnd end;
  end.status = absl::InternalError("broken");
  return end;
}

class AnswerTest : public testing::Test {
 protected:
  int told_reader_ = 0, told_writer_ = 0;
  Answer answer_{2, [this] { ++told_reader_; }, [this] { ++told_writer_; }};
};

TEST_F(AnswerTest, TellsTheReaderOnceUntilItReads) {
  EXPECT_TRUE(answer_.Push(Token(1)));
  EXPECT_FALSE(answer_.Push(Token(2)));
  const Answer::Batch batch = answer_.Read();
  ASSERT_EQ(batch.tokens.size(), 2u);
  EXPECT_EQ(batch.tokens[1].token_id, 2);
  EXPECT_FALSE(batch.end.has_value());
  EXPECT_TRUE(answer_.Push(Token(3)));
}

TEST_F(AnswerTest, TellsTheWriterWhenAFullRingWasRead) {
  answer_.Push(Token(1));
  EXPECT_FALSE(answer_.full());
  answer_.Read();
  EXPECT_EQ(told_writer_, 0);
  answer_.Push(Token(1));
  answer_.Push(Token(2));
  EXPECT_TRUE(answer_.full());
  answer_.Read();
  EXPECT_FALSE(answer_.full());
  EXPECT_EQ(told_writer_, 1);
}

TEST_F(AnswerTest, TellsOfAFailureEvenAReaderThatWasTold) {
  EXPECT_TRUE(answer_.Push(Token(1)));
  EXPECT_TRUE(answer_.failure().ok());
  EXPECT_TRUE(answer_.End(Failure()));
  EXPECT_FALSE(answer_.failure().ok());
  const Answer::Batch batch = answer_.Read();
  EXPECT_EQ(batch.tokens.size(), 1u);
  ASSERT_TRUE(batch.end.has_value());
  EXPECT_EQ(batch.end->status.message(), "broken");
  EXPECT_TRUE(answer_.failure().ok());  // it has been read
}

TEST_F(AnswerTest, TellsTheWriterOfACancellation) {
  EXPECT_FALSE(answer_.cancelled());
  answer_.Cancel();
  EXPECT_TRUE(answer_.cancelled());
  EXPECT_EQ(told_writer_, 1);
}

TEST(AnswerDelivery, NotifiesOnItsOwnThreadAndTicks) {
  absl::Notification notified, ticked;
  std::atomic<int> ticks = 0;
  auto answer = std::make_shared<Answer>(4, [&] { notified.Notify(); }, [] {});
  AnswerDelivery delivery(absl::Milliseconds(1), [&] {
    if (++ticks == 3) ticked.Notify();
  });
  delivery.Post({answer});
  notified.WaitForNotification();
  ticked.WaitForNotification();
}

TEST(AnswerDelivery, TellsWhoIsQueuedBeforeItGoes) {
  int told = 0;
  auto answer = std::make_shared<Answer>(4, [&] { ++told; }, [] {});
  {
    AnswerDelivery delivery(absl::Hours(1), [] {});
    delivery.Post({answer});
  }
  EXPECT_EQ(told, 1);
}

TEST(WorkerPool, RefusesWhatDoesNotFitItsQueue) {
  absl::Notification begun, go;
  std::atomic<int> ran = 0;
  {
    WorkerPool pool({/*num_threads=*/1, /*max_queued=*/1});
    ASSERT_TRUE(pool.Submit([&] {
                      begun.Notify();
                      go.WaitForNotification();
                      ++ran;
                    })
                    .ok());
    begun.WaitForNotification();
    ASSERT_TRUE(pool.Submit([&] { ++ran; }).ok());
    const absl::Status status = pool.Submit([&] { ++ran; });
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(ErrorReason(status), reason::kOverloaded);
    go.Notify();
  }
  EXPECT_EQ(ran, 2);
}

}  // namespace
}  // namespace tandem
