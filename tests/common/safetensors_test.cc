#include "common/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "common/safetensors_header.h"
#include "tests/common/test_files.h"

namespace tandem {
namespace {

using testing::HasSubstr;

TEST(SafetensorsTest, ReadsNamesShapesAndBytes) {
  const TempDirectory directory;
  const std::string path = directory.Write(
      "a.safetensors",
      RawSafetensors(
          R"({"__metadata__":{"format":"pt"},)"
          R"("b":{"dtype":"I64","shape":[],"data_offsets":[6,14]},)"
          R"("a":{"dtype":"BF16","shape":[3,1],"data_offsets":[0,6]}}   )",
          "abcdef01234567"));
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->tensors().size(), 2u);
  const StoredTensor& a = file->tensors().at("a");
  EXPECT_EQ(a.dtype, "BF16");
  EXPECT_EQ(a.weight_dtype(), DType::kBFloat16);
  EXPECT_THAT(a.shape, testing::ElementsAre(3, 1));
  std::string bytes(4, ' ');
  ASSERT_TRUE(file->Read(a, 2, absl::MakeSpan(bytes)).ok());
  EXPECT_EQ(bytes, "cdef");
  const StoredTensor& b = file->tensors().at("b");
  EXPECT_FALSE(b.weight_dtype().has_value());
  EXPECT_EQ(b.num_bytes, 8);
}

TEST(SafetensorsTest, TensorsMayBeEmpty) {
  const TempDirectory directory;
  const std::string path =
      directory.Write("a.safetensors", SafetensorsBuilder()
                                           .Add("a", "F32", {0, 7}, "")
                                           .Add("b", "U8", {1}, "x")
                                           .Add("c", "F32", {0}, "")
                                           .Build());
  EXPECT_TRUE(SafetensorsFile::Open(path).ok());
}

// A file that was cut after it was opened is an error, not a signal.
TEST(SafetensorsTest, FileCutWhileOpenIsDataLoss) {
  const TempDirectory directory;
  const std::string path = directory.Write(
      "a.safetensors",
      SafetensorsBuilder().Add("a", "U8", {8}, "abcdefgh").Build());
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  ASSERT_EQ(truncate(path.c_str(), status.st_size - 3), 0);
  std::string bytes(8, ' ');
  const absl::Status read =
      file->Read(file->tensors().at("a"), 0, absl::MakeSpan(bytes));
  EXPECT_EQ(read.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(read.message()), HasSubstr(path));
}

std::string Length(uint64_t length) { return BytesOf<uint64_t>({length}); }

struct BadFile {
  std::string name, content, problem;
  friend std::ostream& operator<<(std::ostream& os, const BadFile& c) {
    return os << c.name;
  }
};
class BadFileTest : public testing::TestWithParam<BadFile> {};

TEST_P(BadFileTest, IsRefusedByName) {
  const TempDirectory directory;
  const std::string path =
      directory.Write("bad.safetensors", GetParam().content);
  const auto file = SafetensorsFile::Open(path);
  EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(file.status().message()),
              testing::AllOf(HasSubstr(path), HasSubstr(GetParam().problem)));
}

BadFile Header(const std::string& name, const std::string& header,
               const std::string& data, const std::string& problem) {
  return {name, RawSafetensors(header, data), problem};
}

// One tensor "a" with 4 bytes of data.
BadFile OneTensor(const std::string& name, const std::string& dtype,
                  const std::string& shape, const std::string& offsets,
                  const std::string& problem) {
  return Header(name,
                absl::StrCat(R"({"a":{"dtype":)", dtype, R"(,"shape":)", shape,
                             R"(,"data_offsets":)", offsets, "}}"),
                "1234", problem);
}

