#include <algorithm>
#include <string>
#include <utility>

#include "common/model_tensors.h"
#include "common/status_macros.h"
#include "common/weight_source.h"

namespace tandem {
namespace {

class WithProgressSource final : public WeightSource {
 public:
  WithProgressSource(const WeightSource& source, int64_t bytes_total,
                     int64_t value_bytes, LoadProgress& progress)
      : source_(source),
        bytes_total_(bytes_total),
        value_bytes_(value_bytes),
        progress_(progress) {}

  bool Has(absl::string_view name) const override { return source_.Has(name); }

  absl::StatusOr<std::vector<int64_t>> Shape(
      absl::string_view name) const override {
    return source_.Shape(name);
  }

  absl::Status ReadRows(absl::string_view name, int64_t first_row,
                        int64_t num_rows, DType dtype,
                        void* out) const override {
    TANDEM_RETURN_IF_ERROR(
        source_.ReadRows(name, first_row, num_rows, dtype, out));
    TANDEM_ASSIGN_OR_RETURN(std::vector<int64_t> shape, source_.Shape(name));
    shape[0] = num_rows;
    bytes_done_ +=
        ModelTensor{{}, std::move(shape)}.num_values() * value_bytes_;
    // A tensor may be read twice; more than everything is never shown.
    progress_.Advance(std::min(bytes_done_, bytes_total_), bytes_total_);
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> VisionFingerprint() const override {
    return source_.VisionFingerprint();
  }

 private:
  const WeightSource& source_;
  const int64_t bytes_total_;
  const int64_t value_bytes_;
  LoadProgress& progress_;
  // Reads are const because they change nothing that a reader could see.
  mutable int64_t bytes_done_ = 0;
};

}  // namespace

std::unique_ptr<WeightSource> WithProgress(const WeightSource& source,
                                           const ModelConfig& config,
                                           WeightSet set,
                                           LoadProgress& progress) {
  const auto value_bytes =
      static_cast<int64_t>(ElementSize(config.stored_dtype));
  int64_t total = 0;
  for (const ModelTensor& tensor : ModelTensors(config, set)) {
    total += tensor.num_values() * value_bytes;
  }
  return std::make_unique<WithProgressSource>(source, total, value_bytes,
                                              progress);
}

}  // namespace tandem
