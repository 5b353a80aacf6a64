#include "llm_service/answer_text.h"

#include <unicode/unistr.h>

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/fakes/list_tokenizer.h"

namespace tandem {
namespace {

// What each token adds, then what Finish adds.
std::vector<std::string> Stream(const std::vector<std::string>& tokens,
                                std::vector<std::string> stop) {
  const ListTokenizer tokenizer(tokens);
  AnswerText text(tokenizer, std::move(stop));
  std::vector<std::string> deltas;
  for (size_t i = 0; i < tokens.size(); ++i) {
    deltas.push_back(text.Add(static_cast<int>(i)));
  }
  deltas.push_back(text.Finish());
  return deltas;
}

using Deltas = std::vector<std::string>;

TEST(AnswerText, PassesWholeCharactersOn) {
  EXPECT_EQ(Stream({"Hi", " ", "你好"}, {}), (Deltas{"Hi", " ", "你好", ""}));
}

TEST(AnswerText, HoldsABegunCharacterBack) {
  EXPECT_EQ(Stream({"a\xE4", "\xBD", "\xA0z"}, {}),
            (Deltas{"a", "", "你z", ""}));
}

TEST(AnswerText, ReplacesEachMaximalPart) {
  EXPECT_EQ(Stream({"\xE4\xBD", "\xE4", "x"}, {}),
            (Deltas{"", "\uFFFD", "\uFFFDx", ""}));
  EXPECT_EQ(Stream({"\xF0\x9F\x98"}, {}), (Deltas{"", "\uFFFD"}));
}

TEST(AnswerText, EndsBeforeAStopString) {
  EXPECT_EQ(Stream({"one S", "TO", "P two", "three"}, {"STOP"}),
            (Deltas{"one ", "", "", "", ""}));
  EXPECT_EQ(Stream({"one S", "TOP"}, {"STOP"}), (Deltas{"one ", "", ""}));
}

TEST(AnswerText, SaysThatItStopped) {
  const ListTokenizer tokenizer({"a", "STOP", "b"});
  AnswerText text(tokenizer, {"STOP"});
  EXPECT_EQ(text.Add(0), "a");
  EXPECT_FALSE(text.stopped());
  EXPECT_EQ(text.Add(1), "");
  EXPECT_TRUE(text.stopped());
  EXPECT_EQ(text.Add(2), "");
  EXPECT_EQ(text.Finish(), "");
}

TEST(AnswerText, GivesBackWhatWasNoStopString) {
  EXPECT_EQ(Stream({"S", "TO", "x"}, {"STOP"}), (Deltas{"", "", "STOx", ""}));
  EXPECT_EQ(Stream({"S", "TO"}, {"STOP"}), (Deltas{"", "", "STO"}));
  EXPECT_EQ(Stream({"SST", "OP"}, {"STOP"}), (Deltas{"S", "", ""}));
}

TEST(AnswerText, TakesTheStopStringThatIsCompleteFirst) {
  EXPECT_EQ(Stream({"xabc", "d"}, {"abcd", "c"}), (Deltas{"xab", "", ""}));
  EXPECT_EQ(Stream({"xabcd"}, {"abcd", "c"}), (Deltas{"xab", ""}));
  EXPECT_EQ(Stream({"xabcd"}, {"cd", "bcd"}), (Deltas{"xa", ""}));
}

TEST(AnswerText, FindsAStopStringInWhatFinishAdds) {
  const ListTokenizer tokenizer({"a\xE4"});
  AnswerText text(tokenizer, {"a\uFFFD"});
  EXPECT_EQ(text.Add(0), "");
  EXPECT_EQ(text.Finish(), "");
  EXPECT_TRUE(text.stopped());
}

TEST(AnswerText, LeavesSkippedTokensOut) {
  const ListTokenizer tokenizer({"\xE4\xBD", "<|im_end|>", "\xA0", "<box>"},
                                {1});
  AnswerText text(tokenizer, {});
  EXPECT_EQ(text.Add(0), "");
  EXPECT_EQ(text.Add(1), "");
  EXPECT_EQ(text.Add(2), "你");
  EXPECT_EQ(text.Add(3), "<box>");
}

// Decoding at once, by ICU.
std::string DecodeWhole(const std::string& bytes) {
  std::string text;
  icu::UnicodeString::fromUTF8(bytes).toUTF8String(text);
  return text;
}

// The definition: the first place where a stop string ends, and the longest
// that ends there.
std::string CutPlainly(const std::string& text,
                       const std::vector<std::string>& stops) {
  for (size_t end = 0; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (stop.size() <= end &&
          text.compare(end - stop.size(), stop.size(), stop) == 0) {
        longest = std::max(longest, stop.size());
      }
    }
    if (longest > 0) return text.substr(0, end - longest);
  }
  return text;
}

std::vector<std::string> CutRandomly(const std::string& bytes,
                                     std::mt19937& random) {
  std::vector<std::string> tokens;
  for (size_t i = 0; i < bytes.size();) {
    tokens.push_back(bytes.substr(i, 1 + random() % 4));
    i += tokens.back().size();
  }
  return tokens;
}

TEST(AnswerText, AnyCutOfAnyBytesGivesTheTextOfTheWhole) {
  const std::string interesting =
      "ab "
      "\x80\xBF\xA0\x9F\x90\x8F\xC0\xC2\xC3\xDF\xE0\xE4\xED\xEF\xF0\xF4\xF5"
      "\xFF";
  std::mt19937 random(6);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes;
    for (int i = static_cast<int>(random() % 16); i > 0; --i) {
      bytes += interesting[random() % interesting.size()];
    }
    std::string text;
    for (const auto& delta : Stream(CutRandomly(bytes, random), {})) {
      EXPECT_EQ(DecodeWhole(delta), delta);  // whole characters only
      text += delta;
    }
    ASSERT_EQ(text, DecodeWhole(bytes)) << "round " << round;
  }
}

TEST(AnswerText, AnyCutEndsAtTheSameStopString) {
  const std::vector<std::string> parts = {"a",    "b",  "ab",  "é",
                                          "\xE4", "你", "\xFF"};
  const std::vector<std::string> stop_parts = {"a", "b", "é", "你", "\uFFFD"};
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes;
    for (int i = 0; i < 12; ++i) bytes += parts[random() % parts.size()];
    std::vector<std::string> stops(1 + random() % 3);
    for (std::string& stop : stops) {
      for (int i = static_cast<int>(1 + random() % 4); i > 0; --i) {
        stop += stop_parts[random() % stop_parts.size()];
      }
    }
    std::string text;
    for (const auto& delta : Stream(CutRandomly(bytes, random), stops)) {
      text += delta;
    }
    ASSERT_EQ(text, CutPlainly(DecodeWhole(bytes), stops)) << "round " << round;
  }
}

}  // namespace
}  // namespace tandem
