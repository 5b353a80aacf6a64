#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/convert_values.h"
#include "common/model_tensors.h"
#include "common/sha256.h"
#include "common/status_macros.h"
#include "common/vision_fingerprint.h"
#include "common/weight_source.h"

namespace tandem {
namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio

// The finishing steps of SplitMix64: every bit of the result depends on every
// bit of `x`. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number
// generators", OOPSLA 2014.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// FNV-1a, 64 bits: the same on every machine, which std::hash need not be.
uint64_t HashName(absl::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

// Values are uniform in centre -/+ spread.
struct Range {
  float centre;
  float spread;
};

Range RangeOf(absl::string_view name) {
  const bool norm =
      absl::StrContains(name, "norm") || absl::StartsWith(name, "mlp1.0.");
  if (norm && absl::EndsWith(name, ".weight")) return {1.0f, 0.1f};
  if (absl::EndsWith(name, ".ls1") || absl::EndsWith(name, ".ls2")) {
    return {0.1f, 0.01f};
  }
  return {0.0f, 0.035f};  // standard deviation 0.02
}

constexpr int64_t kLanes = 4;   // values from one mixed counter
constexpr int64_t kRun = 1024;  // values made together; a multiple of kLanes

// Values [first, first + kRun) of the tensor that `key` stands for; `first` is
// a multiple of kRun. Each has 16 random bits, twice what bfloat16 keeps.
void FillRun(uint64_t key, int64_t first, Range range, float* out) {
  const float step = range.spread * 0x1p-15f;
  for (int64_t i = 0; i < kRun; i += kLanes) {
    const uint64_t bits = Mix(key + (first + i) / kLanes * kGolden);
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const auto value = static_cast<int16_t>(bits >> (16 * lane));
      out[i + lane] = range.centre + step * value;
    }
  }
}

class RandomWeights final : public WeightSource {
 public:
  RandomWeights(const ModelConfig& config, uint64_t seed)
      : config_(config), seed_(seed) {
    for (ModelTensor& tensor : ModelTensors(config, WeightSet::kAll)) {
      shapes_.emplace(std::move(tensor.name), std::move(tensor.shape));
    }
  }

  bool Has(absl::string_view name) const override {
    return shapes_.find(name) != shapes_.end();
  }

  absl::StatusOr<std::vector<int64_t>> Shape(
      absl::string_view name) const override {
    const auto found = shapes_.find(name);
    if (found != shapes_.end()) return found->second;
    return absl::NotFoundError(
        absl::StrCat("random weights: no tensor \"", name, "\""));
  }

  absl::Status ReadRows(absl::string_view name, int64_t first_row,
                        int64_t num_rows, DType dtype,
                        void* out) const override;

  absl::StatusOr<std::string> VisionFingerprint() const override {
    return Sha256Hex(absl::StrCat(VisionConfigText(config_), "random weights ",
                                  seed_, "\n"));
  }

 private:
  const ModelConfig config_;
  const uint64_t seed_;
  std::map<std::string, std::vector<int64_t>, std::less<>> shapes_;
};

absl::Status RandomWeights::ReadRows(absl::string_view name, int64_t first_row,
                                     int64_t num_rows, DType dtype,
                                     void* out) const {
  TANDEM_ASSIGN_OR_RETURN(const std::vector<int64_t> shape, Shape(name));
  if (first_row < 0 || num_rows < 0 || num_rows > shape[0] - first_row) {
    return absl::OutOfRangeError(absl::StrCat("rows ", first_row, " + ",
                                              num_rows, " of \"", name,
                                              "\", which has ", shape[0]));
  }
  int64_t row = 1;
  for (size_t i = 1; i < shape.size(); ++i) row *= shape[i];

  const Range range = RangeOf(name);
  const uint64_t key = Mix(seed_ + kGolden) ^ HashName(name);
  char* target = static_cast<char*>(out);
  const int64_t end = (first_row + num_rows) * row;
  for (int64_t first = first_row * row; first < end;) {
    float values[kRun];
    const int64_t run_begin = first / kRun * kRun;
    const int64_t count = std::min(run_begin + kRun, end) - first;
    FillRun(key, run_begin, range, values);
    ConvertValues(values + (first - run_begin), DType::kFloat32, count, dtype,
                  target);
    target += count * ElementSize(dtype);
    first += count;
  }
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<WeightSource> MakeRandomWeights(const ModelConfig& config,
                                                uint64_t seed) {
  return std::make_unique<RandomWeights>(config, seed);
}

}  // namespace tandem
