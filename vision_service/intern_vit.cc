#include "vision_service/intern_vit.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "kernels/attention.h"
#include "kernels/device.h"
#include "kernels/extract_patches.h"
#include "kernels/gelu.h"
#include "kernels/host_staging.h"
#include "kernels/layer_norm.h"
#include "kernels/linear.h"
#include "kernels/pixel_shuffle.h"
#include "kernels/residual.h"
#include "kernels/rms_norm.h"
#include "kernels/scalar_type.h"
#include "kernels/torch_status.h"
#include "vision_service/intern_vit_weights.h"
#include "vision_service/tiles.h"

namespace tandem {
namespace {

// The projector's norm is a plain nn.LayerNorm(4V), unlike the tower's.
constexpr float kProjectorEpsilon = 1e-5f;

void Norm(const at::Tensor& x, const NormWeight& norm, float epsilon,
          at::Tensor& out) {
  if (norm.bias.defined()) {
    LayerNorm(x, norm.weight, norm.bias, epsilon, out);
  } else {
    RmsNorm(x, norm.weight, epsilon, out);
  }
}

// What one tile passes through; P positions, V the tower's width.
struct Workspace {
  at::Tensor pixels;    // [3, tile, tile], float32
  at::Tensor image;     // the same in the compute dtype
  at::Tensor patches;   // [P - 1, 3 * patch_size^2]
  at::Tensor hidden;    // [P, V]
  at::Tensor normed;    // [P, V]
  at::Tensor qkv;       // [P, 3V]
  at::Tensor attended;  // [P, V]
  at::Tensor branch;    // [P, V]
  at::Tensor wide;      // [P, intermediate_size]
  at::Tensor shuffled;  // [tokens_per_tile, 4V]
  at::Tensor inner;     // [tokens_per_tile, text hidden_size]
  at::Tensor out;       // [tokens_per_tile, text hidden_size]
};

Workspace MakeWorkspace(const ModelConfig& config, DType dtype,
                        at::Device device) {
  const VisionConfig& vision = config.vision;
  const auto options =
      at::TensorOptions().dtype(ToScalarType(dtype)).device(device);
  const int64_t tile = vision.image_size;
  const int64_t positions = vision.num_positions();
  const int64_t width = vision.hidden_size;
  const int64_t tokens = config.tokens_per_tile();
  const int64_t hidden = config.text.hidden_size;
  Workspace work;
  work.pixels = at::empty({3, tile, tile}, options.dtype(at::kFloat));
  work.image = at::empty({3, tile, tile}, options);
  work.patches = at::empty(
      {positions - 1, int64_t{3} * vision.patch_size * vision.patch_size},
      options);
  work.hidden = at::empty({positions, width}, options);
  work.normed = at::empty({positions, width}, options);
  work.qkv = at::empty({positions, 3 * width}, options);
  work.attended = at::empty({positions, width}, options);
  work.branch = at::empty({positions, width}, options);
  work.wide = at::empty({positions, vision.intermediate_size}, options);
  work.shuffled = at::empty({tokens, config.projector_input_size()}, options);
  work.inner = at::empty({tokens, hidden}, options);
  work.out = at::empty({tokens, hidden}, options);
  return work;
}

absl::Status CheckFinite(absl::string_view bytes, DType dtype) {
  if (!HasNonFinite(dtype, bytes)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInternal, reason::kNumericFault,
                   "the embeddings of a tile hold NaN or infinity");
}

class InternVit final : public VisionEncoder {
 public:
  InternVit(const ModelConfig& config, VisionEncoderOptions options,
            InternVitWeights weights, Workspace work, at::Device device)
      : vision_(config.vision),
        observer_(std::move(options.observer)),
        format_{.dtype = options.dtype,
                .tokens_per_tile = config.tokens_per_tile(),
                .hidden_size = config.text.hidden_size,
                .fingerprint = std::move(options.fingerprint)},
        weights_(std::move(weights)),
        work_(std::move(work)),
        staging_(device) {}

  const EmbeddingFormat& format() const override { return format_; }
  absl::StatusOr<std::string> Encode(const RgbImage& tile) override;

 private:
  void Embed();
  void Attend(const InternVitLayer& layer);
  void Mlp(const InternVitLayer& layer);
  void Project();
  std::string OutputBytes();

  at::Tensor WithoutClassToken() const {
    return work_.hidden.narrow(0, 1, vision_.num_positions() - 1);
  }
  void Observe(absl::string_view stage, const at::Tensor& values) const {
    if (observer_ != nullptr) observer_(stage, values);
  }

