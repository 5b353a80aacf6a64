// Bodies that nobody meant: broken in any place, and larger than allowed.
#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/gateway/openai_bodies.h"

namespace tandem {
namespace {

const std::vector<std::string>& Seeds() {
  static const auto& seeds = *new std::vector<std::string>{
      R"({"model":"m","stream":true,"stream_options":{"include_usage":true},)"
      R"("messages":[{"role":"system","content":"a\u00e9\n"},{"role":"user",)"
      R"("content":[{"type":"text","text":"\ud83d\ude00"},{"type":)"
      R"("image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGg==",)"
      R"("detail":"low","max_tiles":3}}]}],"temperature":0.5,"seed":-1,)"
      R"("logit_bias":{"1":-1.5e1},"stop":["a","b"],"logprobs":true,)"
      R"("top_logprobs":2,"max_tokens":16,"tools":[],"x":{"y":[1,null]}})",
      R"({"model":"m","prompt":["once upon"],"max_tokens":5,"logprobs":1,)"
      R"("echo":false,"stop":null,"min_p":0.1,"user":"u"})",
      R"({"prompt":"text","model":"m","add_special_tokens":false})"};
  return seeds;
}

const std::vector<std::string>& Scraps() {
  static const auto& scraps =
      *new std::vector<std::string>{"{",
                                    "}",
                                    "[",
                                    "]",
                                    "\"",
                                    "\\",
                                    ",",
                                    ":",
                                    "null",
                                    "true",
                                    "-",
                                    "1e999",
                                    "\\ud800",
                                    "\\u0000",
                                    "\xFF",
                                    "\xED\xA0\x80",
                                    "\xC3",
                                    "NaN",
                                    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
                                    "\"messages\":",
                                    "\"stream\":",
                                    "99999999999999999999",
                                    "0.0",
                                    std::string(1, '\0'),
                                    "\n",
                                    "=",
                                    "/"};
  return scraps;
}

size_t Below(size_t bound, std::mt19937_64& random) { return random() % bound; }

// One to eight small accidents.
std::string Mutated(std::string body, std::mt19937_64& random) {
  for (size_t left = 1 + Below(8, random); left > 0 && !body.empty(); --left) {
    const size_t at = Below(body.size(), random);
    const size_t size = 1 + Below(12, random);
    switch (Below(6, random)) {
      case 0:
        body[at] = static_cast<char>(random());
        break;
      case 1:
        body.erase(at, size);
        break;
      case 2:
        body.insert(at, Scraps()[Below(Scraps().size(), random)]);
        break;
      case 3:
        body.insert(at, body.substr(Below(body.size(), random), size));
        break;
      case 4:
        body.replace(at, std::min(size, body.size() - at),
                     Scraps()[Below(Scraps().size(), random)]);
        break;
      case 5:
        if (Below(8, random) == 0) body.resize(at);
        break;
    }
  }
  return body;
}

template <class Request>
void ExpectAnswer(const absl::StatusOr<Request>& request,
                  const std::string& body) {
  if (!request.ok()) {
    EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(ErrorReason(request.status()), "");
    EXPECT_FALSE(request.status().message().empty());
    return;
  }
  // What we take is JSON for others too.
  EXPECT_TRUE(nlohmann::json::accept(body)) << absl::CEscape(body);
}

TEST(OpenAiRobustness, AnswersAStatusToWhateverABodyBecame) {
  std::mt19937_64 random(20240601);
  int taken = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string body =
        Mutated(Seeds()[Below(Seeds().size(), random)], random);
    const auto chat = Chat(body);
    ExpectAnswer(chat, body);
    // Protobuf refuses to write text that is not UTF-8.
    if (chat.ok()) {
      EXPECT_FALSE(chat->chat.SerializeAsString().empty());
    }
    ExpectAnswer(Completion(body), body);
    ExpectAnswer(Tokenize(body), body);
    taken += chat.ok();
    if (HasFailure()) FAIL() << i << ": " << absl::CEscape(body);
  }
  EXPECT_GT(taken, 100);  // Some mutations are harmless, or this tests little.
}

TEST(OpenAiRobustness, AnswersAStatusToEveryPrefix) {
  for (const std::string& seed : Seeds()) {
    for (size_t size = 0; size < seed.size(); ++size) {
      EXPECT_FALSE(Chat(seed.substr(0, size)).ok()) << size;
      EXPECT_FALSE(Completion(seed.substr(0, size)).ok()) << size;
      EXPECT_FALSE(Tokenize(seed.substr(0, size)).ok()) << size;
    }
  }
}

TEST(OpenAiRobustness, RefusesBodiesOfNothingButSigns) {
  for (const char* unit : {"[", "{\"a\":", "1,", "\"\",", "\\", "\"\\", " ",
                           "[],", "{},", "\"a\":1,"}) {
    std::string body = R"({"x":[)";
    while (body.size() < (8 << 20)) body += unit;
    EXPECT_FALSE(Chat(body).ok()) << unit;
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(TANDEM_THREAD_SANITIZER)
// Of this process, or the peak of it since the last ResetPeak.
int64_t MemoryBytes(absl::string_view row) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!absl::StartsWith(line, row)) continue;
    int64_t kib = 0;
    const size_t digits = line.find_first_of("0123456789");
    EXPECT_TRUE(absl::SimpleAtoi(
        line.substr(digits, line.find(' ', digits) - digits), &kib));
    return kib << 10;
  }
  return 0;
}

