#include "gateway/access.h"

#include <unistd.h>

#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/health.h"
#include "common/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/test_files.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/log_capture.h"

namespace tandem {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Entry(const std::string& id, const std::string& key,
                  const std::string& more = "") {
  return absl::StrCat(R"({"id": ")", id, R"(", "sha256": ")", Sha256Hex(key),
                      "\"", more.empty() ? "" : ", ", more, "}");
}
std::string File(const std::string& entries) {
  return absl::StrCat(R"({"keys": [)", entries, "]}");
}

class AccessTest : public testing::Test {
 protected:
  void Write(const std::string& text) { folder_.Write("keys.json", text); }
  void Start(const std::string& text) {
    Write(text);
    Start();
  }
  void Start() {
    // Looks only when a test does.
    access_ = std::make_unique<AccessControl>(
        AccessOptions{.keys_file = path_,
                      .look_every = absl::InfiniteDuration()},
        clock_, metrics_);
  }
  absl::Status Enter(const std::string& key) {
    return access_->Enter("Bearer " + key, "").status();
  }
  std::string ReasonOf(const absl::Status& status) {
    return ErrorReason(status);
  }

  const TempDirectory folder_;
  const std::string path_ = folder_.path() + "/keys.json";
  FakeClock clock_;
  Health health_;
  Metrics all_metrics_{{.backend = "none", .torch = ""}, health_};
  GatewayMetrics metrics_{all_metrics_};
  LogCapture log_;
  std::unique_ptr<AccessControl> access_;
};

TEST_F(AccessTest, WithoutAFileEverybodyIsServed) {
  AccessControl access({}, clock_, metrics_);
  EXPECT_EQ(access.Enter("", "").value(), nullptr);
  EXPECT_EQ(access.Enter("Bearer x", "y").value(), nullptr);
  EXPECT_EQ(access.Identify("", "").value(), nullptr);
  EXPECT_EQ(log_.text(), "");
}

TEST_F(AccessTest, AKeyComesInEitherHeader) {
  Start(File(Entry("a", "k-1")));
  for (const auto& [authorization, x_api_key] :
       std::vector<std::pair<std::string, std::string>>{
           {"Bearer k-1", ""},
           {"bearer  k-1 ", ""},
           {"", "k-1"},
           {"Bearer k-1", "other"},
           {"Basic eDp5", "k-1"}}) {
    const auto pass = access_->Enter(authorization, x_api_key);
    ASSERT_TRUE(pass.ok()) << authorization << pass.status();
    EXPECT_EQ((*pass)->key_id(), "a");
  }
}

TEST_F(AccessTest, NoKeyIsNotAWrongKey) {
  Start(File(Entry("a", "k-1")));
  const absl::Status missing = access_->Enter("", "").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ReasonOf(missing), reason::kCredentialsMissing);
  EXPECT_THAT(missing.ToString(), HasSubstr("authorization: Bearer KEY"));
  for (const auto& [authorization, x_api_key] :
       std::vector<std::pair<std::string, std::string>>{
           {"Bearer k-2", ""},
           {"", "k-2"},
           {"Bearer ", ""},
           {"k-1", ""},
           {"Basic k-1", ""},
           {"Bearer k-2", "k-1"},
           {absl::StrCat("Bearer ", Sha256Hex("k-1")), ""}}) {
    for (const absl::Status& status :
         {access_->Enter(authorization, x_api_key).status(),
          access_->Identify(authorization, x_api_key).status()}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
      EXPECT_EQ(ReasonOf(status), reason::kCredentialsInvalid);
      EXPECT_THAT(status.ToString(), Not(HasSubstr("k-1")));
      EXPECT_THAT(status.ToString(), Not(HasSubstr("k-2")));
    }
  }
}

TEST_F(AccessTest, AKeyExpiresByTheCalendar) {
  Start(File(Entry("a", "k-1", R"("expires": "2023-11-14T22:14:20Z")")));
  EXPECT_TRUE(Enter("k-1").ok());  // 1,700,000,060 s; now is 1,700,000,000
  clock_.Advance(absl::Seconds(60));
  EXPECT_EQ(ReasonOf(Enter("k-1")), reason::kCredentialsInvalid);
  EXPECT_THAT(Enter("k-1").ToString(), HasSubstr("expired"));
}

