#include "tests/llm_service/small_tokenizer.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "llm_service/bpe_tokenizer.h"
#include "llm_service/byte_alphabet.h"
#include "llm_service/pre_tokenizer.h"

namespace tandem {
namespace {

using nlohmann::json;

// In order of rank; in the byte alphabet, where U+010A is a line feed.
const std::pair<const char*, const char*> kMerges[] = {
    {"h", "e"},           {"l", "l"}, {"he", "ll"}, {"hell", "o"},
    {"\u010A", "\u010A"}, {"u", "s"}, {"e", "r"},   {"us", "er"}};

json Vocabulary() {
  json vocabulary = json::object();
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary[ByteSymbol(static_cast<uint8_t>(byte))] = byte;
  }
  int id = 256;
  for (const auto& [left, right] : kMerges) {
    vocabulary[std::string(left) + right] = id++;
  }
  return vocabulary;
}

json AddedToken(int id, absl::string_view content) {
  return {{"id", id},        {"content", content},  {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"single_word", false},
          {"special", true}};
}

}  // namespace

TemporaryFolder::TemporaryFolder()
    : path_(testing::TempDir() + "tandem.XXXXXX") {
  EXPECT_NE(mkdtemp(path_.data()), nullptr);
}

TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(path_); }

void TemporaryFolder::Write(const std::string& name,
                            const std::string& content) const {
  std::ofstream stream(File(name), std::ios::binary);
  stream << content;
}

json SmallTokenizerJson() {
  json merges = json::array(), added = json::array();
  for (const auto& [left, right] : kMerges) merges.push_back({left, right});
  int id = 300;
  for (const absl::string_view text : InternVl3AddedTokens()) {
    added.push_back(AddedToken(id++, text));
  }
  return {{"added_tokens", added},
          {"normalizer", {{"type", "NFC"}}},
          {"pre_tokenizer",
           {{"type", "Sequence"},
            {"pretokenizers",
             {{{"type", "Split"},
               {"pattern", {{"Regex", kQwen2Pattern}}},
               {"behavior", "Isolated"},
               {"invert", false}},
              {{"type", "ByteLevel"},
               {"add_prefix_space", false},
               {"trim_offsets", true},
               {"use_regex", false}}}}}},
          {"model",
           {{"type", "BPE"}, {"vocab", Vocabulary()}, {"merges", merges}}}};
}

SmallTokenizerFiles::SmallTokenizerFiles()
    : vocabulary(Vocabulary()),
      added_tokens(json::object()),
      config(json::object()),
      merges("#version: 0.2\n") {
  for (const auto& [left, right] : kMerges) {
    merges += std::string(left) + " " + right + "\n";
  }
  int id = 300;
  for (const absl::string_view text : InternVl3AddedTokens()) {
    added_tokens[std::string(text)] = id;
    config["added_tokens_decoder"][std::to_string(id)] = AddedToken(id, text);
    ++id;
  }
}

void SmallTokenizerFiles::Write(const TemporaryFolder& folder) const {
  folder.Write("vocab.json", vocabulary.dump());
  folder.Write("merges.txt", merges);
  folder.Write("added_tokens.json", added_tokens.dump());
  folder.Write("tokenizer_config.json", config.dump());
}

}  // namespace tandem
