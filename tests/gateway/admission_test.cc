#include "gateway/admission.h"

#include <memory>
#include <vector>

#include "common/errors.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_clock.h"

namespace tandem {
namespace {

class AdmissionTest : public testing::Test {
 protected:
  // Enters and counts admissions.
  absl::StatusOr<std::unique_ptr<Admission::Ticket>> Enter(
      int64_t image_bytes = 0) {
    return admission_.Enter(image_bytes, [this] { ++num_admitted_; });
  }

  FakeClock clock_;
  Health health_;
  Metrics metrics_{{.backend = "none", .torch = ""}, health_};
  GatewayMetrics gateway_metrics_{metrics_};
  Admission admission_{
      {.max_in_flight = 2, .max_queued = 1, .max_image_bytes = 100},
      gateway_metrics_};
  int num_admitted_ = 0;
};

TEST_F(AdmissionTest, AdmitsQueuesThenRefuses) {
  const auto first = Enter();
  const auto second = Enter();
  EXPECT_EQ(num_admitted_, 2);
  const auto third = Enter();
  ASSERT_TRUE(third.ok());
  EXPECT_EQ(num_admitted_, 2);
  EXPECT_EQ(admission_.queued(), 1);
  const auto fourth = Enter();
  EXPECT_EQ(fourth.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(fourth.status()), reason::kOverloaded);
  EXPECT_TRUE(RetryDelay(fourth.status()).has_value());
  EXPECT_EQ(
      gateway_metrics_.admission_rejections[Rejection::kQueueFull].Value(), 1);
}

TEST_F(AdmissionTest, AFreedPlaceAdmitsTheOldestInLine) {
  auto first = Enter();
  const auto second = Enter();
  const auto third = Enter();
  first->reset();
  EXPECT_EQ(num_admitted_, 3);
  EXPECT_EQ(admission_.in_flight(), 2);
  EXPECT_EQ(admission_.queued(), 0);
}

TEST_F(AdmissionTest, APlaceThatIsGivenBackIsTakenWhenItsTicketGoes) {
  auto first = Enter();
  const auto second = Enter();
  const auto third = Enter();
  (*first)->GiveBack();
  (*first)->GiveBack();
  EXPECT_EQ(admission_.in_flight(), 2);  // the third has it
  EXPECT_EQ(admission_.queued(), 0);
  EXPECT_EQ(num_admitted_, 2);
  first->reset();
  EXPECT_EQ(num_admitted_, 3);
  EXPECT_EQ(admission_.in_flight(), 2);
}

TEST_F(AdmissionTest, WhoLeavesTheLineIsNotAdmitted) {
  auto first = Enter();
  auto second = Enter();
  auto third = Enter();
  third->reset();
  EXPECT_EQ(admission_.queued(), 0);
  first->reset();
  second->reset();
  EXPECT_EQ(num_admitted_, 2);
  EXPECT_EQ(admission_.in_flight(), 0);
}

// Each leaves as it is admitted: a loop, however many they are.
TEST_F(AdmissionTest, ALongLineOfFailuresNeedsNoStack) {
  constexpr int kWaiting = 100'000;
  Admission admission({.max_in_flight = 1, .max_queued = kWaiting},
                      gateway_metrics_);
  auto first = admission.Enter(0, [] {});
  std::vector<std::unique_ptr<Admission::Ticket>> waiting(kWaiting);
  for (std::unique_ptr<Admission::Ticket>& ticket : waiting) {
    ticket = *admission.Enter(0, [&] {
      ++num_admitted_;
      ticket = nullptr;
    });
  }
  first->reset();
  EXPECT_EQ(num_admitted_, kWaiting);
  EXPECT_EQ(admission.in_flight(), 0);
  EXPECT_EQ(admission.queued(), 0);
}

TEST_F(AdmissionTest, BoundsImageBytesUntilTheyAreReleased) {
  auto first = Enter(60);
  EXPECT_EQ(Enter(60).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(gateway_metrics_.admission_rejections[Rejection::kMemory].Value(),
            1);
  (*first)->ReleaseImages();
  EXPECT_EQ(admission_.image_bytes(), 0);
  auto second = Enter(60);
  ASSERT_TRUE(second.ok());
  first->reset();
  second->reset();
  EXPECT_EQ(admission_.image_bytes(), 0);
}

}  // namespace
}  // namespace tandem
