#include "cli/api_key_file.h"

#include "gtest/gtest.h"
#include "tests/common/test_files.h"

namespace tandem {
namespace {

TEST(ApiKeyFileTest, HoldsOneKeyWithOrWithoutALineEnd) {
  const TempDirectory folder;
  for (const char* text : {"k-1", "k-1\n", " k-1\r\n"}) {
    EXPECT_EQ(ReadApiKeyFile(folder.Write("key", text)).value(), "k-1");
  }
  const std::string longest(512, 'k');
  EXPECT_EQ(ReadApiKeyFile(folder.Write("key", longest)).value(), longest);
}

TEST(ApiKeyFileTest, WhatIsNoKeyIsNamedByFileAlone) {
  const TempDirectory folder;
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("k-1 k-2"),
        std::string("k-1\nk-2"), std::string("k-1\xC3\xA9"),
        std::string(513, 'k')}) {
    const std::string path = folder.Write("key", text);
    const absl::Status status = ReadApiKeyFile(path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(status.message(),
              path + ": is not one key of 1 to 512 visible ASCII characters");
  }
  EXPECT_EQ(ReadApiKeyFile(folder.path() + "/none").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace tandem
