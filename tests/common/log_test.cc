#include "common/log.h"

#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using testing::EndsWith;
using testing::MatchesRegex;

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { ConfigureLog({}); }
  void Configure(LogFormat format, LogLevel level = LogLevel::kInfo) {
    ConfigureLog({.level = level, .format = format, .stream = &stream_});
  }
  std::ostringstream stream_;
};

TEST_F(LogTest, WritesOneLineOfText) {
  Configure(LogFormat::kText);
  LogInfo("image stored", {{kLogRequestId, "r-1"},
                           {"tiles", 13},
                           {"seconds", absl::Milliseconds(1500)}});
  EXPECT_THAT(
      stream_.str(),
      MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+[.][0-9]+Z INFO  "
                   "image stored request_id=r-1 tiles=13 seconds=1.5\n"));
}

TEST_F(LogTest, ValuesCanNeitherBreakTheLineNorForgeAField) {
  Configure(LogFormat::kText);
  LogWarning("odd",
             {{"path", "a b\nlevel=ERROR"}, {"empty", ""}, {"ok", true}});
  EXPECT_THAT(
      stream_.str(),
      EndsWith("WARN  odd path=\"a b\\nlevel=ERROR\" empty=\"\" ok=true\n"));
}

TEST_F(LogTest, WritesOneJsonObject) {
  Configure(LogFormat::kJson);
  const std::string text = "said \"hi\"\n\xFF";
  LogError("failed", {{"text", text},
                      {"count", uint64_t{7}},
                      {"ratio", 0.5},
                      {"late", false},
                      {"status", absl::NotFoundError("gone")}});
  const auto line = nlohmann::json::parse(stream_.str());
  EXPECT_EQ(line["level"], "error");
  EXPECT_EQ(line["message"], "failed");
  EXPECT_EQ(line["text"], "said \"hi\"\n\xEF\xBF\xBD");
  EXPECT_EQ(line["count"], 7);
  EXPECT_EQ(line["ratio"], 0.5);
  EXPECT_EQ(line["late"], false);
  EXPECT_EQ(line["status"], "NOT_FOUND: gone");
  EXPECT_EQ(stream_.str().find('\n'), stream_.str().size() - 1);
}

TEST_F(LogTest, KeepsQuietBelowTheLevel) {
  Configure(LogFormat::kText, LogLevel::kWarning);
  LogDebug("a");
  LogInfo("b");
  EXPECT_EQ(stream_.str(), "");
  LogWarning("c");
  EXPECT_THAT(stream_.str(), EndsWith("WARN  c\n"));
}

TEST_F(LogTest, LinesOfThreadsDoNotMix) {
  Configure(LogFormat::kJson);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 100; ++i) LogInfo("tick", {{"i", i}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::istringstream lines(stream_.str());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_EQ(nlohmann::json::parse(line)["message"], "tick");
  }
  EXPECT_EQ(count, 400);
}

}  // namespace
}  // namespace tandem
