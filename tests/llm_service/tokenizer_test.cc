#include "llm_service/tokenizer.h"

#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "llm_service/bpe_tokenizer.h"
#include "tests/llm_service/small_tokenizer.h"

namespace tandem {
namespace {

using testing::ElementsAre;

class TokenizerTest : public testing::Test {
 protected:
  TokenizerTest() {
    folder_.Write("tokenizer.json", SmallTokenizerJson().dump());
    tokenizer_ = Tokenizer::Load(folder_.path()).value();
  }

  std::string Decode(const std::vector<int>& ids) const {
    std::string text;
    for (const int id : ids) text += std::string(tokenizer_->TokenBytes(id));
    return text;
  }

  const TemporaryFolder folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(TokenizerTest, EncodeSplitsAtAddedTokensFirst) {
  EXPECT_THAT(tokenizer_->Encode("<img>hello</img>").value(),
              ElementsAre(322, 259, 323));
  EXPECT_THAT(
      tokenizer_->Encode("<|im_start<|im_start|>").value(),
      ElementsAre('<', '|', 'i', 'm', '_', 's', 't', 'a', 'r', 't', 301));
}

TEST_F(TokenizerTest, EncodeTextTakesAddedTokensForCharacters) {
  EXPECT_THAT(tokenizer_->EncodeText("<img>").value(),
              ElementsAre('<', 'i', 'm', 'g', '>'));
}

TEST_F(TokenizerTest, EncodeTakesTheLongestAddedToken) {
  nlohmann::json root = SmallTokenizerJson();
  root["added_tokens"].push_back({{"id", 400}, {"content", "<img>>"}});
  root["added_tokens"].push_back({{"id", 401}, {"content", "<im"}});
  folder_.Write("tokenizer.json", root.dump());
  const auto tokenizer = Tokenizer::Load(folder_.path()).value();
  EXPECT_THAT(tokenizer->Encode("<img>>>").value(), ElementsAre(400, '>'));
  EXPECT_THAT(tokenizer->Encode("<imp").value(), ElementsAre(401, 'p'));
}

TEST_F(TokenizerTest, NormalizesEachPieceBetweenAddedTokens) {
  // The mark does not combine with what stands before an added token.
  EXPECT_EQ(Decode(tokenizer_->Encode("e\u0301<img>\u0301").value()),
            "\u00E9<img>\u0301");
  EXPECT_EQ(Decode(tokenizer_->EncodeText(">\u0338").value()), "\u226F");
}

TEST_F(TokenizerTest, LeavesTextAloneWithoutANormalizer) {
  nlohmann::json root = SmallTokenizerJson();
  root["normalizer"] = nullptr;
  folder_.Write("tokenizer.json", root.dump());
  const auto tokenizer = Tokenizer::Load(folder_.path()).value();
  EXPECT_EQ(tokenizer->EncodeText("e\u0301").value().size(), 3u);
}

TEST_F(TokenizerTest, EncodesEmptyTextAndNul) {
  EXPECT_THAT(tokenizer_->Encode("").value(), ElementsAre());
  EXPECT_THAT(tokenizer_->EncodeText(absl::string_view("a\0b", 3)).value(),
              ElementsAre('a', 0, 'b'));
}

TEST_F(TokenizerTest, RefusesWhatIsNotUtf8WithTheOffset) {
  for (const auto& status : {tokenizer_->Encode("<img>ab\xED\xA0\x80").status(),
                             tokenizer_->EncodeText("<img>ab\xC3").status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), "text is not UTF-8 at byte 7");
  }
}

TEST_F(TokenizerTest, TokenBytesAreEmptyWhereThereIsNoToken) {
  EXPECT_EQ(tokenizer_->TokenBytes(259), "hello");
  EXPECT_EQ(tokenizer_->TokenBytes(322), "<img>");
  for (const int id : {-1, 264, 299, 331, 1 << 30}) {
    EXPECT_EQ(tokenizer_->TokenBytes(id), "") << id;
  }
}

TEST_F(TokenizerTest, LeavesControlTokensOutOfAnswersButNotBoxes) {
  for (const char* text :
       {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>",
        "<|box_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"}) {
    EXPECT_TRUE(tokenizer_->IsSkipped(*tokenizer_->AddedTokenId(text))) << text;
  }
  for (const char* text :
       {"<tool_call>", "<|fim_prefix|>", "<|file_sep|>", "<img>",
        "<IMG_CONTEXT>", "<quad>", "<ref>", "</ref>", "<box>", "</box>"}) {
    EXPECT_FALSE(tokenizer_->IsSkipped(*tokenizer_->AddedTokenId(text)))
        << text;
  }
  EXPECT_FALSE(tokenizer_->IsSkipped(259));
  EXPECT_FALSE(tokenizer_->IsSkipped(-1));
}

TEST_F(TokenizerTest, KnowsAddedTokensByTheirText) {
  EXPECT_EQ(tokenizer_->AddedTokenId("<IMG_CONTEXT>"), 324);
  EXPECT_EQ(tokenizer_->AddedTokenId("hello"), absl::nullopt);
  EXPECT_EQ(tokenizer_->AddedTokenId(""), absl::nullopt);
}

TEST_F(TokenizerTest, TypedControlWordsNeverBecomeControlTokens) {
  std::vector<std::string> parts = {"<",     "|",  ">", "im_",
                                    "hello", "\n", " ", "é"};
  for (const absl::string_view token : InternVl3AddedTokens()) {
    parts.emplace_back(token);
  }
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (int i = 0; i < 8; ++i) text += parts[random() % parts.size()];
    const auto ids = tokenizer_->EncodeText(text).value();
    for (const int id : ids) ASSERT_LT(id, 300) << text;
    ASSERT_EQ(Decode(ids), text);
  }
}

TEST_F(TokenizerTest, TakesAMegabyteOfOneWord) {
  std::string text;
  while (text.size() < 1 << 20) text += "hellohellhell";
  EXPECT_TRUE(Decode(tokenizer_->EncodeText(text).value()) == text);
}

TEST(ByteTokenizer, HasBytesThenSpecialTokens) {
  const auto tokenizer = Tokenizer::MakeByteTokenizer(500).value();
  EXPECT_THAT(tokenizer->Encode("A\xC3\xA9<|endoftext|></box>").value(),
              ElementsAre('A', 0xC3, 0xA9, 256, 286));
  EXPECT_EQ(tokenizer->vocab_size(), 500);
  EXPECT_EQ(tokenizer->TokenBytes(0xFF), "\xFF");
  EXPECT_EQ(tokenizer->TokenBytes(286), "</box>");
  EXPECT_EQ(tokenizer->TokenBytes(287), "");
  EXPECT_TRUE(tokenizer->IsSkipped(258));
  EXPECT_EQ(tokenizer->digest().size(), 64u);
}

TEST(ByteTokenizer, NeedsRoomForAllOfThem) {
  EXPECT_TRUE(Tokenizer::MakeByteTokenizer(287).ok());
  const absl::Status status = Tokenizer::MakeByteTokenizer(286).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "vocab_size 286 is below 287, the bytes and the special tokens");
}

}  // namespace
}  // namespace tandem
