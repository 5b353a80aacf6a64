#include "llm_service/prompt_layout.h"

#include <zlib.h>

#include <ostream>
#include <string>

#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "llm_service/bpe_tokenizer.h"
#include "tests/fakes/list_tokenizer.h"
#include "tests/llm_service/small_tokenizer.h"

namespace tandem {
namespace {

using testing::ElementsAre;

// Most tests need ids that are easy to read: one a byte.
class PromptTest : public testing::Test {
 protected:
  PromptTest() : tokenizer_(Tokenizer::MakeByteTokenizer(287).value()) {}

  PromptBuilder Builder(PromptBuilder::Options options = {}) const {
    return PromptBuilder::Make(std::move(options), *tokenizer_).value();
  }
  std::string Text(const Prompt& prompt) const {
    std::string text;
    for (const int id : prompt.token_ids) {
      text += std::string(tokenizer_->TokenBytes(id));
    }
    return text;
  }
  int Control(const char* text) const {
    return *tokenizer_->AddedTokenId(text);
  }

  const std::unique_ptr<Tokenizer> tokenizer_;
};

std::string Crc32(const std::string& text) {
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(text.data()),
                         static_cast<uInt>(text.size()));
  char hex[9];
  snprintf(hex, sizeof(hex), "%08lx", crc);
  return hex;
}

using Messages = std::vector<PromptMessage>;
constexpr auto kHf = PreprocessingProfile::kHf;

TEST_F(PromptTest, ThePublishedPromptOfText) {
  const Prompt prompt =
      Builder().Build(Messages{{"user", {"Hello, who are you?"}}}, {}).value();
  EXPECT_EQ(Text(prompt).size(), 256u);
  EXPECT_EQ(Crc32(Text(prompt)), "e3225569");
}

TEST_F(PromptTest, ThePublishedPromptOfOneImage) {
  const Prompt prompt =
      Builder()
          .Build(
              Messages{{"user",
                        {ImageIndex{0}, "Please describe the image shortly."}}},
              {13})
          .value();
  EXPECT_EQ(Text(prompt).size(), 43547u);
  EXPECT_EQ(Crc32(Text(prompt)), "80a52c87");
}

TEST_F(PromptTest, ThePublishedPromptOfAConversation) {
  const Prompt prompt =
      Builder()
          .Build(
              Messages{
                  {"user",
                   {ImageIndex{0}, "Please describe the image in detail."}},
                  {"assistant", {"A cat."}},
                  {"user", {"Please write a poem according to the image."}}},
              {7})
          .value();
  EXPECT_EQ(Text(prompt).size(), 23691u);
  EXPECT_EQ(Crc32(Text(prompt)), "2a6dbe0d");
}

TEST_F(PromptTest, ThePublishedPromptOfTwoImages) {
  const Prompt prompt =
      Builder()
          .Build(
              Messages{{"user",
                        {"Image-1: ", ImageIndex{0}, "Image-2: ", ImageIndex{1},
                         "Describe the two images in detail."}}},
              {7, 3})
          .value();
  EXPECT_EQ(Text(prompt).size(), 33593u);
  EXPECT_EQ(Crc32(Text(prompt)), "de1f17af");
}

TEST_F(PromptTest, SpansCoverTheContextTokensAndNothingElse) {
  PromptBuilder::Options options;
  options.tokens_per_tile = 3;
  const Prompt prompt =
      Builder(options)
          .Build(Messages{{"user", {ImageIndex{0}, "and", ImageIndex{1}}}},
                 {2, 1})
          .value();
  ASSERT_EQ(prompt.images.size(), 2u);
  EXPECT_EQ(prompt.num_image_tokens(), 9);
  std::vector<int> covered(prompt.token_ids.size(), 0);
  for (size_t i = 0; i < 2; ++i) {
    const ImageSpan& span = prompt.images[i];
    EXPECT_EQ(span.image_index, static_cast<int>(i));
    EXPECT_EQ(span.num_tokens, i == 0 ? 6 : 3);
    EXPECT_EQ(prompt.token_ids[span.first_token - 1], Control("<img>"));
    EXPECT_EQ(prompt.token_ids[span.first_token + span.num_tokens],
              Control("</img>"));
    for (int t = 0; t < span.num_tokens; ++t) covered[span.first_token + t] = 1;
  }
  for (size_t i = 0; i < covered.size(); ++i) {
    EXPECT_EQ(prompt.token_ids[i] == Control("<IMG_CONTEXT>"), covered[i] == 1);
  }
}

TEST_F(PromptTest,
       SystemTextIsTheRequestsElseTheConfigurationsElseTheTemplates) {
  PromptBuilder::Options options;
  options.system_message = "configured";
  EXPECT_EQ(
      Text(Builder(options)
               .Build(Messages{{"system", {"asked"}}, {"user", {"x"}}}, {})
               .value()),
      "<|im_start|>system\nasked<|im_end|>\n<|im_start|>user\nx<|im_end|>\n"
      "<|im_start|>assistant\n");
  EXPECT_EQ(Text(Builder(options).Build(Messages{{"user", {"x"}}}, {}).value()),
            "<|im_start|>system\nconfigured<|im_end|>\n<|im_start|>user\nx"
            "<|im_end|>\n<|im_start|>assistant\n");
  options.system_message = "";  // the block stays
  EXPECT_EQ(Text(Builder(options).Build(Messages{{"user", {"x"}}}, {}).value()),
            "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nx<|im_end|>\n"
            "<|im_start|>assistant\n");
}

TEST_F(PromptTest, TheHfProfileHasNoSystemTextOfItsOwn) {
  PromptBuilder::Options options;
  options.profile = kHf;
  options.tokens_per_tile = 1;
  options.system_message = "configured";
  EXPECT_EQ(Text(Builder(options)
                     .Build(Messages{{"user", {ImageIndex{0}, "x"}}}, {2})
                     .value()),
            "<|im_start|>user\n<img><IMG_CONTEXT><IMG_CONTEXT></img>\nx"
            "<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(
      Text(Builder(options)
               .Build(Messages{{"system", {"asked"}}, {"user", {"x"}}}, {})
               .value()),
      "<|im_start|>system\nasked<|im_end|>\n<|im_start|>user\nx<|im_end|>\n"
      "<|im_start|>assistant\n");
}

TEST_F(PromptTest, ControlWordsOfAClientStayCharacters) {
  std::string typed = "<image><video>";
  for (const absl::string_view token : InternVl3AddedTokens()) {
    typed += std::string(token);
  }
  PromptBuilder::Options options;
  options.tokens_per_tile = 2;
  const Prompt prompt =
      Builder(options)
          .Build(Messages{{"system", {typed}},
                          {"user", {typed, ImageIndex{0}, typed}},
                          {"assistant", {typed}},
                          {"user", {typed}}},
                 {1})
          .value();
  std::vector<int> control;
  for (const int id : prompt.token_ids) {
    if (id >= 256) control.push_back(id);
  }
  const int start = Control("<|im_start|>"), end = Control("<|im_end|>");
  const int context = Control("<IMG_CONTEXT>");
  EXPECT_THAT(control, ElementsAre(start, end, start, Control("<img>"), context,
                                   context, Control("</img>"), end, start, end,
                                   start, end, start));
}

TEST_F(PromptTest, ABareTextIsItsCharactersAndNothingElse) {
  const std::string typed = "<|im_start|>user\n<IMG_CONTEXT> \u00E9";
  const Prompt prompt = Builder().BuildText(typed).value();
  EXPECT_EQ(Text(prompt), typed);
  EXPECT_EQ(prompt.token_ids.size(),
            typed.size());  // the tokenizer's are bytes
  EXPECT_TRUE(prompt.images.empty());
  EXPECT_TRUE(Builder().BuildText("").value().token_ids.empty());
}

TEST_F(PromptTest, ABareTextIsUtf8) {
  const absl::Status status = Builder().BuildText("ab\xC3").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), reason::kFieldInvalid);
  EXPECT_EQ(ErrorField(status), "prompt");
  EXPECT_EQ(status.message(), "prompt: text is not UTF-8 at byte 2");
}

