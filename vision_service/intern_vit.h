#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/dtype.h"
#include "common/model_config.h"
#include "common/weight_source.h"
#include "vision_service/vision_encoder.h"

namespace at {
class Tensor;
}

namespace tandem {

struct VisionEncoderOptions {
  // Of weights, activations and the embeddings: kFloat32 or kBFloat16.
  DType dtype = DType::kBFloat16;
  std::string device = "cpu";
  std::string fingerprint = {};  // for VisionEncoder::format()
  // For tests and probes: told the name and the values, [tokens, size], of each
  // stage when it is done, in this order: "vision.patch_embedding",
  // "vision.embeddings", "vision.layer.N", "vision.pre_shuffle",
  // "vision.post_shuffle", "projector.layer_norm", "projector.linear_1",
  // "projector.gelu", "projector.linear_2". The tensor is the encoder's own and
  // is overwritten later.
  std::function<void(absl::string_view stage, const at::Tensor& values)>
      observer = nullptr;
};

// InternViT, pixel shuffle and projector with the weights of `source`, read
// here; `source` is not used afterwards. Of each tensor at most 16 MiB are held
// beside the weights.
//
//   h = patches x W + b with the class token in front, + positions
//   h = h + ls1 * attention(norm1(h));  h = h + ls2 * mlp(norm2(h))   each
//   layer out = linear(gelu(linear(layer_norm(pixel_shuffle(h without class
//   token)))))
//
// Norms are LayerNorm or, for the 6B tower, RMSNorm, there over q and k of all
// heads together too. No norm follows the last layer. Values are rounded to
// `dtype` where the reference rounds them: after every operation.
//
// What `source` answers; INVALID_ARGUMENT for a dtype or a device that cannot
// be; FAILED_PRECONDITION for a tensor of the wrong size, such as a position
// table for another grid; RESOURCE_EXHAUSTED DEVICE_OUT_OF_MEMORY.
// Source: modeling_intern_vit.py and extract_feature of
// modeling_internvl_chat.py in the InternVL release; arXiv:2404.16821.
absl::StatusOr<std::unique_ptr<VisionEncoder>> MakeVisionEncoder(
    const WeightSource& source, const ModelConfig& config,
    VisionEncoderOptions options);

}  // namespace tandem
