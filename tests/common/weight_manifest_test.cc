#include "common/weight_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/sha256.h"
#include "tests/common/test_files.h"

namespace tandem {
namespace {

using testing::HasSubstr;

class WeightManifestTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_.Write("config.json", "{}");
    directory_.Write("model.safetensors", weights_);
    Manifest(absl::StrCat(Sha256Hex("{}"), "  config.json\n",
                          absl::AsciiStrToUpper(Sha256Hex(weights_)),
                          " *model.safetensors\n"));
  }
  void Manifest(const std::string& text) {
    directory_.Write(kWeightManifest, text);
  }
  void ExpectRefused(absl::StatusCode code, const std::string& text) {
    const absl::Status status = VerifyWeightManifest(directory_.path());
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  }

  const TempDirectory directory_;
  // More than one read of the hash, and not a multiple of it.
  std::string weights_ = std::string((2 << 20) + 5, 'w');
};

TEST_F(WeightManifestTest, UnchangedFilesPass) {
  const absl::Status status = VerifyWeightManifest(directory_.path());
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(WeightManifestTest, OneFlippedBitIsFound) {
  weights_[weights_.size() - 3] ^= 1;
  directory_.Write("model.safetensors", weights_);
  ExpectRefused(absl::StatusCode::kDataLoss, "/model.safetensors: has SHA-256");
}

TEST_F(WeightManifestTest, NoManifestIsNotFound) {
  const TempDirectory empty;
  EXPECT_EQ(VerifyWeightManifest(empty.path()).code(),
            absl::StatusCode::kNotFound);
}

TEST_F(WeightManifestTest, ListedFileMustExist) {
  Manifest(absl::StrCat(Sha256Hex("{}"), "  config.json\n", Sha256Hex(weights_),
                        "  model.safetensors\n", Sha256Hex(""),
                        "  more.safetensors\n"));
  ExpectRefused(absl::StatusCode::kNotFound, "more.safetensors");
}

TEST_F(WeightManifestTest, WeightsMustBeListed) {
  directory_.Write("extra.safetensors", "");
  ExpectRefused(absl::StatusCode::kInvalidArgument,
                "extra.safetensors: is not listed");
}

TEST_F(WeightManifestTest, LinesMustBeDigestsAndPlainNames) {
  const std::string digest = Sha256Hex("");
  for (const std::string& line :
       {std::string("hello"), digest, digest + "  ", digest + "\tname",
        "z" + digest.substr(1) + "  name"}) {
    Manifest("\n" + line);
    ExpectRefused(absl::StatusCode::kInvalidArgument, "line 2");
  }
  Manifest(digest + "  ../name");
  ExpectRefused(absl::StatusCode::kInvalidArgument, "another folder");
  Manifest(std::string((1 << 20) + 1, 'a'));
  ExpectRefused(absl::StatusCode::kInvalidArgument, "are more than");
}

}  // namespace
}  // namespace tandem