INSTANTIATE_TEST_SUITE_P(
    Lengths, BadFileTest,
    testing::Values(
        BadFile{"Empty", "", "too short"},
        BadFile{"Short", "1234567", "too short"},
        BadFile{"Length2To63", Length(uint64_t{1} << 63) + "{}", "header of"},
        BadFile{"LengthAllOnes", Length(~uint64_t{0}) + "{}", "header of"},
        BadFile{"Above100Megabytes", Length(100'000'001) + "{}",
                "longer than 100000000"},
        BadFile{"LongerThanFile", Length(3) + "{}", "longer than the file"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Headers, BadFileTest,
    testing::Values(
        Header("NoHeader", "", "", "not JSON"),
        Header("NotJson", "hello", "", "not JSON"),
        Header("CutJson", R"({"a":)", "", "not JSON"),
        Header("TwoValues", "{}{}", "", "not JSON"),
        Header("BadUtf8", "{\"\xff\":1}", "", "not JSON"),
        Header("List", "[]", "", "list where none belongs"),
        Header("Number", "1", "", "number where none belongs"),
        Header("Null", "null", "", "null where none belongs"),
        Header("TensorIsNumber", R"({"a":1})", "", "number where none"),
        Header("TensorIsList", R"({"a":[1]})", "", "list where none"),
        Header("TensorIsText", R"({"a":"b"})", "", "string where none"),
        Header("DeepObject", R"({"a":{"dtype":{"a":1}}})", "", "nested"),
        Header("DeepList", R"({"a":{"shape":[[1]]}})", "", "list where none"),
        Header("Bomb", R"({"a":)" + std::string(100000, '['), "", "list"),
        Header("UnknownField", R"({"a":{"size":1}})", "", "no field"),
        Header("MetadataNumber", R"({"__metadata__":{"a":1}})", "", "number"),
        Header("MetadataTwice", R"({"__metadata__":{},"__metadata__":{}})", "",
               "appears twice"),
        Header("TensorTwice",
               R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
               R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
               "12", "appears twice"),
        Header("FieldTwice", R"({"a":{"dtype":"U8","dtype":"U8","shape":[1]}})",
               "", "appears twice"),
        Header("NoShape", R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", "1",
               "lacks one of")),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Tensors, BadFileTest,
    testing::Values(
        OneTensor("UnknownDType", R"("F7")", "[4]", "[0,4]", "unknown dtype"),
        OneTensor("DTypeIsNumber", "7", "[4]", "[0,4]", "number where none"),
        OneTensor("NegativeDimension", R"("U8")", "[-4]", "[0,4]",
                  "negative number -4"),
        OneTensor("FractionalDimension", R"("U8")", "[4.0]", "[0,4]",
                  "no integer"),
        OneTensor("DimensionBeyond64Bits", R"("U8")", "[18446744073709551616]",
                  "[0,4]", "no integer"),
        OneTensor("DimensionBeyond63Bits", R"("U8")", "[9223372036854775808]",
                  "[0,4]", "above 2^63"),
        OneTensor("ProductOverflows", R"("F32")", "[4294967296,4294967296]",
                  "[0,4]", "more than 2^63 bytes"),
        OneTensor("ProductWrapsToRightSize", R"("U8")",
                  "[4294967297,4294967297,4]", "[0,4]", "more than 2^63"),
        OneTensor("RankTooHigh", R"("U8")", "[1,1,1,1,1,1,1,1,4]", "[0,4]",
                  "too long"),
        OneTensor("ThreeOffsets", R"("U8")", "[4]", "[0,4,4]", "not two"),
        OneTensor("OffsetsBackwards", R"("U8")", "[4]", "[4,0]",
                  "data_offsets"),
        OneTensor("SizeIsNotShape", R"("U8")", "[3]", "[0,4]",
                  "3 bytes by its shape"),
        OneTensor("EndsBeyondFile", R"("U8")", "[5]", "[0,5]",
                  "beyond the file"),
        OneTensor("FarBeyondFile", R"("U8")", "[4]",
                  "[9223372036854775803,9223372036854775807]",
                  "beyond the file"),
        OneTensor("HoleInFront", R"("U8")", "[3]", "[1,4]", "hole"),
        OneTensor("DataGoesOn", R"("U8")", "[3]", "[0,3]", "1 bytes after"),
        Header("HoleBetween",
               R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
               R"("b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
               "123", "hole"),
        Header("Overlap",
               R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
               R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
               "123", "overlaps"),
        Header("SameBytesTwice",
               R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
               R"("b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
               "12", "overlaps")),
    [](const auto& info) { return info.param.name; });

TEST(SafetensorsTest, TooManyTensorsAreRefused) {
  std::string header = "{";
  for (int i = 0; i <= kMaxSafetensorsTensors; ++i) {
    absl::StrAppend(&header, i == 0 ? "" : ",", "\"", i,
                    R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})");
  }
  const auto parsed = ParseSafetensorsHeader(header + "}", 0);
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("more than"));
}

// Whatever bytes change, parsing ends with an answer, and what it accepts lies
// inside the file.
TEST(SafetensorsTest, MutatedHeadersNeverPointOutside) {
  const std::string good =
      R"({"__metadata__":{"k":"v"},)"
      R"("a":{"dtype":"BF16","shape":[3,1],"data_offsets":[0,6]},)"
      R"("b":{"dtype":"I64","shape":[],"data_offsets":[6,14]}})";
  ASSERT_TRUE(ParseSafetensorsHeader(good, 14).ok());
  std::mt19937 random(11);
  const std::string alphabet = "{}[]\",:0123456789-.eE\\u ab\xff";
  for (int round = 0; round < 20000; ++round) {
    std::string header = good;
    for (int change = random() % 4; change >= 0; --change) {
      const size_t at = random() % header.size();
      const char with = alphabet[random() % alphabet.size()];
      switch (random() % 3) {
        case 0:
          header[at] = with;
          break;
        case 1:
          header.insert(at, 1, with);
          break;
        default:
          header.erase(at, 1 + random() % 3);
      }
    }
    const auto parsed = ParseSafetensorsHeader(header, 14);
    if (!parsed.ok()) continue;
    for (const auto& [name, tensor] : *parsed) {
      EXPECT_GE(tensor.offset, 0);
      EXPECT_LE(tensor.offset + tensor.num_bytes, 14);
    }
  }
}

}  // namespace
}  // namespace tandem
