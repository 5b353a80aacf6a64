#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/weight_source.h"

namespace tandem {

// A checkpoint in memory. Remembers how it was read.
class FakeWeightSource : public WeightSource {
 public:
  static at::Tensor Ones(const std::vector<int64_t>& sizes) {
    return at::ones(sizes, at::TensorOptions().dtype(at::kFloat));
  }

  void Add(const std::string& name, const at::Tensor& tensor) {
    tensors_[name] = tensor.contiguous();
  }

  bool Has(absl::string_view name) const override {
    return tensors_.count(std::string(name)) > 0;
  }

  absl::StatusOr<std::vector<int64_t>> Shape(
      absl::string_view name) const override {
    if (!Has(name))
      return absl::NotFoundError(absl::StrCat("no tensor ", name));
    return tensors_.at(std::string(name)).sizes().vec();
  }

  absl::Status ReadRows(absl::string_view name, int64_t first_row,
                        int64_t num_rows, DType dtype,
                        void* out) const override {
    if (!read_error.ok()) return read_error;
    const auto type = dtype == DType::kFloat32 ? at::kFloat : at::kBFloat16;
    const at::Tensor rows = tensors_.at(std::string(name))
                                .narrow(0, first_row, num_rows)
                                .to(type)
                                .contiguous();
    std::memcpy(out, rows.data_ptr(), rows.nbytes());
    ++num_reads_;
    most_bytes_read_ = std::max(most_bytes_read_, rows.nbytes());
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> VisionFingerprint() const override {
    return std::string(64, '0');
  }

  int num_reads() const { return num_reads_; }
  size_t most_bytes_read() const { return most_bytes_read_; }

  absl::Status read_error;

 private:
  std::map<std::string, at::Tensor> tensors_;
  mutable int num_reads_ = 0;
  mutable size_t most_bytes_read_ = 0;
};

}  // namespace tandem
