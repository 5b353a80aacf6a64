#include "gateway/access_keys.h"

#include "absl/strings/str_cat.h"
#include "common/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/test_files.h"

namespace tandem {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// A digest that is no key's.
std::string Hex(char digit) { return std::string(64, digit); }

std::string Entry(const std::string& more, const std::string& id = "a",
                  char digit = 'a') {
  return absl::StrCat(R"({"id": ")", id, R"(", "sha256": ")", Hex(digit), "\"",
                      more.empty() ? "" : ", ", more, "}");
}
std::string File(const std::string& entries) {
  return absl::StrCat(R"({"keys": [)", entries, "]}");
}

TEST(ApiKeysTest, AnEntryThatSaysLittleHasTheDefaults) {
  const auto keys = ParseApiKeys(File(Entry("")), "keys.json");
  ASSERT_TRUE(keys.ok()) << keys.status();
  ASSERT_EQ(keys->size(), 1u);
  const ApiKey& key = keys->front();
  EXPECT_EQ(key.id, "a");
  EXPECT_THAT(key.digests, ElementsAre(std::string(32, '\xAA')));
  EXPECT_EQ(key.requests_per_minute, 60);
  EXPECT_EQ(key.concurrent, 8);
  EXPECT_EQ(key.tokens_per_minute, std::nullopt);
  EXPECT_EQ(key.expires, absl::InfiniteFuture());
  EXPECT_TRUE(key.MayUse("anything"));
}

TEST(ApiKeysTest, AnEntryMaySayEverything) {
  const auto keys = ParseApiKeys(R"({"keys": [{
      "id": "team-a.1_x", "models": ["demo", "vlm"],
      "sha256": ["E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
                 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
      "requests_per_minute": 7, "concurrent": 2, "tokens_per_minute": 1000,
      "expires": "2027-01-31T02:00:00+02:00"}]})",
                                 "keys.json");
  ASSERT_TRUE(keys.ok()) << keys.status();
  const ApiKey& key = keys->front();
  EXPECT_EQ(key.id, "team-a.1_x");
  EXPECT_THAT(key.digests, ElementsAre(Sha256Digest(""), Sha256Digest("abc")));
  EXPECT_EQ(key.requests_per_minute, 7);
  EXPECT_EQ(key.concurrent, 2);
  EXPECT_EQ(key.tokens_per_minute, 1000);
  EXPECT_EQ(key.expires, absl::FromUnixSeconds(1'801'353'600));
  EXPECT_TRUE(key.MayUse("vlm"));
  EXPECT_FALSE(key.MayUse("other"));
  EXPECT_FALSE(key.MayUse(""));
}

TEST(ApiKeysTest, AFileMayHoldNoKey) {
  const auto keys = ParseApiKeys(File(""), "keys.json");
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_TRUE(keys->empty());
}

struct BadKeys {
  std::string name, text, problem;
  friend std::ostream& operator<<(std::ostream& os, const BadKeys& c) {
    return os << c.name;
  }
};
class BadKeysTest : public testing::TestWithParam<BadKeys> {};

TEST_P(BadKeysTest, AreRefusedByFileEntryAndField) {
  const auto keys = ParseApiKeys(GetParam().text, "keys.json");
  EXPECT_EQ(keys.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(keys.status().message(),
            absl::StrCat("keys.json: ", GetParam().problem));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, BadKeysTest,
    testing::Values(
        BadKeys{"Empty", "", "line 1: is not one JSON object"},
        BadKeys{"Broken", "{\n\"keys\": [\n{,\n]}",
                "line 3: is not one JSON object"},
        BadKeys{"NoObject", "[]", "is not one JSON object"},
        BadKeys{"NoKeys", "{}", "keys is not a list"},
        BadKeys{"Keys", R"({"keys": {}})", "keys is not a list"},
        BadKeys{"OtherName", R"({"keys": [], "users": []})",
                "users is no field of a keys file"},
        BadKeys{"TextEntry", File("\"abc\""), "keys[0] is not an object"},
        BadKeys{"NoId", File(absl::StrCat(R"({"sha256": ")", Hex('a'), "\"}")),
                "keys[0].id is not 1 to 64 characters of [A-Za-z0-9._-]"},
        BadKeys{"Id", File(Entry("", "a b")),
                "keys[0].id is not 1 to 64 characters of [A-Za-z0-9._-]"},
        BadKeys{"LongId", File(Entry("", std::string(65, 'x'))),
                "keys[0].id is not 1 to 64 characters of [A-Za-z0-9._-]"},
        BadKeys{"NoDigest", File(R"({"id": "a"})"),
                "keys[0].sha256 is missing"},
        BadKeys{"Digest", File(R"({"id": "a", "sha256": "c0ffee"})"),
                "keys[0].sha256 is not 64 hexadecimal digits"},
        BadKeys{"DigestNumber", File(R"({"id": "a", "sha256": [7]})"),
                "keys[0].sha256 is neither a string nor a list of strings"},
        BadKeys{"NoDigests", File(R"({"id": "a", "sha256": []})"),
                "keys[0].sha256 holds 0 strings, outside [1, 8]"},
        BadKeys{"Models", File(Entry(R"("models": [])")),
                "keys[0].models holds 0 strings, outside [1, 64]"},
        BadKeys{"Requests", File(Entry(R"("requests_per_minute": 0)")),
                "keys[0].requests_per_minute is 0, outside [1, 1000000]"},
        BadKeys{"Concurrent", File(Entry(R"("concurrent": 10001)")),
                "keys[0].concurrent is 10001, outside [1, 10000]"},
        BadKeys{"Tokens", File(Entry(R"("tokens_per_minute": "many")")),
                "keys[0].tokens_per_minute is not an integer"},
        BadKeys{"Expires", File(Entry(R"("expires": "tomorrow")")),
                "keys[0].expires is not a time like 2027-01-31T00:00:00Z"},
        BadKeys{"Misspelt",
                File(Entry("") + "," + Entry(R"("concurent": 1)", "b", 'b')),
                "keys[1].concurent is no field of a keys file"},
        BadKeys{"SameId", File(Entry("") + "," + Entry("", "a", 'b')),
                "keys[1].id is that of keys[0]"},
        BadKeys{"SameDigest", File(Entry("") + "," + Entry("", "b", 'a')),
                "keys[1].sha256 is that of keys[0]"}),
    [](const auto& info) { return info.param.name; });

TEST(ApiKeysTest, AKeyInTheWrongPlaceIsNotRepeated) {
  const std::string key = "tandem-5ecret";
  for (const std::string& text :
       {File("{\"id\": \"a\", \"sha256\": \"" + key + "\"}"),
        File("{\"id\": \"a\", \"" + key + "\": 1}"),
        File("{\"id\": \" " + key + "\"}"), "{\"" + key + "\": \"a\"}", key,
        File(Entry("\"expires\": \"" + key + "\"")),
        File(Entry("\"concurrent\": \"" + key + "\""))}) {
    const auto keys = ParseApiKeys(text, "keys.json");
    EXPECT_FALSE(keys.ok()) << text;
    EXPECT_THAT(keys.status().ToString(), Not(HasSubstr("5ecret")));
  }
}

TEST(ApiKeysTest, EntriesAreBounded) {
  std::string entries;
  for (int i = 0; i < 1025; ++i) {
    absl::StrAppend(&entries, i == 0 ? "" : ",", R"({"id": "k)", i,
                    R"(", "sha256": ")", Sha256Hex(absl::StrCat(i)), "\"}");
  }
  EXPECT_EQ(ParseApiKeys(File(entries), "keys.json").status().message(),
            "keys.json: keys holds 1025 entries, more than 1024");
  entries.resize(entries.rfind(",{"));
  EXPECT_EQ(ParseApiKeys(File(entries), "keys.json")->size(), 1024u);
}

