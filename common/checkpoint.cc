#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/convert_values.h"
#include "common/model_tensors.h"
#include "common/sha256.h"
#include "common/shards.h"
#include "common/status_macros.h"
#include "common/tensor_names.h"
#include "common/vision_fingerprint.h"
#include "common/weight_source.h"

namespace tandem {
namespace {

constexpr int64_t kFingerprintBytes = 4096;  // of each end of a tensor
constexpr size_t kScratchBytes = 64 << 10;   // stays in the second-level cache

// A stored tensor, or a run of rows of a canonical one.
struct Part {
  absl::string_view name;  // as stored
  const SafetensorsFile* file = nullptr;
  const StoredTensor* stored = nullptr;
};

// A canonical tensor: its parts, stacked by rows.
struct Tensor {
  DType dtype = DType::kFloat32;
  std::vector<int64_t> shape;
  std::vector<Part> parts;

  int64_t values_per_row() const {
    int64_t product = 1;
    for (size_t i = 1; i < shape.size(); ++i) product *= shape[i];
    return product;
  }
  int64_t num_bytes() const {
    return shape[0] * values_per_row() *
           static_cast<int64_t>(ElementSize(dtype));
  }
};

using Tensors = std::map<std::string, Tensor, std::less<>>;

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

// Messages about a part name its file.
absl::Status PartError(const Part& part, absl::string_view name,
                       absl::string_view problem) {
  return absl::FailedPreconditionError(
      absl::StrCat(part.file->path(), ": tensor \"",
                   absl::Utf8SafeCHexEscape(name), "\" ", problem));
}

// Sorts the stored tensors of all files by the place they belong to.
absl::StatusOr<Tensors> CollectParts(
    const std::vector<SafetensorsFile>& files) {
  Tensors tensors;
  for (const SafetensorsFile& file : files) {
    for (const auto& [stored_name, stored] : file.tensors()) {
      const auto place = PlaceOfTensor(stored_name);
      if (!place.has_value()) continue;
      const Part part = {stored_name, &file, &stored};
      std::vector<Part>& parts = tensors[place->name].parts;
      if (parts.empty()) parts.resize(place->num_parts);
      if (parts.size() != static_cast<size_t>(place->num_parts) ||
          parts[place->part].stored != nullptr) {
        return PartError(part, stored_name,
                         absl::StrCat("is there twice, as ", place->name));
      }
      parts[place->part] = part;
    }
  }
  return tensors;
}

// Fills in dtype and shape from the parts, which must fit onto each other.
absl::Status JoinParts(const std::string& listing, const std::string& name,
                       Tensor& tensor) {
  for (const Part& part : tensor.parts) {
    if (part.stored == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat(listing, ": lacks one of q, k, v of ", name));
    }
    const auto dtype = part.stored->weight_dtype();
    if (!dtype.has_value()) {
      return PartError(part, part.name,
                       absl::StrCat("has dtype ", part.stored->dtype,
                                    "; weights are BF16, F16 or F32"));
    }
    if (part.stored->num_bytes == 0) {
      return PartError(part, part.name, "holds no values");
    }
    const std::vector<int64_t>& shape = part.stored->shape;
    if (shape.empty()) {
      return PartError(part, part.name, "is a scalar; weights have rows");
    }
    if (tensor.shape.empty()) {
      tensor.dtype = *dtype;
      tensor.shape = shape;
      continue;
    }
    const bool fits = *dtype == tensor.dtype &&
                      std::equal(shape.begin() + 1, shape.end(),
                                 tensor.shape.begin() + 1, tensor.shape.end());
    if (!fits)
      return PartError(part, name, "has parts that do not fit together");
    tensor.shape[0] += shape[0];
  }
  return absl::OkStatus();
}

// Every tensor must be one that the configuration asks for, in its shape.
absl::Status CheckKnown(const ModelConfig& config, const Tensors& tensors) {
  std::map<std::string, std::vector<int64_t>> wanted;
  for (ModelTensor& tensor : ModelTensors(config, WeightSet::kAll)) {
    wanted.emplace(std::move(tensor.name), std::move(tensor.shape));
  }
  for (const auto& [name, tensor] : tensors) {
    const auto entry = wanted.find(name);
    if (entry == wanted.end()) {
      return PartError(tensor.parts[0], name,
                       "has no place in the model that config.json describes");
    }
    if (tensor.shape != entry->second) {
      return PartError(
          tensor.parts[0], name,
          absl::StrCat("is ", ShapeText(tensor.shape),
                       "; config.json asks for ", ShapeText(entry->second)));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckComplete(const std::string& listing,
                           const ModelConfig& config, WeightSet set,
                           const Tensors& tensors) {
  std::string first;
  int num_missing = 0;
  for (const ModelTensor& tensor : ModelTensors(config, set)) {
    if (tensors.contains(tensor.name)) continue;
    if (num_missing++ == 0) first = tensor.name;
  }
  if (num_missing == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(listing, ": lacks ", num_missing,
                   " of the model's tensors, the first is ", first));
}

class Checkpoint final : public WeightSource {
 public:
  Checkpoint(Shards shards, const ModelConfig& config)
      : shards_(std::move(shards)), config_(config) {}

  // Makes the rest of the object; nothing else is called if it fails.
  absl::Status Index(WeightSet set) {
    TANDEM_ASSIGN_OR_RETURN(tensors_, CollectParts(shards_.files));
    for (auto& [name, tensor] : tensors_) {
      TANDEM_RETURN_IF_ERROR(JoinParts(shards_.listing, name, tensor));
    }
    const auto embeddings = tensors_.find(kEmbedTokens);
    if (!tensors_.contains(kLmHead) && embeddings != tensors_.end()) {
      tensors_[kLmHead] = embeddings->second;
    }
    TANDEM_RETURN_IF_ERROR(CheckKnown(config_, tensors_));
    return CheckComplete(shards_.listing, config_, set, tensors_);
  }

  bool Has(absl::string_view name) const override {
    return tensors_.find(name) != tensors_.end();
  }

  absl::StatusOr<std::vector<int64_t>> Shape(
      absl::string_view name) const override {
    TANDEM_ASSIGN_OR_RETURN(const Tensor* tensor, Find(name));
    return tensor->shape;
  }

  absl::Status ReadRows(absl::string_view name, int64_t first_row,
                        int64_t num_rows, DType dtype,
                        void* out) const override;
  absl::StatusOr<std::string> VisionFingerprint() const override;

 private:
  absl::StatusOr<const Tensor*> Find(absl::string_view name) const {
    const auto found = tensors_.find(name);
    if (found != tensors_.end()) return &found->second;
    return absl::NotFoundError(
        absl::StrCat(shards_.listing, ": no tensor \"", name, "\""));
  }

  const Shards shards_;
  const ModelConfig config_;
  Tensors tensors_;  // point into shards_
};

// Values [first, first + count) of one part, as `dtype`.
absl::Status ReadValues(const Part& part, DType stored, int64_t first,
                        int64_t count, DType dtype, char* out) {
  const size_t stored_size = ElementSize(stored);
  if (stored == dtype) {
    return part.file->Read(*part.stored, first * stored_size,
                           absl::MakeSpan(out, count * stored_size));
  }
  std::array<char, kScratchBytes> scratch;
  const int64_t at_once = scratch.size() / stored_size;
  for (int64_t done = 0; done < count; done += at_once) {
    const int64_t some = std::min(at_once, count - done);
    TANDEM_RETURN_IF_ERROR(
        part.file->Read(*part.stored, (first + done) * stored_size,
                        absl::MakeSpan(scratch.data(), some * stored_size)));
    ConvertValues(scratch.data(), stored, some, dtype,
                  out + done * ElementSize(dtype));
  }
  return absl::OkStatus();
}

absl::Status Checkpoint::ReadRows(absl::string_view name, int64_t first_row,
                                  int64_t num_rows, DType dtype,
                                  void* out) const {
  TANDEM_ASSIGN_OR_RETURN(const Tensor* tensor, Find(name));
  if (first_row < 0 || num_rows < 0 ||
      num_rows > tensor->shape[0] - first_row) {
    return absl::OutOfRangeError(
        absl::StrCat("rows ", first_row, " + ", num_rows, " of \"", name,
                     "\", which has ", tensor->shape[0]));
  }
  const int64_t row = tensor->values_per_row();
  char* target = static_cast<char*>(out);
  int64_t part_begin = 0;
  for (const Part& part : tensor->parts) {
    const int64_t part_end = part_begin + part.stored->shape[0];
    const int64_t begin = std::max(first_row, part_begin);
    const int64_t end = std::min(first_row + num_rows, part_end);
    if (begin < end) {
      TANDEM_RETURN_IF_ERROR(ReadValues(part, tensor->dtype,
                                        (begin - part_begin) * row,
                                        (end - begin) * row, dtype, target));
      target += (end - begin) * row * ElementSize(dtype);
    }
    part_begin = part_end;
  }
  return absl::OkStatus();
}

// Bytes [offset, offset + out.size()) of the parts laid end to end.
absl::Status ReadStored(const Tensor& tensor, int64_t offset,
                        absl::Span<char> out) {
  for (const Part& part : tensor.parts) {
    const int64_t size = part.stored->num_bytes;
    if (offset < size) {
      const size_t some = std::min<int64_t>(out.size(), size - offset);
      TANDEM_RETURN_IF_ERROR(
          part.file->Read(*part.stored, offset, out.subspan(0, some)));
      out.remove_prefix(some);
      offset += some;
    }
    offset -= size;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Checkpoint::VisionFingerprint() const {
  Sha256 hash;
  hash.Add(VisionConfigText(config_));
  std::array<char, kFingerprintBytes> bytes;
  for (const ModelTensor& wanted : ModelTensors(config_, WeightSet::kVision)) {
    TANDEM_ASSIGN_OR_RETURN(const Tensor* tensor, Find(wanted.name));
    hash.Add(absl::StrCat(wanted.name, " ", ShapeText(tensor->shape), " ",
                          DTypeName(tensor->dtype), "\n"));
    const int64_t total = tensor->num_bytes();
    const int64_t size = std::min(total, kFingerprintBytes);
    for (int64_t offset : {int64_t{0}, total - size}) {
      TANDEM_RETURN_IF_ERROR(
          ReadStored(*tensor, offset, absl::MakeSpan(bytes.data(), size)));
      hash.Add(absl::string_view(bytes.data(), size));
    }
  }
  return hash.Hex();
}

}  // namespace

absl::StatusOr<std::unique_ptr<WeightSource>> OpenCheckpoint(
    const std::string& directory, const ModelConfig& config, WeightSet set) {
  TANDEM_ASSIGN_OR_RETURN(Shards shards, OpenShards(directory, set));
  auto checkpoint = std::make_unique<Checkpoint>(std::move(shards), config);
  TANDEM_RETURN_IF_ERROR(checkpoint->Index(set));
  return checkpoint;
}

}  // namespace tandem
