#include "vision_service/intern_vit_weights.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "kernels/load_tensor.h"

namespace tandem {
namespace {

// Reads tensors of one dtype onto one device.
class Loader {
 public:
  Loader(const WeightSource& source, DType dtype, at::Device device)
      : source_(source), dtype_(dtype), device_(device) {}

  absl::Status Vector(const std::string& name, int64_t size, at::Tensor& out) {
    return Matrix(name, {size}, out);
  }

  absl::Status Matrix(const std::string& name, at::IntArrayRef shape,
                      at::Tensor& out) {
    TANDEM_ASSIGN_OR_RETURN(out,
                            LoadTensor(source_, name, shape, dtype_, device_));
    return absl::OkStatus();
  }

  absl::Status Norm(const std::string& name, int64_t size, bool bias,
                    NormWeight& out) {
    TANDEM_RETURN_IF_ERROR(Vector(name + ".weight", size, out.weight));
    if (!bias) return absl::OkStatus();
    return Vector(name + ".bias", size, out.bias);
  }

  absl::Status Linear(const std::string& name, int64_t out_features,
                      int64_t in_features, bool bias, LinearWeight& out) {
    std::vector<std::string> biases;
    if (bias) biases.push_back(name + ".bias");
    TANDEM_ASSIGN_OR_RETURN(
        out, LinearWeight::Load(source_, {name + ".weight"}, biases,
                                out_features, in_features, dtype_, device_));
    return absl::OkStatus();
  }

 private:
  const WeightSource& source_;
  const DType dtype_;
  const at::Device device_;
};

absl::Status LoadAttention(Loader& load, const std::string& prefix,
                           const VisionConfig& vision, InternVitLayer& layer) {
  const int64_t width = vision.hidden_size;
  TANDEM_RETURN_IF_ERROR(
      load.Norm(prefix + "norm1", width, !vision.rms_norm, layer.norm1));
  TANDEM_RETURN_IF_ERROR(load.Linear(prefix + "attn.qkv", 3 * width, width,
                                     vision.qkv_bias, layer.qkv));
  if (vision.qk_norm) {
    TANDEM_RETURN_IF_ERROR(
        load.Vector(prefix + "attn.q_norm.weight", width, layer.q_norm));
    TANDEM_RETURN_IF_ERROR(
        load.Vector(prefix + "attn.k_norm.weight", width, layer.k_norm));
  }
  TANDEM_RETURN_IF_ERROR(load.Linear(prefix + "attn.proj", width, width,
                                     /*bias=*/true, layer.proj));
  return load.Vector(prefix + "ls1", width, layer.ls1);
}

absl::Status LoadMlp(Loader& load, const std::string& prefix,
                     const VisionConfig& vision, InternVitLayer& layer) {
  const int64_t width = vision.hidden_size;
  TANDEM_RETURN_IF_ERROR(
      load.Norm(prefix + "norm2", width, !vision.rms_norm, layer.norm2));
  TANDEM_RETURN_IF_ERROR(load.Linear(prefix + "mlp.fc1",
                                     vision.intermediate_size, width,
                                     /*bias=*/true, layer.fc1));
  TANDEM_RETURN_IF_ERROR(load.Linear(prefix + "mlp.fc2", width,
                                     vision.intermediate_size,
                                     /*bias=*/true, layer.fc2));
  return load.Vector(prefix + "ls2", width, layer.ls2);
}

absl::Status LoadEmbeddings(Loader& load, const VisionConfig& vision,
                            InternVitWeights& weights) {
  const std::string prefix = "vision_model.embeddings.";
  const int64_t width = vision.hidden_size;
  TANDEM_RETURN_IF_ERROR(
      load.Linear(prefix + "patch_embedding", width,
                  int64_t{3} * vision.patch_size * vision.patch_size,
                  /*bias=*/true, weights.patch_embedding));
  TANDEM_RETURN_IF_ERROR(load.Matrix(prefix + "class_embedding", {1, width},
                                     weights.class_embedding));
  return load.Matrix(prefix + "position_embedding",
                     {vision.num_positions(), width},
                     weights.position_embedding);
}

absl::Status LoadProjector(Loader& load, const ModelConfig& config,
                           InternVitWeights& weights) {
  const int64_t input = config.projector_input_size();
  const int64_t hidden = config.text.hidden_size;
  TANDEM_RETURN_IF_ERROR(
      load.Norm("mlp1.0", input, /*bias=*/true, weights.projector_norm));
  TANDEM_RETURN_IF_ERROR(
      load.Linear("mlp1.1", hidden, input, /*bias=*/true, weights.projector_1));
  return load.Linear("mlp1.3", hidden, hidden, /*bias=*/true,
                     weights.projector_2);
}

}  // namespace

absl::StatusOr<InternVitWeights> LoadInternVit(const WeightSource& source,
                                               const ModelConfig& config,
                                               DType dtype, at::Device device) {
  Loader load(source, dtype, device);
  InternVitWeights weights;
  TANDEM_RETURN_IF_ERROR(LoadEmbeddings(load, config.vision, weights));
  weights.layers.resize(config.vision.num_layers);
  for (int i = 0; i < config.vision.num_layers; ++i) {
    const std::string prefix =
        absl::StrCat("vision_model.encoder.layers.", i, ".");
    InternVitLayer& layer = weights.layers[i];
    TANDEM_RETURN_IF_ERROR(LoadAttention(load, prefix, config.vision, layer));
    TANDEM_RETURN_IF_ERROR(LoadMlp(load, prefix, config.vision, layer));
  }
  TANDEM_RETURN_IF_ERROR(LoadProjector(load, config, weights));
  return weights;
}

}  // namespace tandem
