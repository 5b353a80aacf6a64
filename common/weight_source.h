#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/dtype.h"
#include "common/model_config.h"

namespace tandem {

// What a service needs of a model: the vision tower and the projector, the
// language model, or both.
enum class WeightSet { kVision, kLanguage, kAll };

// Where weights come from, a slice of rows at a time, so that no tensor is ever
// whole in host memory on its way to its place.
//
// Names are canonical: those of the CUSTOM layout ("vision_model.encoder.
// layers.0.attn.qkv.weight", "mlp1.1.weight", "language_model.model.layers.0.
// self_attn.q_proj.weight", "language_model.lm_head.weight"). Another layout's
// spelling, its separate q, k and v, and a missing lm_head (the embedding table
// stands in) are the source's business.
//
// A tensor's row is everything behind its first dimension. Thread-safe.
class WeightSource {
 public:
  virtual ~WeightSource() = default;

  virtual bool Has(absl::string_view name) const = 0;

  // NOT_FOUND, naming the tensor and the directory.
  virtual absl::StatusOr<std::vector<int64_t>> Shape(
      absl::string_view name) const = 0;

  // Writes rows [first_row, first_row + num_rows), converted to `dtype`
  // (kFloat32 or kBFloat16, rounded to nearest even), densely to `out`.
  //
  // NOT_FOUND as above; OUT_OF_RANGE for rows beyond the tensor; DATA_LOSS
  // where the file is shorter than its header says, naming it.
  virtual absl::Status ReadRows(absl::string_view name, int64_t first_row,
                                int64_t num_rows, DType dtype,
                                void* out) const = 0;

  // Hex SHA-256 that two services compare before they work together: over the
  // configuration that shapes the embeddings and every vision and projector
  // tensor's shape, stored dtype, first and last 4 KiB. NOT_FOUND where a
  // checkpoint opened for the language model lacks one of them.
  virtual absl::StatusOr<std::string> VisionFingerprint() const = 0;
};

// Opens the checkpoint in `directory`: model.safetensors, or the shards that
// model.safetensors.index.json names. Reads and checks headers alone: every
// malformed file is refused with its name before anything is allocated for it.
// The tensors of `set` must all be there, and every tensor that is there must
// be one of the configuration's, with its shape. Shards that hold none of the
// vision tensors may be missing where `set` is kVision.
//
// NOT_FOUND, INVALID_ARGUMENT or FAILED_PRECONDITION, naming file and tensor.
absl::StatusOr<std::unique_ptr<WeightSource>> OpenCheckpoint(
    const std::string& directory, const ModelConfig& config,
    WeightSet set = WeightSet::kAll);

// Seeded noise in the shapes of `config`, at the size real weights have, for
// tests of speed and memory. The same seed gives the same weights, whatever the
// slices.
std::unique_ptr<WeightSource> MakeRandomWeights(const ModelConfig& config,
                                                uint64_t seed);

// Told how far loading is; called from the loading thread. Bytes are those of
// the weights as the configuration says they are stored.
class LoadProgress {
 public:
  virtual ~LoadProgress() = default;
  virtual void Advance(int64_t bytes_done, int64_t bytes_total) = 0;
};

// A view of `source` that tells `progress` about each read, as a share of all
// weights of `set`. Both must outlive it. Reads through it come from one
// thread.
std::unique_ptr<WeightSource> WithProgress(const WeightSource& source,
                                           const ModelConfig& config,
                                           WeightSet set,
                                           LoadProgress& progress);

}  // namespace tandem
