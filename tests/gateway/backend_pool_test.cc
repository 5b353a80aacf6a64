#include "gateway/backend_pool.h"

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/errors.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_clock.h"

namespace tandem {
namespace {

BackendInfo Ready(const std::string& replica, int load = 0) {
  BackendInfo info;
  info.service.set_replica_id(replica);
  info.service.set_ready(true);
  info.load = load;
  return info;
}

absl::Status Anyone(const BackendInfo&) { return absl::OkStatus(); }

class BackendPoolTest : public testing::Test {
 protected:
  // Channels are told apart by their address; nothing is dialled.
  std::unique_ptr<BackendPool> MakePool(
      std::map<std::string, absl::StatusOr<BackendInfo>> answers,
      Backend kind = Backend::kLlm) {
    std::vector<BackendTarget> targets;
    std::map<grpc::Channel*, absl::StatusOr<BackendInfo>> by_channel;
    for (auto& [name, answer] : answers) {
      auto channel =
          grpc::CreateChannel(name, grpc::InsecureChannelCredentials());
      by_channel.emplace(channel.get(), answer);
      targets.push_back({name, channel});
    }
    auto pool = std::make_unique<BackendPool>(
        BackendPool::Options{
            .kind = kind, .targets = targets, .ask_every = absl::Hours(1)},
        [by_channel](std::shared_ptr<grpc::Channel> channel, absl::Time,
                     std::function<void(absl::StatusOr<BackendInfo>)> done) {
          done(by_channel.at(channel.get()));
        },
        gateway_metrics_, /*grpc_metrics=*/nullptr);
    pool->WaitUntilAsked(absl::InfiniteDuration());
    return pool;
  }

  FakeClock clock_;
  Health health_;
  Metrics metrics_{{.backend = "none", .torch = ""}, health_};
  GatewayMetrics gateway_metrics_{metrics_};
};

TEST_F(BackendPoolTest, LoadIsWhatWasSaidAndOurCallsSince) {
  const auto pool = MakePool({{"a:1", Ready("a", 5)}, {"b:1", Ready("b", 3)}});
  std::vector<BackendPool::Lease> leases;
  std::string picked;
  for (int i = 0; i < 5; ++i) {
    leases.push_back(*pool->Pick("", "", Anyone));
    picked += leases.back().info().service.replica_id();
  }
  EXPECT_EQ(picked, "bbaba");
}

TEST_F(BackendPoolTest, ACallThatEndedNoLongerCounts) {
  const auto pool = MakePool({{"a:1", Ready("a", 0)}, {"b:1", Ready("b", 1)}});
  auto lease = *pool->Pick("", "", Anyone);
  ASSERT_EQ(lease.info().service.replica_id(), "a");
  lease.EndCall();
  lease.EndCall();
  EXPECT_EQ(lease->address(), "a:1");  // the replica stays
  lease.Reset();
  const auto first = *pool->Pick("", "", Anyone);
  EXPECT_EQ(first.info().service.replica_id(), "a");
  const auto second = *pool->Pick("", "", Anyone);  // both have 1
  EXPECT_EQ(second.info().service.replica_id(), "a");
  EXPECT_EQ(pool->Pick("", "", Anyone)->info().service.replica_id(), "b");
}

TEST_F(BackendPoolTest, ALeaseEndsWithItsOwner) {
  const auto pool = MakePool({{"a:1", Ready("a", 0)}, {"b:1", Ready("b", 1)}});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(pool->Pick("", "", Anyone)->info().service.replica_id(), "a");
  }
}

TEST_F(BackendPoolTest, SkipsWhoIsNotReady) {
  BackendInfo loading = Ready("a");
  loading.service.set_ready(false);
  const auto pool = MakePool({{"a:1", loading},
                              {"b:1", absl::UnavailableError("refused")},
                              {"c:1", Ready("c", 100)}});
  EXPECT_EQ(pool->num_ready(), 1);
  EXPECT_EQ(pool->Pick("", "", Anyone)->info().service.replica_id(), "c");
}

TEST_F(BackendPoolTest, NobodyReadyIsUnavailableWithADelay) {
  const auto pool = MakePool({{"a:1", absl::UnavailableError("refused")}});
  const absl::Status status = pool->Pick("", "", Anyone).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), reason::kBackendUnavailable);
  EXPECT_TRUE(RetryDelay(status).has_value());
}

