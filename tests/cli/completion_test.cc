#include "cli/completion.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(CompletionTest, CommandsAtTheStartOfALine) {
  EXPECT_EQ(Complete("/im").insert, "age ");
  const Completion two = Complete("/re");
  EXPECT_EQ(two.insert, "");
  EXPECT_THAT(two.candidates, ElementsAre("/reset", "/retry"));
  EXPECT_THAT(Complete("/nonsense").candidates, IsEmpty());
}

TEST(CompletionTest, WordsBehindACommand) {
  EXPECT_EQ(Complete("/set temp").insert, "erature ");
  EXPECT_EQ(Complete("/set max_t").insert, "");
  EXPECT_THAT(Complete("/set max_t").candidates,
              ElementsAre("max_tiles", "max_tokens"));
  EXPECT_THAT(Complete("/timings ").candidates, ElementsAre("off", "on"));
}

class FileCompletionTest : public testing::Test {
 protected:
  FileCompletionTest() {
    std::string name = testing::TempDir() + "completion_XXXXXX";
    folder_ = mkdtemp(name.data());
    for (const char* file : {"cat.png", "cattle.png", "my dog.png", ".hidden",
                             "d\xC3\xA9j\xC3\xA0", "d\xC3\xA8s"}) {
      std::ofstream(folder_ + "/" + file) << "x";
    }
    std::filesystem::create_directory(folder_ + "/folder");
  }
  ~FileCompletionTest() override { std::filesystem::remove_all(folder_); }

  std::string Insert(const std::string& before, const std::string& name) {
    return Complete(absl::StrCat(before, folder_, "/", name)).insert;
  }
  std::string folder_;
};

TEST_F(FileCompletionTest, FilesWhereverOneCanBeNamed) {
  for (const char* before :
       {"@", "/image ", "/save ", "what is @", "see ", ""}) {
    EXPECT_EQ(Insert(before, "catt"), "le.png ") << before;
  }
  EXPECT_THAT(Complete("").candidates, IsEmpty());
  EXPECT_THAT(Complete("word ").candidates, IsEmpty());
}

TEST_F(FileCompletionTest, AsFarAsNamesAgree) {
  EXPECT_EQ(Insert("@", "c"), "at");
  EXPECT_EQ(Insert("@", "cat"), "");
  EXPECT_THAT(Complete(absl::StrCat("@", folder_, "/cat")).candidates,
              ElementsAre("cat.png", "cattle.png"));
}

TEST_F(FileCompletionTest, WholeCharactersOnly) {
  EXPECT_EQ(Insert("@", "d"), "");  // they differ in the second byte of one
}

TEST_F(FileCompletionTest, BlanksGetBackslashesButInQuotes) {
  EXPECT_EQ(Insert("@", "my"), "\\ dog.png ");
  EXPECT_EQ(Insert("@", "my\\ d"), "og.png ");
  EXPECT_EQ(Complete(absl::StrCat("\"", folder_, "/my")).insert, " dog.png");
}

TEST_F(FileCompletionTest, FoldersGoOnAndHiddenFilesWaitForADot) {
  EXPECT_EQ(Insert("@", "fo"), "lder/");
  EXPECT_EQ(Insert("@", ".h"), "idden ");
  EXPECT_THAT(Complete(absl::StrCat("@", folder_, "/")).candidates,
              testing::Not(testing::Contains(".hidden")));
}

TEST_F(FileCompletionTest, AFolderThatIsNotThereHasNothing) {
  EXPECT_THAT(Complete("@/nowhere/x").candidates, IsEmpty());
}

}  // namespace
}  // namespace tandem