TEST_F(AccessTest, EachIdHasItsOwnBudgetAndRejectionsAreCounted) {
  Start(File(Entry("a", "k-1", R"("requests_per_minute": 1)") + "," +
             Entry("b", "k-2")));
  const auto rejected = [&] {
    return metrics_.admission_rejections[Rejection::kQuota].Value();
  };
  EXPECT_TRUE(Enter("k-1").ok());
  EXPECT_EQ(ReasonOf(Enter("k-1")), reason::kQuotaExceeded);
  EXPECT_EQ(rejected(), 1);
  EXPECT_TRUE(access_->Identify("Bearer k-1", "").ok());
  EXPECT_TRUE(Enter("k-2").ok());
  EXPECT_EQ(ReasonOf(Enter("k-3")), reason::kCredentialsInvalid);
  EXPECT_EQ(rejected(), 1);
}

TEST_F(AccessTest, KeysAreReplacedWhileItRuns) {
  Start(File(Entry("a", "k-1")));
  Write(File(Entry("a", "k-2")));
  EXPECT_TRUE(Enter("k-1").ok());  // nobody has looked yet
  access_->Look();
  EXPECT_EQ(ReasonOf(Enter("k-1")), reason::kCredentialsInvalid);
  EXPECT_TRUE(Enter("k-2").ok());
  EXPECT_EQ(log_.Count("api keys read"), 2);
}

TEST_F(AccessTest, BudgetsGoOnWhereAFileChanges) {
  const std::string one = R"("requests_per_minute": 1, "concurrent": 1)";
  Start(File(Entry("a", "k-1", one)));
  auto pass = access_->Enter("Bearer k-1", "");
  ASSERT_TRUE(pass.ok());
  Write(File(Entry("a", "k-2", one) + "," + Entry("b", "k-3")));
  access_->Look();
  EXPECT_EQ(ErrorMetadataOf(Enter("k-2"))["limit"], "concurrent requests");
  *pass = nullptr;
  EXPECT_EQ(ErrorMetadataOf(Enter("k-2"))["limit"], "requests per minute");
  clock_.Advance(absl::Minutes(1));
  EXPECT_TRUE(Enter("k-2").ok());
}

TEST_F(AccessTest, APassOutlivesItsKeyAndTheControl) {
  Start(File(Entry("a", "k-1", R"("tokens_per_minute": 1)")));
  const auto pass = access_->Enter("Bearer k-1", "");
  Write(File(""));
  access_->Look();
  EXPECT_EQ(ReasonOf(Enter("k-1")), reason::kCredentialsInvalid);
  access_ = nullptr;
  (*pass)->Charge(3);
  EXPECT_EQ((*pass)->key_id(), "a");
}

TEST_F(AccessTest, AnUnchangedFileIsNotParsedAgain) {
  Start(File(Entry("a", "k-1")));
  for (int i = 0; i < 3; ++i) access_->Look();
  EXPECT_EQ(log_.Count("api keys read"), 1);
}

TEST_F(AccessTest, ABrokenNewFileKeepsTheKeysAndIsReportedOnce) {
  Start(File(Entry("a", "k-1")));
  Write("{\"keys\": [k-9");
  for (int i = 0; i < 3; ++i) access_->Look();
  EXPECT_TRUE(Enter("k-1").ok());
  EXPECT_EQ(log_.Count(" ERROR "), 1);
  EXPECT_THAT(log_.text(), HasSubstr("keys.json: line 1"));
  EXPECT_THAT(log_.text(), Not(HasSubstr("k-9")));
  ASSERT_EQ(unlink(path_.c_str()), 0);
  for (int i = 0; i < 3; ++i) access_->Look();
  EXPECT_TRUE(Enter("k-1").ok());
  EXPECT_EQ(log_.Count(" ERROR "), 2);  // another problem
  Write(File(Entry("a", "k-2")));
  access_->Look();
  EXPECT_TRUE(Enter("k-2").ok());
  ASSERT_EQ(unlink(path_.c_str()), 0);
  access_->Look();
  EXPECT_EQ(log_.Count(" ERROR "), 3);  // again, after it was mended
}

TEST_F(AccessTest, AFileThatIsBrokenFromTheStartLetsNobodyInUntilItIsMended) {
  Start("nonsense");
  EXPECT_EQ(ReasonOf(access_->Enter("", "").status()),
            reason::kCredentialsMissing);
  EXPECT_EQ(ReasonOf(Enter("k-1")), reason::kCredentialsInvalid);
  Write(File(Entry("a", "k-1")));
  access_->Look();
  EXPECT_TRUE(Enter("k-1").ok());
}

