#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/status/statusor.h"
#include "common/dtype.h"
#include "common/model_config.h"
#include "common/weight_source.h"
#include "kernels/linear.h"

namespace tandem {

// Of a LayerNorm, or of an RMS norm: then without bias.
struct NormWeight {
  at::Tensor weight;  // [size]
  at::Tensor bias;    // [size] or undefined
};

// V is the tower's hidden_size.
struct InternVitLayer {
  NormWeight norm1;
  LinearWeight qkv;           // [3V, V]: q, k, v
  at::Tensor q_norm, k_norm;  // [V]; undefined where the model has none
  LinearWeight proj;          // [V, V]
  at::Tensor ls1;             // [V]
  NormWeight norm2;
  LinearWeight fc1;  // [intermediate_size, V]
  LinearWeight fc2;  // [V, intermediate_size]
  at::Tensor ls2;    // [V]
};

struct InternVitWeights {
  LinearWeight patch_embedding;   // [V, 3 * patch_size^2]
  at::Tensor class_embedding;     // [1, V]
  at::Tensor position_embedding;  // [num_positions, V], the class token's first
  std::vector<InternVitLayer> layers;
  NormWeight projector_norm;  // [4V]
  LinearWeight projector_1;   // [text hidden_size, 4V]
  LinearWeight projector_2;   // [text hidden_size, text hidden_size]
};

// Reads the tensors of the vision tower and the projector. Errors as in
// MakeVisionEncoder.
absl::StatusOr<InternVitWeights> LoadInternVit(const WeightSource& source,
                                               const ModelConfig& config,
                                               DType dtype, at::Device device);

}  // namespace tandem
