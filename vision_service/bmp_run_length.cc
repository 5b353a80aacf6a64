#include "vision_service/bmp_run_length.h"

#include <algorithm>
#include <utility>

#include "common/file_bytes.h"

namespace tandem {
namespace {

class RunLengthExpander {
 public:
  RunLengthExpander(absl::string_view data, size_t width, size_t height,
                    bool four_bits)
      : data_(data),
        width_(width),
        size_(width * height),
        four_bits_(four_bits) {
    indices_.reserve(size_);
  }

  std::string Expand() {
    while (indices_.size() < size_ && data_.size() >= 2) {
      const uint32_t count = LoadByte(data_, 0);
      const uint32_t value = LoadByte(data_, 1);
      data_.remove_prefix(2);
      if (count > 0) {
        Repeat(count, value);
      } else if (value == 0) {
        EndRow();
      } else if (value == 1) {
        break;
      } else if (value == 2) {
        Jump();
      } else {
        Copy(value);
      }
    }
    return std::move(indices_);
  }

 private:
  // Index `i` of a run or of literals that begin with `byte` at an even `i`.
  uint32_t Index(size_t i, uint32_t byte) const {
    if (!four_bits_) return byte;
    return i % 2 == 0 ? byte >> 4 : byte & 15;
  }

  void Append(uint32_t index) {
    if (indices_.size() < size_) indices_.push_back(static_cast<char>(index));
  }

  void AppendZeros(size_t count) {
    indices_.append(std::min(count, size_ - indices_.size()), '\0');
  }

  void Repeat(size_t count, uint32_t value) {
    count = std::min(count, width_ - std::min(x_, width_));
    for (size_t i = 0; i < count; ++i) Append(Index(i, value));
    x_ += count;
  }

  void EndRow() {
    AppendZeros((width_ - indices_.size() % width_) % width_);
    x_ = 0;
  }

  void Jump() {
    if (data_.size() < 2) return;
    AppendZeros(LoadByte(data_, 0) + LoadByte(data_, 1) * width_);
    data_.remove_prefix(2);
    x_ = indices_.size() % width_;
  }

  // Literal indices, padded to two bytes.
  void Copy(size_t count) {
    const size_t num_bytes = four_bits_ ? (count + 1) / 2 : count;
    const size_t there =
        std::min(count, data_.size() * (four_bits_ ? size_t{2} : size_t{1}));
    for (size_t i = 0; i < there; ++i) {
      Append(Index(i, LoadByte(data_, four_bits_ ? i / 2 : i)));
    }
    data_.remove_prefix(std::min(data_.size(), (num_bytes + 1) / 2 * 2));
    x_ += count;
  }

  absl::string_view data_;  // what is left of it
  const size_t width_;
  const size_t size_;  // pixels
  const bool four_bits_;
  size_t x_ = 0;  // in the row; beyond it where literals are too many
  std::string indices_;
};

}  // namespace

std::string ExpandBmpRunLengths(absl::string_view data, int width, int height,
                                bool four_bits) {
  return RunLengthExpander(data, width, height, four_bits).Expand();
}

}  // namespace tandem