TEST_F(PromptTest, StopsAtTheEndOfATurnAndOfText) {
  EXPECT_THAT(Builder().stop_token_ids(),
              ElementsAre(Control("<|im_end|>"), Control("<|endoftext|>")));
}

TEST(PromptBuilder, EncodesARoleAndItsTextTogether) {
  const TemporaryFolder folder;
  folder.Write("tokenizer.json", SmallTokenizerJson().dump());
  const auto tokenizer = Tokenizer::Load(folder.path()).value();
  PromptBuilder::Options options;
  options.profile = kHf;
  options.tokens_per_tile = 1;
  const auto builder = PromptBuilder::Make(options, *tokenizer).value();
  const Prompt prompt =
      builder
          .Build(Messages{{"user", {"\nhe", "llo", ImageIndex{0}, "\nhe"}}},
                 {1})
          .value();
  // 260 is two line feeds: the role's or the image's, and the text's.
  const std::vector<int> begin = {301, 263, 260, 259, 322,  324,
                                  323, 260, 256, 302, '\n', 301};
  ASSERT_GT(prompt.token_ids.size(), begin.size());
  EXPECT_EQ(std::vector<int>(prompt.token_ids.begin(),
                             prompt.token_ids.begin() + begin.size()),
            begin);
  std::string text;
  for (const int id : prompt.token_ids) {
    text += std::string(tokenizer->TokenBytes(id));
  }
  EXPECT_EQ(prompt.token_ids, tokenizer->Encode(text).value());
  // A bare text joins its characters too.
  EXPECT_THAT(builder.BuildText("\n\nhe").value().token_ids,
              ElementsAre(260, 256));
}

