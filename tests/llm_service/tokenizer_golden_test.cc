// Against what the Python libraries answer: tests/reference says how the files
// were made. Every vocabulary is tested in both layouts.
#include <unicode/unistr.h>
#include <zlib.h>

#include <fstream>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "llm_service/answer_text.h"
#include "llm_service/prompt_layout.h"
#include "llm_service/tokenizer.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using nlohmann::json;

json ReadData(const std::string& name) {
  std::ifstream stream(std::string(TANDEM_TEST_DATA) + "/" + name);
  return json::parse(stream);
}

std::string Crc32(const void* data, size_t size) {
  return absl::StrFormat("%08x", crc32(0, static_cast<const Bytef*>(data),
                                       static_cast<uInt>(size)));
}

struct Vocabulary {
  std::string name, directory, golden;
  friend std::ostream& operator<<(std::ostream& os, const Vocabulary& v) {
    return os << v.name;
  }
};

class TokenizerGolden : public testing::TestWithParam<Vocabulary> {
 protected:
  TokenizerGolden()
      : strings_(ReadData("tokenizer/strings.json")),
        golden_(ReadData("tokenizer/" + GetParam().golden)) {}

  void SetUp() override {
    auto tokenizer = Tokenizer::Load(GetParam().directory);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
  }

  const json strings_, golden_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(TokenizerGolden, EncodesTextAsTheLibraryDoes) {
  const json& texts = strings_["strings"];
  ASSERT_EQ(texts.size(), 5000u);
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string text = texts[i];
    const auto ids = tokenizer_->Encode(text).value();
    if (i < golden_["ids"].size()) {
      ASSERT_EQ(json(ids), golden_["ids"][i]) << text;
    }
    ASSERT_EQ(Crc32(ids.data(), ids.size() * sizeof(ids[0])),
              golden_["ids_crc32"][i])
        << text;
    ASSERT_EQ(tokenizer_->EncodeText(text).value(), ids) << text;
  }
}

TEST_P(TokenizerGolden, EncodesControlWordsAsTheLibraryDoes) {
  const json& texts = strings_["control_strings"];
  ASSERT_EQ(texts.size(), 320u);
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string text = texts[i];
    const json& want = golden_["control"][i];
    ASSERT_EQ(json(tokenizer_->Encode(text).value()), want["encode"]) << text;
    ASSERT_EQ(json(tokenizer_->EncodeText(text).value()), want["encode_text"])
        << text;
  }
}

TEST_P(TokenizerGolden, RefusesAndAcceptsUtf8AsPythonDoes) {
  for (const std::string hex : strings_["invalid_utf8_hex"]) {
    EXPECT_FALSE(tokenizer_->EncodeText(absl::HexStringToBytes(hex)).ok())
        << hex;
  }
  for (const std::string hex : strings_["valid_utf8_hex"]) {
    EXPECT_TRUE(tokenizer_->EncodeText(absl::HexStringToBytes(hex)).ok())
        << hex;
  }
}

TEST_P(TokenizerGolden, DecodesAsTheLibraryDoes) {
  for (const json& c : golden_["decode"]) {
    AnswerText answer(*tokenizer_, {});
    std::string text, bytes, all;
    for (const int id : c["ids"]) {
      text += answer.Add(id);
      bytes += std::string(tokenizer_->TokenBytes(id));
    }
    text += answer.Finish();
    ASSERT_EQ(json(text), c["skip"]) << c["ids"];
    icu::UnicodeString::fromUTF8(bytes).toUTF8String(all);
    ASSERT_EQ(json(all), c["keep"]) << c["ids"];
  }
}

TEST_P(TokenizerGolden, KnowsTheAddedTokensAndWhichAreLeftOut) {
  std::vector<int> skipped;
  for (int id = -1; id <= tokenizer_->vocab_size(); ++id) {
    if (tokenizer_->IsSkipped(id)) skipped.push_back(id);
  }
  EXPECT_EQ(json(skipped), golden_["dropped_when_skipping"]);
  const json& added = golden_["added_tokens"];
  for (const auto& [text, id] : added.items()) {
    EXPECT_EQ(tokenizer_->AddedTokenId(text), id.get<int>()) << text;
  }
  EXPECT_EQ(tokenizer_->vocab_size(),
            golden_["vocab_size"].get<int>() + static_cast<int>(added.size()));
}

INSTANTIATE_TEST_SUITE_P(
    Vocabularies, TokenizerGolden,
    testing::Values(
        Vocabulary{"TinyCustom", TANDEM_TEST_DATA "/models/t1-custom",
                   "t1.json"},
        Vocabulary{"TinyHf", TANDEM_TEST_DATA "/models/t1-hf", "t1.json"},
        Vocabulary{"Demo", TANDEM_TEST_DATA "/../../models/demo/weights",
                   "demo.json"},
        Vocabulary{"QwenCustom", TANDEM_QWEN_TOKENIZER "/custom", "qwen.json"},
        Vocabulary{"QwenHf", TANDEM_QWEN_TOKENIZER "/hf", "qwen.json"}),
    [](const auto& info) { return info.param.name; });