void ResetPeak() { std::ofstream("/proc/self/clear_refs") << "5"; }

// What parsing takes beside the body, which has room for padding.
template <class Parse>
int64_t PeakGrowth(std::string body, Parse parse) {
  body.reserve(body.size() + kJsonPadding);
  malloc_trim(0);  // What earlier tests have freed is not room to spare.
  ResetPeak();
  const int64_t before = MemoryBytes("VmRSS");
  parse(body);
  return MemoryBytes("VmHWM") - before;
}

TEST(OpenAiRobustness, TakesLessThanAnotherBodyForARequestOverItsBounds) {
  const std::string image = absl::Base64Escape(std::string(2'500'000, 'x'));
  std::string parts;
  for (int i = 0; i < 9; ++i) {
    absl::StrAppend(&parts, parts.empty() ? "" : ",",
                    ImageUrlPart("data:image/png;base64," + image));
  }
  const std::string body = PartsBody(parts);
  ASSERT_GT(body.size(), 28u << 20);
  const int64_t growth = PeakGrowth(body, [](std::string& text) {
    EXPECT_EQ(ErrorField(ParseChatCompletion(text, {}).status()), "messages");
  });
  EXPECT_LT(growth, static_cast<int64_t>(body.size()) / 4);
}

TEST(OpenAiRobustness, TakesAnImageNoSecondTimeAsText) {
  const std::string bytes(10'000'000, 'x');
  const std::string body = PartsBody(
      ImageUrlPart("data:image/png;base64," + absl::Base64Escape(bytes)));
  const int64_t growth = PeakGrowth(body, [&](std::string& text) {
    const auto request = ParseChatCompletion(text, {});
    ASSERT_TRUE(request.ok()) << request.status();
    EXPECT_TRUE(request->chat.messages(0).content(0).image().data() == bytes);
  });
  EXPECT_GT(growth, 9'000'000);  // The image, or this measures nothing.
  EXPECT_LT(growth, 13'000'000);
}

TEST(OpenAiRobustness, TakesFewMebibytesForABodyOfCommas) {
  std::string body = R"({"model":"m","messages":[],"x":[0)";
  while (body.size() < (30 << 20)) body += ",0";
  const int64_t growth = PeakGrowth(body + "]}", [](std::string& text) {
    EXPECT_FALSE(ParseChatCompletion(text, {}).ok());
  });
  EXPECT_LT(growth, 8 << 20);
}
#endif

}  // namespace
}  // namespace tandem
