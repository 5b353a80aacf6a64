#include "common/safetensors_header.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using nlohmann::json;
using Tensors = std::map<std::string, StoredTensor, std::less<>>;

// Bytes of one element; 0 for a type that we do not know.
int64_t StoredElementSize(absl::string_view dtype) {
  static constexpr std::pair<absl::string_view, int64_t> kSizes[] = {
      {"BF16", 2}, {"F16", 2}, {"F32", 4},     {"F64", 8},     {"BOOL", 1},
      {"I8", 1},   {"U8", 1},  {"I16", 2},     {"U16", 2},     {"I32", 4},
      {"U32", 4},  {"I64", 8}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"U64", 8}};
  for (const auto& [name, size] : kSizes) {
    if (name == dtype) return size;
  }
  return 0;
}

// A name from a file as it may appear in a message.
std::string Quoted(absl::string_view name) {
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(name.substr(0, 256)),
                      "\"");
}

// Receives the header token by token and accepts this shape alone:
//   {"__metadata__": {string: string}, name: {"dtype": string,
//    "shape": [int...], "data_offsets": [int, int]}, ...}
class HeaderHandler final : public json::json_sax_t {
 public:
  bool start_object(std::size_t) override {
    if (depth_ == 0 && !began_) {
      began_ = true;
    } else if (depth_ != 1 || list_ != nullptr) {
      return Fail("is nested otherwise than the format says");
    }
    ++depth_;
    fields_.clear();
    return true;
  }

  bool key(std::string& name) override {
    if (depth_ == 1) return BeginTensor(name);
    if (fields_.size() == static_cast<size_t>(kMaxSafetensorsTensors)) {
      return Fail("has too many fields");
    }
    if (!fields_.insert(name).second) return Fail("appears twice", name);
    field_ = name;
    if (in_metadata_) return true;
    if (name == "dtype" || name == "shape" || name == "data_offsets")
      return true;
    return Fail("is no field of the format", name);
  }

  bool end_object() override {
    if (--depth_ == 0) return true;
    if (in_metadata_) return true;
    if (fields_.size() != 3) {
      return Fail("lacks one of dtype, shape, data_offsets");
    }
    if (offsets_.size() != 2) return Fail("data_offsets are not two");
    return AddTensor();
  }

  bool string(std::string& value) override {
    if (depth_ == 2 && in_metadata_) return true;
    if (depth_ != 2 || list_ != nullptr || field_ != "dtype") {
      return Fail("has a string where none belongs");
    }
    tensor_.dtype = std::move(value);
    return true;
  }

  bool start_array(std::size_t) override {
    const bool wanted = depth_ == 2 && !in_metadata_ && list_ == nullptr &&
                        (field_ == "shape" || field_ == "data_offsets");
    if (!wanted) return Fail("has a list where none belongs");
    list_ = field_ == "shape" ? &tensor_.shape : &offsets_;
    return true;
  }

  bool end_array() override {
    list_ = nullptr;
    return true;
  }

  bool number_unsigned(json::number_unsigned_t value) override {
    if (list_ == nullptr) return Fail("has a number where none belongs");
    if (value > static_cast<uint64_t>(INT64_MAX)) {
      return Fail(absl::StrCat(field_, " holds ", value, ", above 2^63"));
    }
    if (list_->size() == static_cast<size_t>(kMaxTensorRank)) {
      return Fail(absl::StrCat(field_, " is too long"));
    }
    list_->push_back(static_cast<int64_t>(value));
    return true;
  }