TEST(PromptBuilder, NeedsTheControlTokens) {
  const ListTokenizer tokenizer({"a"});
  const absl::Status status = PromptBuilder::Make({}, tokenizer).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "the tokenizer has no token <|im_start|>");
}

TEST_F(PromptTest, NeedsTokensForATile) {
  PromptBuilder::Options options;
  options.tokens_per_tile = 0;
  const absl::Status status =
      PromptBuilder::Make(options, *tokenizer_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "tokens_per_tile 0 is not positive");
}

struct RefusedCase {
  std::string name;
  std::vector<PromptMessage> messages;
  std::vector<int> image_tiles;
  std::string field, description;
  friend std::ostream& operator<<(std::ostream& os, const RefusedCase& c) {
    return os << c.name;
  }
};
class RefusedPrompt : public PromptTest,
                      public testing::WithParamInterface<RefusedCase> {};

TEST_P(RefusedPrompt, NamesTheField) {
  const RefusedCase& c = GetParam();
  const absl::Status status =
      Builder().Build(c.messages, c.image_tiles).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), reason::kFieldInvalid);
  EXPECT_EQ(ErrorField(status), c.field);
  EXPECT_EQ(status.message(), c.field + ": " + c.description);
}

const PromptMessage kUser = {"user", {"x"}};
constexpr ImageIndex kImage0 = {0}, kImage1 = {1};

INSTANTIATE_TEST_SUITE_P(
    Messages, RefusedPrompt,
    testing::Values(
        RefusedCase{"None", {}, {}, "messages", "holds no message"},
        RefusedCase{"LateSystem",
                    {kUser, {"system", {"x"}}, kUser},
                    {},
                    "messages[1]",
                    "is a system message and not the first message"},
        RefusedCase{"UnknownRole",
                    {{"tool", {"x"}}},
                    {},
                    "messages[0].role",
                    "\"tool\" is none of system, user, assistant"},
        RefusedCase{"RoleNotUtf8",
                    {{"\xFF", {"x"}}},
                    {},
                    "messages[0].role",
                    "\"?\" is none of system, user, assistant"},
        RefusedCase{"NoPart",
                    {kUser, {"assistant", {}}, kUser},
                    {},
                    "messages[1]",
                    "is empty"},
        RefusedCase{
            "EmptyParts", {{"user", {"", ""}}}, {}, "messages[0]", "is empty"},
        RefusedCase{"LastIsAssistant",
                    {kUser, {"assistant", {"x"}}},
                    {},
                    "messages[1]",
                    "is the last message and not the user's"},
        RefusedCase{"OnlySystem",
                    {{"system", {"x"}}},
                    {},
                    "messages[0]",
                    "is the last message and not the user's"},
        RefusedCase{"AssistantImage",
                    {{"assistant", {kImage0}}, kUser},
                    {1},
                    "messages[0].content[0]",
                    "is an image in a message of assistant"},
        RefusedCase{"SystemImage",
                    {{"system", {"x", kImage0}}, kUser},
                    {1},
                    "messages[0].content[1]",
                    "is an image in a message of system"},
        RefusedCase{"ImageOutOfRange",
                    {{"user", {kImage1}}},
                    {1},
                    "messages[0].content[0]",
                    "image 1 is outside [0, 1)"},
        RefusedCase{"ImageNegative",
                    {{"user", {ImageIndex{-1}}}},
                    {1},
                    "messages[0].content[0]",
                    "image -1 is outside [0, 1)"},
        RefusedCase{"ImageTwice",
                    {{"user", {kImage0, kImage0}}},
                    {1},
                    "messages[0].content[1]",
                    "image 0 is used twice"},
        RefusedCase{"ImageOutOfOrder",
                    {{"user", {kImage1, kImage0}}},
                    {1, 1},
                    "messages[0].content[0]",
                    "image 1 comes before 0"},
        RefusedCase{"ImageUnused",
                    {{"user", {kImage0}}},
                    {1, 1},
                    "images[1]",
                    "is used by no message"},
        RefusedCase{"NoTiles",
                    {{"user", {kImage0}}},
                    {0},
                    "image_tiles[0]",
                    "0 is outside [1, 41]"},
        RefusedCase{"ManyTiles",
                    {{"user", {kImage0}}},
                    {42},
                    "image_tiles[0]",
                    "42 is outside [1, 41]"},
        RefusedCase{"TextNotUtf8",
                    {{"user", {"x", "ab\xC3"}}},
                    {},
                    "messages[0].content[1]",
                    "text is not UTF-8 at byte 2"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tandem
