#include "tests/common/test_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tandem {

TempDirectory::TempDirectory() {
  std::string pattern = testing::TempDir() + "/tandem.XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) abort();
  path_ = pattern;
}

TempDirectory::~TempDirectory() { std::filesystem::remove_all(path_); }

std::string TempDirectory::Write(absl::string_view name,
                                 absl::string_view content) const {
  const std::string path = absl::StrCat(path_, "/", name);
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  return path;
}

std::string RawSafetensors(absl::string_view header, absl::string_view data) {
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) {
    length[i] = static_cast<char>(header.size() >> (8 * i));
  }
  return absl::StrCat(length, header, data);
}

SafetensorsBuilder& SafetensorsBuilder::Add(const std::string& name,
                                            const std::string& dtype,
                                            const std::vector<int64_t>& shape,
                                            absl::string_view data) {
  absl::StrAppend(&header_, header_.empty() ? "" : ",", "\"", name,
                  "\":{\"dtype\":\"", dtype, "\",\"shape\":[",
                  absl::StrJoin(shape, ","), "],\"data_offsets\":[",
                  data_.size(), ",", data_.size() + data.size(), "]}");
  absl::StrAppend(&data_, data);
  return *this;
}

std::string SafetensorsBuilder::Build() const {
  return RawSafetensors(absl::StrCat("{", header_, "}"), data_);
}

}  // namespace tandem