  bool number_integer(json::number_integer_t value) override {
    return Fail(absl::StrCat(field_, " holds the negative number ", value));
  }
  bool number_float(json::number_float_t, const std::string& text) override {
    return Fail(absl::StrCat(field_, " holds ", text.substr(0, 32),
                             ", which is no integer below 2^63"));
  }
  bool null() override { return Fail("has null where none belongs"); }
  bool boolean(bool) override { return Fail("has a boolean"); }
  bool binary(json::binary_t&) override { return Fail("has binary data"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    problem_ = absl::StrCat("header is not JSON at byte ", position);
    return false;
  }

  // What a failed parse was about.
  absl::Status status() const {
    return absl::InvalidArgumentError(
        problem_.empty() ? "header is not a JSON object" : problem_);
  }
  bool began() const { return began_; }
  Tensors TakeTensors() { return std::move(tensors_); }

 private:
  bool BeginTensor(const std::string& name) {
    name_ = name;
    in_metadata_ = name == "__metadata__";
    tensor_ = StoredTensor();
    offsets_.clear();
    if (tensors_.size() == static_cast<size_t>(kMaxSafetensorsTensors)) {
      return Fail(
          absl::StrCat("is more than ", kMaxSafetensorsTensors, " tensors"));
    }
    if (tensors_.contains(name) || (in_metadata_ && had_metadata_)) {
      return Fail("appears twice");
    }
    had_metadata_ = had_metadata_ || in_metadata_;
    return true;
  }

  bool AddTensor() {
    const int64_t element_size = StoredElementSize(tensor_.dtype);
    if (element_size == 0) {
      return Fail(
          absl::StrCat("has the unknown dtype ", Quoted(tensor_.dtype)));
    }
    int64_t num_bytes = element_size;
    for (int64_t dimension : tensor_.shape) {
      if (__builtin_mul_overflow(num_bytes, dimension, &num_bytes)) {
        return Fail("has a shape of more than 2^63 bytes");
      }
    }
    if (offsets_[1] < offsets_[0] || offsets_[1] - offsets_[0] != num_bytes) {
      return Fail(absl::StrCat("has ", num_bytes, " bytes by its shape but [",
                               offsets_[0], ", ", offsets_[1],
                               ") by its data_offsets"));
    }
    tensor_.offset = offsets_[0];
    tensor_.num_bytes = num_bytes;
    tensors_.emplace(std::move(name_), std::move(tensor_));
    return true;
  }

  bool Fail(absl::string_view problem) {
    problem_ = depth_ == 0
                   ? absl::StrCat("header ", problem)
                   : absl::StrCat("tensor ", Quoted(name_), " ", problem);
    return false;
  }
  bool Fail(absl::string_view problem, absl::string_view field) {
    return Fail(absl::StrCat(Quoted(field), " ", problem));
  }

  Tensors tensors_;
  std::string name_;                      // of the tensor being read
  StoredTensor tensor_;                   //
  std::vector<int64_t> offsets_;          //
  std::set<std::string> fields_;          // of the inner object seen so far
  std::string field_;                     // the last of them
  std::vector<int64_t>* list_ = nullptr;  // being filled
  std::string problem_;
  int depth_ = 0;
  bool began_ = false;
  bool in_metadata_ = false;
  bool had_metadata_ = false;
};

// Tensors must cover the data without a gap, in some order.
absl::Status CheckCoverage(const Tensors& tensors, int64_t data_size) {
  std::vector<const Tensors::value_type*> order;
  order.reserve(tensors.size());
  for (const auto& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.offset, a->second.num_bytes) <
           std::pair(b->second.offset, b->second.num_bytes);
  });
  int64_t end = 0;
  for (const auto* tensor : order) {
    const auto& [name, stored] = *tensor;
    // Written so that no sum can overflow.
    if (stored.offset > data_size ||
        stored.num_bytes > data_size - stored.offset) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor ", Quoted(name), " ends beyond the file: ", stored.num_bytes,
          " bytes at ", stored.offset, " of ", data_size));
    }
    if (stored.offset != end) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", Quoted(name), " begins at ", stored.offset,
                       stored.offset < end ? " and overlaps one that ends at "
                                           : ", leaving a hole from ",
                       end));
    }
    end += stored.num_bytes;
  }
  if (end == data_size) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "data goes on for ", data_size - end, " bytes after the last tensor"));
}

}  // namespace

absl::StatusOr<Tensors> ParseSafetensorsHeader(absl::string_view header,
                                               int64_t data_size) {
  HeaderHandler handler;
  const bool parsed = json::sax_parse(header.begin(), header.end(), &handler);
  if (!parsed || !handler.began()) return handler.status();
  Tensors tensors = handler.TakeTensors();
  TANDEM_RETURN_IF_ERROR(CheckCoverage(tensors, data_size));
  return tensors;
}

}  // namespace tandem
