#include "llm_service/bpe.h"

#include <map>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

using testing::ElementsAre;

std::array<int, 256> Bytes() {
  std::array<int, 256> ids;
  for (int i = 0; i < 256; ++i) ids[i] = i;
  return ids;
}

std::vector<int> Encode(const Bpe& bpe, absl::string_view piece) {
  std::vector<int> ids;
  bpe.Encode(piece, ids);
  return ids;
}

TEST(Bpe, TakesTheLowestRankFirst) {
  const Bpe bpe(Bytes(), {{'b', 'c', 256}, {'a', 'b', 257}, {256, 'd', 258}});
  EXPECT_THAT(Encode(bpe, "abcd"), ElementsAre('a', 258));
  EXPECT_THAT(Encode(bpe, "abd"), ElementsAre(257, 'd'));
}

TEST(Bpe, TakesTheLeftmostOfEqualRanks) {
  const Bpe bpe(Bytes(), {{'a', 'a', 256}});
  EXPECT_THAT(Encode(bpe, "aaa"), ElementsAre(256, 'a'));
}

TEST(Bpe, EncodesNothingAndSingleBytes) {
  const Bpe bpe(Bytes(), {});
  EXPECT_THAT(Encode(bpe, ""), ElementsAre());
  EXPECT_THAT(Encode(bpe, "\xFF"), ElementsAre(255));
}

// The definition: search all pairs, join the best, start again.
std::vector<int> Plainly(const std::vector<Bpe::Merge>& merges,
                         absl::string_view piece) {
  std::map<std::pair<int, int>, std::pair<int, int>> found;  // rank, result
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    found[{merges[rank].left, merges[rank].right}] = {static_cast<int>(rank),
                                                      merges[rank].result};
  }
  std::vector<int> ids;
  for (const char c : piece) ids.push_back(static_cast<uint8_t>(c));
  while (true) {
    int best_rank = static_cast<int>(merges.size());
    size_t best = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto merge = found.find({ids[i], ids[i + 1]});
      if (merge != found.end() && merge->second.first < best_rank) {
        best_rank = merge->second.first;
        best = i;
      }
    }
    if (best_rank == static_cast<int>(merges.size())) return ids;
    ids[best] = merges[best_rank].result;
    ids.erase(ids.begin() + static_cast<int>(best) + 1);
  }
}

TEST(Bpe, JoinsRandomTextAsTheDefinitionDoes) {
  std::mt19937 random(3);
  for (int round = 0; round < 400; ++round) {
    std::vector<Bpe::Merge> merges;
    std::map<std::pair<int, int>, bool> taken;
    std::vector<int> tokens = {'a', 'b', 'c'};
    for (int i = 0; i < 25; ++i) {
      const int left = tokens[random() % tokens.size()];
      const int right = tokens[random() % tokens.size()];
      if (!taken.emplace(std::make_pair(left, right), true).second) continue;
      merges.push_back({left, right, 256 + i});
      tokens.push_back(256 + i);
    }
    // Ranks in any order: a token may be joined before its parts are likely.
    std::shuffle(merges.begin(), merges.end(), random);
    const Bpe bpe(Bytes(), merges);
    std::string text;
    for (int i = 0; i < 60; ++i) text += static_cast<char>('a' + random() % 3);
    ASSERT_EQ(Encode(bpe, text), Plainly(merges, text)) << text;
  }
}

TEST(Bpe, JoinsAMegabyteThatIsOnePiece) {
  std::vector<Bpe::Merge> merges = {{'a', 'a', 256}};
  for (int i = 256; i < 275; ++i) merges.push_back({i, i, i + 1});
  const Bpe bpe(Bytes(), merges);
  EXPECT_THAT(Encode(bpe, std::string(1 << 20, 'a')), ElementsAre(275));
}

}  // namespace
}  // namespace tandem
