#include "tests/vision_service/golden.h"

#include "absl/strings/str_cat.h"
#include "common/convert_values.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

template <typename T>
absl::StatusOr<std::vector<T>> ReadValues(const SafetensorsFile& file,
                                          absl::string_view name,
                                          int64_t* last_dimension) {
  const auto found = file.tensors().find(name);
  if (found == file.tensors().end()) {
    return absl::NotFoundError(absl::StrCat(file.path(), ": no ", name));
  }
  std::vector<T> values(found->second.num_bytes / sizeof(T));
  TANDEM_RETURN_IF_ERROR(
      file.Read(found->second, 0,
                absl::MakeSpan(reinterpret_cast<char*>(values.data()),
                               values.size() * sizeof(T))));
  *last_dimension = found->second.shape.back();
  return values;
}

// Floats that the file keeps as float32 or bfloat16.
absl::StatusOr<std::vector<float>> ReadFloats(const SafetensorsFile& file,
                                              absl::string_view name,
                                              int64_t* last_dimension) {
  const auto found = file.tensors().find(name);
  if (found == file.tensors().end() || found->second.dtype != "BF16") {
    return ReadValues<float>(file, name, last_dimension);
  }
  TANDEM_ASSIGN_OR_RETURN(const std::vector<uint16_t> halves,
                          ReadValues<uint16_t>(file, name, last_dimension));
  std::vector<float> values(halves.size());
  ConvertValues(halves.data(), DType::kBFloat16, halves.size(), DType::kFloat32,
                values.data());
  return values;
}

}  // namespace

RgbImage SyntheticImage(int width, int height) {
  RgbImage image{.width = width, .height = height, .pixels = {}};
  image.pixels.reserve(size_t{3} * width * height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const int m = 31 * x + 17 * y + 13 * ((x * y) >> 3);
      for (int offset : {0, 89, 178}) {
        image.pixels.push_back(static_cast<uint8_t>(m + offset));
      }
    }
  }
  return image;
}

absl::StatusOr<GoldenStage> ReadGoldenStage(const SafetensorsFile& file,
                                            absl::string_view name) {
  GoldenStage stage;
  int64_t num_rows = 0;
  TANDEM_ASSIGN_OR_RETURN(
      stage.rows,
      ReadValues<int64_t>(file, absl::StrCat(name, ".rows"), &num_rows));
  TANDEM_ASSIGN_OR_RETURN(stage.values, ReadFloats(file, name, &stage.size));
  return stage;
}

}  // namespace tandem