  const VisionConfig vision_;
  const std::function<void(absl::string_view, const at::Tensor&)> observer_;
  const EmbeddingFormat format_;
  const InternVitWeights weights_;
  Workspace work_;
  HostStaging staging_;
};

absl::StatusOr<std::string> InternVit::Encode(const RgbImage& tile) {
  if (tile.width != vision_.image_size || tile.height != vision_.image_size) {
    return MakeError(
        absl::StatusCode::kInternal, reason::kInternal,
        absl::StrCat("a tile is ", tile.width, "x", tile.height,
                     " pixels, the model's are ", vision_.image_size));
  }
  std::string bytes;
  TANDEM_RETURN_IF_ERROR(TorchToStatus([&] {
    NormalizeTile(tile, reinterpret_cast<float*>(staging_.Room(
                            static_cast<int64_t>(work_.pixels.nbytes()))));
    staging_.Upload(work_.pixels);
    work_.image.copy_(work_.pixels);
    Embed();
    for (size_t i = 0; i < weights_.layers.size(); ++i) {
      Attend(weights_.layers[i]);
      Mlp(weights_.layers[i]);
      Observe(absl::StrCat("vision.layer.", i), work_.hidden);
    }
    Project();
    bytes = OutputBytes();
    return absl::OkStatus();
  }));
  TANDEM_RETURN_IF_ERROR(CheckFinite(bytes, format_.dtype));
  return bytes;
}

void InternVit::Embed() {
  ExtractPatches(work_.image, vision_.patch_size, work_.patches);
  at::Tensor rows = WithoutClassToken();
  Linear(work_.patches, weights_.patch_embedding, rows);
  Observe("vision.patch_embedding", rows);
  work_.hidden.narrow(0, 0, 1).copy_(weights_.class_embedding);
  AddResidual(weights_.position_embedding, work_.hidden);
  Observe("vision.embeddings", work_.hidden);
}

void InternVit::Attend(const InternVitLayer& layer) {
  const int64_t width = vision_.hidden_size;
  Norm(work_.hidden, layer.norm1, vision_.norm_epsilon, work_.normed);
  Linear(work_.normed, layer.qkv, work_.qkv);
  at::Tensor q = work_.qkv.narrow(1, 0, width);
  at::Tensor k = work_.qkv.narrow(1, width, width);
  if (vision_.qk_norm) {  // over all heads together
    RmsNorm(q, layer.q_norm, vision_.norm_epsilon, q);
    RmsNorm(k, layer.k_norm, vision_.norm_epsilon, k);
  }
  const auto by_head = [&](const at::Tensor& x) {
    return x.view({x.size(0), vision_.num_heads, vision_.head_dim()});
  };
  const float scale = 1 / std::sqrt(static_cast<float>(vision_.head_dim()));
  at::Tensor attended = by_head(work_.attended);
  BidirectionalAttention(by_head(q), by_head(k),
                         by_head(work_.qkv.narrow(1, 2 * width, width)), scale,
                         attended);
  Linear(work_.attended, layer.proj, work_.branch);
  AddScaledResidual(work_.branch, layer.ls1, work_.hidden);
}

void InternVit::Mlp(const InternVitLayer& layer) {
  Norm(work_.hidden, layer.norm2, vision_.norm_epsilon, work_.normed);
  Linear(work_.normed, layer.fc1, work_.wide);
  Gelu(work_.wide, work_.wide);
  Linear(work_.wide, layer.fc2, work_.branch);
  AddScaledResidual(work_.branch, layer.ls2, work_.hidden);
}

void InternVit::Project() {
  const at::Tensor rows = WithoutClassToken();
  Observe("vision.pre_shuffle", rows);
  PixelShuffle(rows, vision_.patches_per_side(), work_.shuffled);
  Observe("vision.post_shuffle", work_.shuffled);
  Norm(work_.shuffled, weights_.projector_norm, kProjectorEpsilon,
       work_.shuffled);
  Observe("projector.layer_norm", work_.shuffled);
  Linear(work_.shuffled, weights_.projector_1, work_.inner);
  Observe("projector.linear_1", work_.inner);
  Gelu(work_.inner, work_.inner);
  Observe("projector.gelu", work_.inner);
  Linear(work_.inner, weights_.projector_2, work_.out);
  Observe("projector.linear_2", work_.out);
}

std::string InternVit::OutputBytes() {
  return std::string(staging_.Download(work_.out), format_.tile_bytes());
}

}  // namespace

absl::StatusOr<std::unique_ptr<VisionEncoder>> MakeVisionEncoder(
    const WeightSource& source, const ModelConfig& config,
    VisionEncoderOptions options) {
  if (options.dtype == DType::kFloat16) {
    return absl::InvalidArgumentError(
        "dtype float16 is none to compute in: float32 or bfloat16");
  }
  TANDEM_ASSIGN_OR_RETURN(const at::Device device,
                          ParseDevice("--device", options.device));
  TANDEM_ASSIGN_OR_RETURN(InternVitWeights weights,
                          LoadInternVit(source, config, options.dtype, device));
  Workspace work;
  TANDEM_RETURN_IF_ERROR(TorchToStatus([&] {
    work = MakeWorkspace(config, options.dtype, device);
    return absl::OkStatus();
  }));
  return std::make_unique<InternVit>(
      config, std::move(options), std::move(weights), std::move(work), device);
}

}  // namespace tandem