TEST(ApiKeysTest, FilesThatCannotBeReadAreNamed) {
  const TempDirectory folder;
  const std::string missing = folder.path() + "/none.json";
  EXPECT_THAT(ReadKeysFile(missing).status().ToString(),
              AllOf(HasSubstr("NOT_FOUND"), HasSubstr(missing)));
  EXPECT_EQ(ReadKeysFile(folder.path()).status().code(),
            absl::StatusCode::kInvalidArgument);
  const std::string large =
      folder.Write("large.json", std::string((1 << 20) + 1, ' '));
  EXPECT_THAT(ReadKeysFile(large).status().ToString(),
              HasSubstr("large.json: 1048577 bytes are more than 1048576"));
  EXPECT_EQ(ReadKeysFile(folder.Write("k.json", "{}")).value(), "{}");
}

TEST(ApiKeysTest, FindsTheKeyOfADigest) {
  const auto keys = ParseApiKeys(
      File(Entry("", "a", 'a') + "," + Entry("", "b", 'b')), "keys.json");
  ASSERT_TRUE(keys.ok());
  EXPECT_EQ(FindApiKey(*keys, std::string(32, '\xAA')), 0);
  EXPECT_EQ(FindApiKey(*keys, std::string(32, '\xBB')), 1);
  EXPECT_EQ(FindApiKey(*keys, std::string(32, '\xCC')), -1);
  EXPECT_EQ(FindApiKey(*keys, ""), -1);
  EXPECT_EQ(FindApiKey({}, std::string(32, '\xAA')), -1);
}

// Constant time by structure: the same comparisons, each of whole digests, for
// the first key, the last one, one that is nearly right and one that is not.
TEST(ApiKeysTest, EveryDigestIsComparedWhateverWasFound) {
  const auto keys = ParseApiKeys(
      absl::StrCat(R"({"keys": [)", Entry("", "a", 'a'),
                   R"(,{"id": "b", "sha256": [")", Hex('b'), "\", \"", Hex('c'),
                   "\"]},", Entry("", "d", 'd'), "]}"),
      "keys.json");
  ASSERT_TRUE(keys.ok()) << keys.status();
  const auto compared = [&](const std::string& digest) {
    std::vector<std::string> with;
    FindApiKey(*keys, digest, [&](absl::string_view a, absl::string_view b) {
      EXPECT_EQ(a.size(), b.size());
      with.emplace_back(a);
      return EqualInConstantTime(a, b);
    });
    return with;
  };
  const std::vector<std::string> all = {
      std::string(32, '\xAA'), std::string(32, '\xBB'), std::string(32, '\xCC'),
      std::string(32, '\xDD')};
  for (const std::string& digest :
       {all[0], all[3], std::string(31, '\xAA') + "x", std::string(32, 'x')}) {
    EXPECT_EQ(compared(digest), all);
  }
}

TEST(ApiKeysTest, EqualMeansEveryByte) {
  const std::string a(32, 'a');
  EXPECT_TRUE(EqualInConstantTime(a, a));
  for (size_t i = 0; i < a.size(); ++i) {
    std::string b = a;
    b[i] = 'b';
    EXPECT_FALSE(EqualInConstantTime(a, b)) << i;
  }
  EXPECT_FALSE(EqualInConstantTime(a, "a"));
}

}  // namespace
}  // namespace tandem
