#include "common/vision_fingerprint.h"

#include "absl/strings/str_format.h"

namespace tandem {

std::string VisionConfigText(const ModelConfig& config) {
  const VisionConfig& vision = config.vision;
  return absl::StrFormat(
      "tandem vision fingerprint 1\n"
      "hidden_size %d\nnum_layers %d\nnum_heads %d\nintermediate_size %d\n"
      "patch_size %d\nimage_size %d\nrms_norm %d\nnorm_epsilon %.9g\n"
      "qkv_bias %d\nqk_norm %d\ndownsample_ratio %.17g\ntext_hidden_size %d\n",
      vision.hidden_size, vision.num_layers, vision.num_heads,
      vision.intermediate_size, vision.patch_size, vision.image_size,
      vision.rms_norm, vision.norm_epsilon, vision.qkv_bias, vision.qk_norm,
      config.downsample_ratio, config.text.hidden_size);
}

}  // namespace tandem
