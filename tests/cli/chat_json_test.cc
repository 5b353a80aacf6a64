#include "cli/chat_json.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

std::vector<std::string> Keys(const nlohmann::ordered_json& json) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  return keys;
}

TEST(AnswerAsJsonTest, HasTheFieldsThatWerePromised) {
  ChatAnswer answer;
  answer.text = "a \"quoted\"\nline";
  answer.token_ids = {1, 2, 3};
  answer.finish_reason = v1::FINISH_REASON_STOP;
  answer.usage.set_prompt_tokens(10);
  answer.timings.set_total(2.5);
  const std::string text = AnswerAsJson(answer);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto json = nlohmann::ordered_json::parse(text);
  EXPECT_THAT(Keys(json),
              testing::ElementsAre("text", "token_ids", "finish_reason",
                                   "usage", "timings_ms"));
  EXPECT_EQ(json["text"], answer.text);
  EXPECT_EQ(json["token_ids"], (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(json["finish_reason"], "stop");
  EXPECT_EQ(json["usage"]["prompt_tokens"], 10);
  EXPECT_EQ(json["timings_ms"]["total"], 2.5);
}

// The names are those of the messages, so a field that is added there is missed
// here.
TEST(AnswerAsJsonTest, HasEveryFieldOfUsageAndTimings) {
  const auto json = nlohmann::ordered_json::parse(AnswerAsJson({}));
  for (const auto* descriptor :
       {v1::Usage::descriptor(), v1::Timings::descriptor()}) {
    const auto& part = descriptor == v1::Usage::descriptor()
                           ? json["usage"]
                           : json["timings_ms"];
    std::vector<std::string> names;
    for (int i = 0; i < descriptor->field_count(); ++i) {
      names.push_back(descriptor->field(i)->name());
    }
    EXPECT_EQ(Keys(part), names);
  }
}

TEST(AnswerAsJsonTest, SaysLength) {
  ChatAnswer answer;
  answer.finish_reason = v1::FINISH_REASON_LENGTH;
  EXPECT_EQ(nlohmann::json::parse(AnswerAsJson(answer))["finish_reason"],
            "length");
}

}  // namespace
}  // namespace tandem