TEST_F(BackendPoolTest, NoTargetIsUnavailableToo) {
  const auto pool = MakePool({});
  EXPECT_EQ(pool->Pick("", "", Anyone).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_FALSE(pool->has_targets());
}

TEST_F(BackendPoolTest, TellsWhyTheFilterRefusedAll) {
  const auto pool = MakePool({{"a:1", Ready("a")}});
  EXPECT_EQ(pool->Pick("", "",
                       [](const BackendInfo&) {
                         return absl::FailedPreconditionError("other weights");
                       })
                .status()
                .message(),
            "other weights");
}

TEST_F(BackendPoolTest, AnUnreachableReplicaIsLeftOut) {
  const auto pool = MakePool({{"a:1", Ready("a")}, {"b:1", Ready("b", 9)}});
  pool->MarkUnreachable(**pool->Pick("", "", Anyone));
  EXPECT_EQ(pool->Pick("", "", Anyone)->info().service.replica_id(), "b");
  EXPECT_EQ(
      gateway_metrics_.backend_replicas[Backend::kLlm][BackendState::kReady]
          .Value(),
      1);
}

TEST_F(BackendPoolTest, AnUnreachableReplicaIsBetterThanNone) {
  const auto pool = MakePool({{"a:1", Ready("a")}});
  pool->MarkUnreachable(**pool->Pick("", "", Anyone));
  pool->MarkUnreachable(**pool->Pick("", "", Anyone));
  EXPECT_EQ(pool->num_ready(), 0);
  EXPECT_EQ(pool->Pick("", "a:1", Anyone)->info().service.replica_id(), "a");
  // One that said itself that it is not ready is not.
  BackendInfo loading = Ready("b");
  loading.service.set_ready(false);
  const auto none = MakePool({{"b:1", loading}});
  EXPECT_FALSE(none->Pick("", "", Anyone).ok());
}

TEST_F(BackendPoolTest, ChecksWithoutPicking) {
  const auto pool = MakePool({{"a:1", Ready("a")}});
  EXPECT_TRUE(pool->Check(Anyone).ok());
  const absl::Status refused = pool->Check([](const BackendInfo&) {
    return absl::FailedPreconditionError("other weights");
  });
  EXPECT_EQ(refused.message(), "other weights");
  EXPECT_EQ(ErrorReason(MakePool({})->Check(Anyone)),
            reason::kBackendUnavailable);
}

TEST_F(BackendPoolTest, WhatTwoTargetsNameIsOneReplica) {
  const BackendTarget target{
      "a:1", grpc::CreateChannel("a:1", grpc::InsecureChannelCredentials())};
  BackendPool pool(
      {.kind = Backend::kLlm, .targets = {target, target}},
      [](auto, absl::Time, auto done) { done(Ready("a")); }, gateway_metrics_,
      /*grpc_metrics=*/nullptr);
  pool.WaitUntilAsked(absl::InfiniteDuration());
  EXPECT_EQ(pool.num_ready(), 1);
  EXPECT_TRUE(pool.Pick("", "a:1", Anyone).ok());
}

TEST_F(BackendPoolTest, ANameThatIsUnknownTakesNothingFromTheOthers) {
  BackendPool pool(
      {.kind = Backend::kLlm,
       .targets = {{"dns:///no-port", nullptr},
                   {"dns:///localhost:1", nullptr},
                   {"127.0.0.1:2", nullptr}},
       .ask_every = absl::Milliseconds(1)},
      [](auto, absl::Time, auto done) { done(Ready("a")); }, gateway_metrics_,
      /*grpc_metrics=*/nullptr);
  pool.WaitUntilAsked(absl::InfiniteDuration());
  EXPECT_GE(pool.num_ready(), 2);
}

TEST_F(BackendPoolTest, ANameThatKeepsTheResolverBusyKeepsNobodyElseWaiting) {
  absl::Notification go;
  std::atomic<int> num_asked = 0;
  BackendPool pool(
      {.kind = Backend::kLlm,
       .targets = {{"dns:///slow:1", nullptr}, {"127.0.0.1:2", nullptr}},
       .ask_every = absl::Milliseconds(1),
       .resolve = [&](const std::string&) -> std::vector<std::string> {
         go.WaitForNotification();
         return {"127.0.0.1:1"};
       }},
      [&](auto, absl::Time, auto done) {
        ++num_asked;
        done(Ready("a"));
      },
      gateway_metrics_, /*grpc_metrics=*/nullptr);
  while (num_asked < 3) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(pool.num_ready(), 1);
  EXPECT_FALSE(pool.WaitUntilAsked(absl::ZeroDuration()));
  go.Notify();
  EXPECT_TRUE(pool.WaitUntilAsked(absl::InfiniteDuration()));
  EXPECT_EQ(pool.num_ready(), 2);
}

TEST_F(BackendPoolTest, WhatANameFindsIsAskedAtOnce) {
  std::atomic<int> num_lookups = 0;
  BackendPool pool(
      {.kind = Backend::kLlm,
       .targets = {{"dns:///name:1", nullptr}},
       .ask_every = absl::Hours(1),
       .resolve = [&](const std::string&) -> std::vector<std::string> {
         if (++num_lookups < 3) return {};
         return {"127.0.0.1:1"};
       },
       .resolve_every = absl::Milliseconds(1)},
      [](auto, absl::Time, auto done) { done(Ready("a")); }, gateway_metrics_,
      /*grpc_metrics=*/nullptr);
  while (pool.num_ready() == 0) absl::SleepFor(absl::Milliseconds(1));
}

// Questions that wait for the test's answer.
class Questions {
 public:
  using Done = std::function<void(absl::StatusOr<BackendInfo>)>;

  BackendPool::Ask Asker() {
    return [this](auto, absl::Time, Done done) {
      {
        absl::MutexLock lock(&mutex_);
        ++num_asked_;
        if (!answers_at_once_) {
          waiting_.push_back(std::move(done));
          return;
        }
      }
      done(Ready("a"));
    };
  }
  void WaitForAsked(int count) {
    absl::MutexLock lock(&mutex_);
    const auto asked = [&] { return num_asked_ >= count; };
    mutex_.Await(absl::Condition(&asked));
  }
  int num_asked() {
    absl::MutexLock lock(&mutex_);
    return num_asked_;
  }
  // Answers those that wait, and from now on all others at once.
  void AnswerAll() {
    std::vector<Done> waiting;
    {
      absl::MutexLock lock(&mutex_);
      answers_at_once_ = true;
      waiting.swap(waiting_);
    }
    for (const Done& done : waiting) done(Ready("a"));
  }
  // The one that has waited longest.
  void AnswerOne(const absl::StatusOr<BackendInfo>& info) {
    Done done;
    {
      absl::MutexLock lock(&mutex_);
      done = std::move(waiting_.front());
      waiting_.erase(waiting_.begin());
    }
    done(info);
  }

 private:
  absl::Mutex mutex_;
  std::vector<Done> waiting_ ABSL_GUARDED_BY(mutex_);
  int num_asked_ ABSL_GUARDED_BY(mutex_) = 0;
  bool answers_at_once_ ABSL_GUARDED_BY(mutex_) = false;
};

TEST_F(BackendPoolTest, NobodyIsAskedTwiceAtATime) {
  Questions questions;
  const BackendPool pool({.kind = Backend::kLlm,
                          .targets = {{"a:1", nullptr}, {"b:1", nullptr}},
                          .ask_every = absl::Milliseconds(1)},
                         questions.Asker(), gateway_metrics_,
                         /*grpc_metrics=*/nullptr);
  questions.WaitForAsked(2);
  absl::SleepFor(absl::Milliseconds(30));  // many times `ask_every`
  EXPECT_EQ(questions.num_asked(), 2);
  questions.AnswerAll();
  questions.WaitForAsked(4);  // again, now that they have answered
}

TEST_F(BackendPoolTest, EndsAfterItsLastQuestion) {
  Questions questions;
  auto pool = std::make_unique<BackendPool>(
      BackendPool::Options{.kind = Backend::kLlm,
                           .targets = {{"a:1", nullptr}, {"b:1", nullptr}},
                           .ask_every = absl::Hours(1)},
      questions.Asker(), gateway_metrics_, /*grpc_metrics=*/nullptr);
  questions.WaitForAsked(2);
  std::atomic<bool> is_gone = false;
  std::thread ending([&] {
    pool = nullptr;
    is_gone = true;
  });
  questions.AnswerOne(Ready("a"));
  EXPECT_FALSE(is_gone);
  questions.AnswerOne(absl::UnavailableError("refused"));
  ending.join();
}

TEST_F(BackendPoolTest, AvoidsAReplicaWhereThereIsAnother) {
  const auto two = MakePool({{"a:1", Ready("a")}, {"b:1", Ready("b", 9)}});
  EXPECT_EQ(two->Pick("", "a:1", Anyone)->info().service.replica_id(), "b");
  const auto one = MakePool({{"a:1", Ready("a")}});
  EXPECT_EQ(one->Pick("", "a:1", Anyone)->info().service.replica_id(), "a");
}

// Replicas whose addresses differ as those of one machine do.
std::map<std::string, absl::StatusOr<BackendInfo>> Neighbours(int count) {
  std::map<std::string, absl::StatusOr<BackendInfo>> replicas;
  for (int i = 0; i < count; ++i) {
    const std::string address = absl::StrCat("127.0.0.1:", 50061 + i);
    replicas.emplace(address, Ready(address));
  }
  return replicas;
}

TEST_F(BackendPoolTest, APictureMeetsTheSameTwoReplicas) {
  const auto pool = MakePool(Neighbours(6), Backend::kVision);
  for (int key = 0; key < 50; ++key) {
    std::map<std::string, int> met;
    std::vector<BackendPool::Lease> leases;
    for (int i = 0; i < 6; ++i) {
      leases.push_back(*pool->Pick(std::to_string(key), "", Anyone));
      ++met[leases.back()->address()];
    }
    ASSERT_EQ(met.size(), 2u);
    for (const auto& [replica, calls] : met) EXPECT_EQ(calls, 3);
  }
}

TEST_F(BackendPoolTest, KeysSpreadEvenlyOverNeighbours) {
  const auto pool = MakePool(Neighbours(8));
  std::map<std::string, int> met;
  for (int key = 0; key < 8000; ++key) {
    ++met[(*pool->Pick(absl::StrCat("conversation-", key), "", Anyone))
              ->address()];
  }
  EXPECT_EQ(met.size(), 8u);
  for (const auto& [replica, keys] : met) {
    EXPECT_GT(keys, 800) << replica;
    EXPECT_LT(keys, 1200) << replica;
  }
}

TEST_F(BackendPoolTest, AConversationStaysUntilItsReplicaIsOverloaded) {
  const auto pool = MakePool(Neighbours(4));
  const std::string home = (*pool->Pick("key", "", Anyone))->address();
  std::vector<BackendPool::Lease> leases;
  // Alone it has all of the load: at n calls the bound is 1.25 n / 4 + 1.
  for (int i = 0; i < 2; ++i) {
    leases.push_back(*pool->Pick("key", "", Anyone));
    EXPECT_EQ(leases.back()->address(), home);
  }
  leases.push_back(*pool->Pick("key", "", Anyone));
  EXPECT_NE(leases.back()->address(), home);
  // A busy fleet takes more.
  for (int i = 0; i < 40; ++i) leases.push_back(*pool->Pick("", "", Anyone));
  EXPECT_EQ((*pool->Pick("key", "", Anyone))->address(), home);
}

}  // namespace
}  // namespace tandem
