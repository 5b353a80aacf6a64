#include <filesystem>
#include <functional>
#include <ostream>
#include <string>

#include "common/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "llm_service/tokenizer.h"
#include "tests/llm_service/small_tokenizer.h"

namespace tandem {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<int> Hello(const Tokenizer& tokenizer) {
  return tokenizer.Encode("hello<img>\n\nuser<box>").value();
}
const std::vector<int> kHello = {259, 322, 260, 263, 329};

TEST(TokenizerFiles, LoadsTheOneFile) {
  const TemporaryFolder folder;
  folder.Write("tokenizer.json", SmallTokenizerJson().dump());
  const auto tokenizer = Tokenizer::Load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ(Hello(**tokenizer), kHello);
  EXPECT_EQ((*tokenizer)->vocab_size(), 331);
}

TEST(TokenizerFiles, LoadsMergesWrittenAsOneString) {
  json root = SmallTokenizerJson();
  for (json& merge : root["model"]["merges"]) {
    merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  }
  const TemporaryFolder folder;
  folder.Write("tokenizer.json", root.dump());
  const auto tokenizer = Tokenizer::Load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ(Hello(**tokenizer), kHello);
}

TEST(TokenizerFiles, LoadsTheSeveralFiles) {
  const TemporaryFolder folder;
  SmallTokenizerFiles().Write(folder);
  const auto tokenizer = Tokenizer::Load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ(Hello(**tokenizer), kHello);
}

TEST(TokenizerFiles, NeedsOnlyOneOfTheFilesWithAddedTokens) {
  for (const char* file : {"added_tokens.json", "tokenizer_config.json"}) {
    const TemporaryFolder folder;
    SmallTokenizerFiles().Write(folder);
    std::filesystem::remove(folder.File(file));
    const auto tokenizer = Tokenizer::Load(folder.path());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    EXPECT_EQ(Hello(**tokenizer), kHello);
  }
}

TEST(TokenizerFiles, TakesMergesWithCarriageReturnsAndWithoutVersion) {
  SmallTokenizerFiles files;
  files.merges = "h e\r\nl l\r\nhe ll\r\nhell o\r\n\r\n";
  const TemporaryFolder folder;
  files.Write(folder);
  const auto tokenizer = Tokenizer::Load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT((*tokenizer)->EncodeText("hello").value(), ElementsAre(259));
}

TEST(TokenizerFiles, LetsAnAddedTokenStandInTheVocabularyToo) {
  json root = SmallTokenizerJson();
  root["model"]["vocab"]["<img>"] = 322;
  const TemporaryFolder folder;
  folder.Write("tokenizer.json", root.dump());
  const auto tokenizer = Tokenizer::Load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ(Hello(**tokenizer), kHello);
  EXPECT_EQ((*tokenizer)->TokenBytes(322), "<img>");
}

TEST(TokenizerFiles, DigestIsThatOfTheFilesInOrder) {
  const SmallTokenizerFiles files;
  const TemporaryFolder folder;
  files.Write(folder);
  Sha256 want;
  want.Add(files.vocabulary.dump());
  want.Add(files.merges);
  want.Add(files.added_tokens.dump());
  want.Add(files.config.dump());
  EXPECT_EQ(Tokenizer::Load(folder.path()).value()->digest(), want.Hex());
}

TEST(Sha256, GivesThePublishedDigest) {
  Sha256 digest;
  digest.Add("a");
  digest.Add("bc");
  EXPECT_EQ(digest.Hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// What may be wrong with tokenizer.json.
struct JsonCase {
  std::string name;
  std::function<void(json&)> breaks;
  std::string want;
  friend std::ostream& operator<<(std::ostream& os, const JsonCase& c) {
    return os << c.name;
  }
};
class BrokenTokenizerJson : public testing::TestWithParam<JsonCase> {};

TEST_P(BrokenTokenizerJson, IsRefusedByName) {
  json root = SmallTokenizerJson();
  GetParam().breaks(root);
  const TemporaryFolder folder;
  folder.Write("tokenizer.json", root.dump());
  const absl::Status status = Tokenizer::Load(folder.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            folder.File("tokenizer.json") + ": " + GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(
    Files, BrokenTokenizerJson,
    testing::Values(
        JsonCase{"List", [](json& j) { j = json::array(); },
                 "is not a JSON object"},
        JsonCase{"Normalizer",
                 [](json& j) { j["normalizer"]["type"] = "NFKC"; },
                 "normalizer is not NFC"},
        JsonCase{"Pattern",
                 [](json& j) {
                   j["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] =
                       "\\w+";
                 },
                 "pre_tokenizer is not Qwen2's"},
        JsonCase{"NoPreTokenizer",
                 [](json& j) { j["pre_tokenizer"] = nullptr; },
                 "pre_tokenizer is not Qwen2's"},
        JsonCase{"Unigram", [](json& j) { j["model"]["type"] = "Unigram"; },
                 "model.type is not BPE"},
        JsonCase{"Dropout", [](json& j) { j["model"]["dropout"] = 0.1; },
                 "model.dropout 0.1 is not supported"},
        JsonCase{"Suffix",
                 [](json& j) { j["model"]["end_of_word_suffix"] = "</w>"; },
                 "model.end_of_word_suffix \"</w>\" is not supported"},
        JsonCase{"IgnoreMerges",
                 [](json& j) { j["model"]["ignore_merges"] = true; },
                 "model.ignore_merges true is not supported"},
        JsonCase{"NoVocab", [](json& j) { j["model"].erase("vocab"); },
                 "vocab is not an object"},
        JsonCase{"NegativeId", [](json& j) { j["model"]["vocab"]["he"] = -1; },
                 "id -1 of token \"he\" is no integer in [0, 4194303]"},
        JsonCase{"HugeId",
                 [](json& j) { j["model"]["vocab"]["he"] = 1ull << 63; },
                 "id 9223372036854775808 of token \"he\" is no integer in [0, "
                 "4194303]"},
        JsonCase{"FractionalId",
                 [](json& j) { j["model"]["vocab"]["he"] = 1.5; },
                 "id 1.5 of token \"he\" is no integer in [0, 4194303]"},
        JsonCase{"IdTwice", [](json& j) { j["model"]["vocab"]["he"] = 257; },
                 "id 257 belongs to both \"he\" and \"ll\""},
        JsonCase{"NoByte", [](json& j) { j["model"]["vocab"].erase("\u0120"); },
                 "byte 32 \"\u0120\" has no regular token"},
        JsonCase{"NoSymbols", [](json& j) { j["model"]["vocab"]["a b"] = 299; },
                 "token 299 \"a b\" does not stand for bytes"},
        JsonCase{"EmptyToken", [](json& j) { j["model"]["vocab"][""] = 299; },
                 "token 299 \"\" does not stand for bytes"},
        JsonCase{"MergesNoList", [](json& j) { j["model"]["merges"] = 1; },
                 "merges is not a list"},
        JsonCase{"MergeNoPair",
                 [](json& j) { j["model"]["merges"][1] = "a b c"; },
                 "merge 1 \"a b c\" is not a pair"},
        JsonCase{"MergeOfNumbers",
                 [](json& j) { j["model"]["merges"][1] = {1, 2}; },
                 "merge 1 [1,2] is not a pair"},
        JsonCase{"MergeUnknown",
                 [](json& j) { j["model"]["merges"].push_back({"x", "y"}); },
                 "merge 8 needs \"xy\", which is no regular token"},
        JsonCase{"MergeTwice",
                 [](json& j) { j["model"]["merges"].push_back({"h", "e"}); },
                 "merge 8 repeats merge 0"},
        JsonCase{"MergeMakesAddedToken",
                 [](json& j) {
                   j["model"]["vocab"]["<i"] = 400;
                   j["model"]["merges"].push_back({"<", "i"});
                   j["added_tokens"].push_back(
                       {{"id", 400}, {"content", "<i"}});
                 },
                 "merge 8 needs \"<i\", which is no regular token"},
        JsonCase{"ByteIsAddedToken",
                 [](json& j) {
                   j["added_tokens"].push_back({{"id", '!'}, {"content", "!"}});
                 },
                 "byte 33 \"!\" has no regular token"},
        JsonCase{"NoAddedTokens", [](json& j) { j.erase("added_tokens"); },
                 "added_tokens is not a list"},
        JsonCase{"AddedWithoutText",
                 [](json& j) { j["added_tokens"][0]["content"] = ""; },
                 "added token 300 has no text"},
        JsonCase{"AddedWithoutId",
                 [](json& j) { j["added_tokens"][0].erase("id"); },
                 "id null of token \"<|endoftext|>\" is no integer in [0, "
                 "4194303]"},
        JsonCase{"AddedNoObject", [](json& j) { j["added_tokens"][0] = 3; },
                 "added token null has no text"},
        JsonCase{"AddedTwoIds",
                 [](json& j) {
                   j["added_tokens"].push_back(
                       {{"id", 400}, {"content", "<img>"}});
                 },
                 "added token \"<img>\" has the ids 322 and 400"},
        JsonCase{
            "AddedIdTwice", [](json& j) { j["added_tokens"][1]["id"] = 300; },
            "id 300 of added token \"<|im_start|>\" belongs to another one "
            "too"},
        JsonCase{"AddedIdRegular",
                 [](json& j) { j["added_tokens"][0]["id"] = 259; },
                 "id 259 of added token \"<|endoftext|>\" belongs to \"hello\" "
                 "of the vocabulary"},
        JsonCase{
            "AddedOtherIdInVocabulary",
            [](json& j) { j["model"]["vocab"]["<img>"] = 299; },
            "added token \"<img>\" has id 322 and, in the vocabulary, 299"},
        JsonCase{"AddedStrips",
                 [](json& j) { j["added_tokens"][0]["lstrip"] = true; },
                 "added token \"<|endoftext|>\" has lstrip, which is not "
                 "supported"}),
    [](const auto& info) { return info.param.name; });

// What may be wrong with the several files.
struct FilesCase {
  std::string name;
  std::function<void(const TemporaryFolder&)> breaks;
  absl::StatusCode code;
  std::string file, want;
  friend std::ostream& operator<<(std::ostream& os, const FilesCase& c) {
    return os << c.name;
  }
};
class BrokenTokenizerFiles : public testing::TestWithParam<FilesCase> {};

TEST_P(BrokenTokenizerFiles, AreRefusedByName) {
  const TemporaryFolder folder;
  SmallTokenizerFiles().Write(folder);
  GetParam().breaks(folder);
  const absl::Status status = Tokenizer::Load(folder.path()).status();
  EXPECT_EQ(status.code(), GetParam().code);
  EXPECT_EQ(status.message(),
            folder.File(GetParam().file) + ": " + GetParam().want);
}

void Remove(const TemporaryFolder& folder, const std::string& file) {
  std::filesystem::remove(folder.File(file));
}
constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
constexpr absl::StatusCode kNotFound = absl::StatusCode::kNotFound;

INSTANTIATE_TEST_SUITE_P(
    Files, BrokenTokenizerFiles,
    testing::Values(
        FilesCase{"NoVocabulary",
                  [](const auto& folder) { Remove(folder, "vocab.json"); },
                  kNotFound, "vocab.json", "no such file"},
        FilesCase{"NoMerges",
                  [](const auto& folder) { Remove(folder, "merges.txt"); },
                  kNotFound, "merges.txt", "no such file"},
        FilesCase{"NoAddedTokens",
                  [](const auto& folder) {
                    Remove(folder, "added_tokens.json");
                    Remove(folder, "tokenizer_config.json");
                  },
                  kNotFound, "added_tokens.json",
                  "no such file, and no tokenizer_config.json either"},
        FilesCase{"Directory",
                  [](const auto& folder) {
                    Remove(folder, "vocab.json");
                    std::filesystem::create_directory(
                        folder.File("vocab.json"));
                  },
                  kInvalid, "vocab.json", "Is a directory"},
        FilesCase{
            "NotJson",
            [](const auto& folder) { folder.Write("vocab.json", "{\"a\": "); },
            kInvalid, "vocab.json", "is not JSON at byte 7"},
        FilesCase{"NotUtf8",
                  [](const auto& folder) {
                    folder.Write("vocab.json", "{\"\xFF\": 1}");
                  },
                  kInvalid, "vocab.json", "is not JSON at byte 3"},
        FilesCase{"MergeOfThree",
                  [](const auto& folder) {
                    folder.Write("merges.txt", "#version: 0.2\nh e l\n");
                  },
                  kInvalid, "merges.txt", "line 2 is not a pair"},
        FilesCase{
            "MergeNotUtf8",
            [](const auto& folder) { folder.Write("merges.txt", "h \xFF\n"); },
            kInvalid, "merges.txt", "line 1 is not a pair"},
        FilesCase{
            "MergeUnknown",
            [](const auto& folder) { folder.Write("merges.txt", "x y\n"); },
            kInvalid, "merges.txt",
            "merge 0 needs \"xy\", which is no regular token"},
        FilesCase{"FilesDisagree",
                  [](const auto& folder) {
                    folder.Write("added_tokens.json", "{\"<img>\": 400}");
                  },
                  kInvalid, "tokenizer_config.json",
                  "added token \"<img>\" has the ids 400 and 322"},
        FilesCase{"DecoderNoObject",
                  [](const auto& folder) {
                    folder.Write("tokenizer_config.json",
                                 "{\"added_tokens_decoder\": 1}");
                  },
                  kInvalid, "tokenizer_config.json",
                  "added_tokens_decoder is not an object"},
        FilesCase{"DecoderKeyNoId",
                  [](const auto& folder) {
                    folder.Write("tokenizer_config.json",
                                 "{\"added_tokens_decoder\": {\"x\": {}}}");
                  },
                  kInvalid, "tokenizer_config.json",
                  "added_tokens_decoder: \"x\" is no id"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tandem