struct PromptGolden {
  std::string name, model, golden;
  PreprocessingProfile profile;
  friend std::ostream& operator<<(std::ostream& os, const PromptGolden& g) {
    return os << g.name;
  }
};
class PromptGoldenTest : public testing::TestWithParam<PromptGolden> {};

std::vector<PromptMessage> ToMessages(const json& messages) {
  std::vector<PromptMessage> out;
  for (const json& message : messages) {
    PromptMessage& added = out.emplace_back();
    added.role = message["role"];
    for (const json& part : message["content"]) {
      if (part.contains("image")) {
        added.content.emplace_back(ImageIndex{part["image"].get<int>()});
      } else {
        added.content.emplace_back(part["text"].get<std::string>());
      }
    }
  }
  return out;
}

json RunLengths(const std::vector<int>& ids) {
  json runs = json::array();
  for (const int id : ids) {
    if (!runs.empty() && runs.back()[0] == id) {
      runs.back()[1] = runs.back()[1].get<int>() + 1;
    } else {
      runs.push_back({id, 1});
    }
  }
  return runs;
}

json Spans(const Prompt& prompt, const std::vector<int>& tiles) {
  json spans = json::array();
  for (const ImageSpan& span : prompt.images) {
    spans.push_back({{"image", span.image_index},
                     {"first", span.first_token},
                     {"num_tokens", span.num_tokens},
                     {"num_tiles", tiles[span.image_index]}});
  }
  return spans;
}

TEST_P(PromptGoldenTest, PromptsAreThoseOfTheReference) {
  const auto tokenizer =
      Tokenizer::Load(TANDEM_TEST_DATA "/models/" + GetParam().model).value();
  PromptBuilder::Options options;
  options.profile = GetParam().profile;
  const auto builder = PromptBuilder::Make(options, *tokenizer).value();
  const json golden = ReadData("goldens/" + GetParam().golden);
  ASSERT_GE(golden["cases"].size(), 4u);
  for (const auto& [name, c] : golden["cases"].items()) {
    std::vector<int> tiles;
    for (const json& image : c["images"]) tiles.push_back(image["num_tiles"]);
    const auto prompt = builder.Build(ToMessages(c["messages"]), tiles);
    ASSERT_TRUE(prompt.ok()) << name << ": " << prompt.status();
    EXPECT_EQ(RunLengths(prompt->token_ids), c["prompt_ids_rle"]) << name;
    EXPECT_EQ(Spans(*prompt, tiles), c["image_spans"]) << name;
    std::string text;
    for (const int id : prompt->token_ids) {
      text += std::string(tokenizer->TokenBytes(id));
    }
    EXPECT_EQ(json(Crc32(text.data(), text.size())), c["prompt_text_crc32"])
        << name;
  }
}

constexpr auto kCustom = PreprocessingProfile::kCustom;
constexpr auto kHf = PreprocessingProfile::kHf;

INSTANTIATE_TEST_SUITE_P(
    Models, PromptGoldenTest,
    testing::Values(PromptGolden{"T1", "t1-custom", "t1.json", kCustom},
                    PromptGolden{"T2", "t2-hf", "t2.json", kCustom},
                    PromptGolden{"Hf", "t1-hf", "hf_profile.json", kHf}),
    [](const auto& info) { return info.param.name; });

// The text of a prompt, encoded at once, gives the prompt's ids.
TEST(QwenPrompt, EqualsItsTextEncodedAtOnce) {
  const auto tokenizer =
      Tokenizer::Load(TANDEM_QWEN_TOKENIZER "/custom").value();
  const auto builder = PromptBuilder::Make({}, *tokenizer).value();
  const std::vector<std::vector<PromptMessage>> conversations = {
      {{"user", {"Hello, who are you?"}}},
      {{"user", {"\n\n Hello"}},
       {"assistant", {" A cat.\n"}},
       {"user", {"\t?"}}},
      {{"user",
        {"Image-1: ", ImageIndex{0}, "\nImage-2: ", ImageIndex{1}, "  x"}}},
  };
  for (const auto& messages : conversations) {
    const std::vector<int> tiles(messages.front().content.size() / 2, 1);
    const Prompt prompt = builder.Build(messages, tiles).value();
    std::string text;
    for (const int id : prompt.token_ids) {
      text += std::string(tokenizer->TokenBytes(id));
    }
    EXPECT_EQ(tokenizer->Encode(text).value(), prompt.token_ids) << text;
  }
}

TEST(QwenPrompt, HasTheKnownIds) {
  const auto tokenizer = Tokenizer::Load(TANDEM_QWEN_TOKENIZER "/hf").value();
  const auto ids = [&](absl::string_view text) {
    return tokenizer->Encode(text).value();
  };
  EXPECT_EQ(ids("Hello world"), (std::vector<int>{9707, 1879}));
  EXPECT_EQ(ids(" Hello world"), (std::vector<int>{21927, 1879}));
  EXPECT_EQ(ids("<|im_start|>system\n"), (std::vector<int>{151644, 8948, 198}));
  EXPECT_EQ(ids("user\n"), (std::vector<int>{872, 198}));
  EXPECT_EQ(ids("assistant\n"), (std::vector<int>{77091, 198}));
  EXPECT_EQ(ids("\n\n"), (std::vector<int>{271}));
}

}  // namespace
}  // namespace tandem