// keys.json -> ..data/keys.json, ..data -> a folder: a mounted Secret.
TEST_F(AccessTest, AMountedSecretIsSeenToChange) {
  namespace fs = std::filesystem;
  const fs::path root = folder_.path();
  for (const char* version : {"1", "2"}) {
    fs::create_directory(root / version);
    folder_.Write(absl::StrCat(version, "/keys.json"),
                  File(Entry("a", absl::StrCat("k-", version))));
    // The same size and times.
    fs::last_write_time(root / version / "keys.json", fs::file_time_type());
  }
  fs::create_directory_symlink("1", root / "..data");
  fs::create_symlink("..data/keys.json", root / "keys.json");
  Start();
  EXPECT_TRUE(Enter("k-1").ok());
  fs::create_directory_symlink("2", root / "..next");
  fs::rename(root / "..next", root / "..data");
  access_->Look();
  EXPECT_TRUE(Enter("k-2").ok());
  EXPECT_FALSE(Enter("k-1").ok());
}

TEST_F(AccessTest, ItsOwnThreadLooks) {
  Write(File(Entry("a", "k-1")));
  AccessControl access(
      {.keys_file = path_, .look_every = absl::Milliseconds(1)}, clock_,
      metrics_);
  folder_.Write("next.json", File(Entry("a", "k-2")));
  std::filesystem::rename(folder_.path() + "/next.json", path_);
  while (!access.Identify("Bearer k-2", "").ok()) {
    absl::SleepFor(absl::Milliseconds(1));
  }
}

TEST_F(AccessTest, ManyMayEnterWhileKeysAreReplaced) {
  Start(File(Entry("a", "k-1", R"("requests_per_minute": 1000000)")));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 200; ++j) {
        const auto pass = access_->Enter("Bearer k-1", "");
        ASSERT_TRUE(pass.ok()) << pass.status();
        (*pass)->Charge(1);
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    folder_.Write("next.json",
                  File(Entry("a", "k-1", R"("requests_per_minute": 1000000)") +
                       "," + Entry("b", absl::StrCat(i))));
    std::filesystem::rename(folder_.path() + "/next.json", path_);
    access_->Look();
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(AccessTest, NothingThatIsLoggedHoldsAKey) {
  Start(File(Entry("a", "k-secret", R"("requests_per_minute": 1)")));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Enter("k-secret").ok(), i == 0);
  EXPECT_FALSE(Enter("k-secret-wrong").ok());
  access_->Look();
  EXPECT_THAT(log_.text(), Not(HasSubstr("k-secret")));
  EXPECT_THAT(log_.text(), Not(HasSubstr(Sha256Hex("k-secret"))));
}

TEST_F(AccessTest, ServingEverybodyIsSaidAtTheStartAndAgain) {
  AccessControl access(
      {.insecure_no_auth = true, .warn_every = absl::Milliseconds(1)}, clock_,
      metrics_);
  EXPECT_GE(log_.Count(" WARN "), 1) << log_.text();
  EXPECT_THAT(log_.text(), HasSubstr("--insecure-no-auth"));
  while (log_.Count(" WARN ") < 3) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(access.Enter("", "").value(), nullptr);
}

TEST_F(AccessTest, TheWarningComesEveryMinuteAndTheFileIsLookedAtEverySecond) {
  EXPECT_EQ(AccessOptions().warn_every, absl::Minutes(1));
  EXPECT_EQ(AccessOptions().look_every, absl::Seconds(1));
}

TEST_F(AccessTest, OnlyLoopbackIsServedWithoutKeysUnlessSaidSo) {
  for (const char* host : {"127.0.0.1", "127.8.9.1", "::1", "localhost"}) {
    EXPECT_TRUE(CheckAccess({}, {{host, 1}}).ok()) << host;
  }
  for (const char* host :
       {"0.0.0.0", "::", "10.0.0.1", "fe80::1", "my-host", "128.0.0.1"}) {
    const absl::Status status = CheckAccess({}, {{"::1", 1}, {host, 50051}});
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    for (const char* word : {"--api-keys", "--insecure-no-auth"}) {
      EXPECT_THAT(status.ToString(), HasSubstr(word));
    }
    EXPECT_THAT(status.ToString(), HasSubstr(HostPort{host, 50051}.ToString()));
    EXPECT_TRUE(CheckAccess({.insecure_no_auth = true}, {{host, 1}}).ok());
    Write(File(""));
    EXPECT_TRUE(CheckAccess({.keys_file = path_}, {{host, 1}}).ok());
  }
}

TEST_F(AccessTest, AKeysFileMustBeRightAtTheStart) {
  const AccessOptions options{.keys_file = path_};
  EXPECT_THAT(CheckAccess(options, {}).ToString(),
              testing::AllOf(HasSubstr("NOT_FOUND"), HasSubstr(path_)));
  Write(File(R"({"id": "a"})"));
  EXPECT_THAT(CheckAccess(options, {}).ToString(),
              HasSubstr(path_ + ": keys[0].sha256 is missing"));
}

}  // namespace
}  // namespace tandem
