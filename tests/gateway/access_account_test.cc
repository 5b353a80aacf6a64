#include "gateway/access_account.h"

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_clock.h"

namespace tandem {
namespace {

class AccessAccountTest : public testing::Test {
 protected:
  std::shared_ptr<AccessAccount> Make(const ApiKey& key) {
    return std::make_shared<AccessAccount>(key, clock_);
  }
  // Whether a request comes in; it ends at once.
  static bool Enters(AccessAccount& account) { return account.Enter().ok(); }
  // The delay that a refused request is told.
  static absl::Duration Delay(AccessAccount& account) {
    const absl::Status status = account.Enter().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(ErrorReason(status), reason::kQuotaExceeded);
    return RetryDelay(status).value_or(absl::ZeroDuration());
  }

  FakeClock clock_;
};

TEST_F(AccessAccountTest, AMinutesRequestsMayComeAtOnceThenAsTheyDripIn) {
  const auto account = Make({.id = "a", .requests_per_minute = 60});
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(Enters(*account)) << i;
  EXPECT_EQ(Delay(*account), absl::Seconds(1));
  clock_.Advance(absl::Milliseconds(400));
  EXPECT_EQ(Delay(*account), absl::Milliseconds(600));
  clock_.Advance(absl::Milliseconds(600));
  EXPECT_TRUE(Enters(*account));
  EXPECT_FALSE(Enters(*account));
}

TEST_F(AccessAccountTest, WhoComesBackWhenToldIsLetIn) {
  for (const int per_minute : {1, 7, 59, 60, 61, 977, 1'000'000}) {
    const auto account = Make({.id = "a", .requests_per_minute = per_minute});
    while (Enters(*account)) {
    }
    for (int i = 0; i < 5; ++i) {
      const absl::Duration delay = Delay(*account);
      EXPECT_GT(delay, absl::ZeroDuration());
      EXPECT_LE(delay, absl::Minutes(1));
      clock_.Advance(delay);
      EXPECT_TRUE(Enters(*account)) << per_minute;
      while (Enters(*account)) {  // where a millisecond holds several
      }
    }
  }
}

TEST_F(AccessAccountTest, APauseSavesUpNoMoreThanAMinute) {
  const auto account = Make({.id = "a", .requests_per_minute = 3});
  clock_.Advance(absl::Hours(5));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Enters(*account)) << i;
  EXPECT_EQ(Delay(*account), absl::Seconds(20));
}

TEST_F(AccessAccountTest, RefusedRequestsUseNothing) {
  const auto account = Make({.id = "a", .requests_per_minute = 1});
  EXPECT_TRUE(Enters(*account));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Delay(*account), absl::Minutes(1));
  clock_.Advance(absl::Minutes(1));
  EXPECT_TRUE(Enters(*account));
}

TEST_F(AccessAccountTest, APassHoldsItsPlaceUntilItsLastReferenceGoes) {
  const auto account = Make({.id = "a", .concurrent = 2});
  auto first = account->Enter();
  const auto second = account->Enter();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(account->running(), 2);
  EXPECT_EQ(Delay(*account), absl::Seconds(1));
  std::shared_ptr<AccessPass> shared = *first;
  *first = nullptr;
  EXPECT_FALSE(Enters(*account));
  shared = nullptr;
  EXPECT_EQ(account->running(), 1);
  EXPECT_TRUE(Enters(*account));
}

TEST_F(AccessAccountTest, LookingTakesNeitherPlaceNorRequest) {
  const auto account =
      Make({.id = "a", .requests_per_minute = 1, .concurrent = 1});
  const auto looks = account->Identify();
  EXPECT_EQ(looks->key_id(), "a");
  EXPECT_EQ(account->running(), 0);
  EXPECT_TRUE(Enters(*account));
  EXPECT_NE(account->Identify(), nullptr);
}

TEST_F(AccessAccountTest, TokensMayFallIntoDebtThatTimePays) {
  const auto account = Make({.id = "a", .tokens_per_minute = 600});
  auto pass = account->Enter();
  ASSERT_TRUE(pass.ok());
  (*pass)->Charge(599);
  EXPECT_TRUE(Enters(*account));  // one is left
  (*pass)->Charge(1001);          // 1600 of 600: 1000 below nothing
  // Until there is one again: 1001 at ten a second.
  EXPECT_EQ(Delay(*account), absl::Milliseconds(100'100));
  clock_.Advance(absl::Milliseconds(100'099));
  EXPECT_EQ(Delay(*account), absl::Milliseconds(1));
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_TRUE(Enters(*account));
}

TEST_F(AccessAccountTest, WithoutABudgetTokensDoNotCount) {
  const auto account = Make({.id = "a"});
  (*account->Enter())->Charge(int64_t{1} << 40);
  EXPECT_TRUE(Enters(*account));
}

TEST_F(AccessAccountTest, ARefusalSaysWhoWhatAndHowLong) {
  const auto account = Make({.id = "team-a", .requests_per_minute = 2});
  while (Enters(*account)) {
  }
  const absl::Status status = account->Enter().status();
  EXPECT_EQ(status.message(),
            "key \"team-a\" has used its requests per minute (2); try again in "
            "30s");
  const ErrorMetadata metadata = ErrorMetadataOf(status);
  EXPECT_EQ(metadata.at("key"), "team-a");
  EXPECT_EQ(metadata.at("limit"), "requests per minute");
  EXPECT_EQ(metadata.at("value"), "2");
  EXPECT_EQ(metadata.at("delay"), "30s");
  google::rpc::QuotaFailure failure;
  ASSERT_TRUE(failure.ParseFromString(std::string(
      *status.GetPayload("type.googleapis.com/google.rpc.QuotaFailure"))));
  ASSERT_EQ(failure.violations_size(), 1);
  EXPECT_EQ(failure.violations(0).subject(), "key:team-a");
  EXPECT_EQ(failure.violations(0).description(), status.message());
}

TEST_F(AccessAccountTest, ANewEntryChangesTheBoundsAndForgivesNothing) {
  const auto account = Make({.id = "a", .requests_per_minute = 2});
  while (Enters(*account)) {
  }
  account->SetKey({.id = "a", .requests_per_minute = 60});
  EXPECT_EQ(Delay(*account), absl::Seconds(1));
  clock_.Advance(absl::Seconds(2));
  EXPECT_TRUE(Enters(*account));
  EXPECT_TRUE(Enters(*account));
  EXPECT_FALSE(Enters(*account));
}

TEST_F(AccessAccountTest, APassIsForTheModelsOfItsEntry) {
  const auto account = Make({.id = "a", .models = {"demo"}});
  const auto pass = account->Identify();
  EXPECT_TRUE(pass->CheckModel("demo").ok());
  const absl::Status status = pass->CheckModel("vlm");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrorReason(status), reason::kAccessDenied);
  EXPECT_EQ(status.message(), "key \"a\" is not for model \"vlm\"");
  EXPECT_EQ(ErrorMetadataOf(status).at("model"), "vlm");
  account->SetKey({.id = "a"});
  EXPECT_TRUE(account->Identify()->CheckModel("vlm").ok());
}

TEST_F(AccessAccountTest, APassMayOutliveTheAccount) {
  auto account = Make({.id = "a", .tokens_per_minute = 1});
  const auto pass = account->Enter();
  account = nullptr;
  (*pass)->Charge(5);
  EXPECT_EQ((*pass)->key_id(), "a");
}

}  // namespace
}  // namespace tandem
