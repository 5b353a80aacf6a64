#pragma once

#include <string>

#include "nlohmann/json.hpp"

namespace tandem {

// A folder that is removed with all it holds.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  void Write(const std::string& name, const std::string& content) const;

 private:
  std::string path_;
};

// tokenizer.json of a tokenizer with a few merges: bytes 0 to 255, then what
// the merges make, then InternVL3's added tokens from 300.
nlohmann::json SmallTokenizerJson();

// The same tokenizer as the several files of the other layout.
struct SmallTokenizerFiles {
  nlohmann::json vocabulary, added_tokens, config;
  std::string merges;

  SmallTokenizerFiles();
  void Write(const TemporaryFolder& folder) const;
};

}  // namespace tandem
