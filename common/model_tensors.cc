#include "common/model_tensors.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tandem {
namespace {

using Shape = std::vector<int64_t>;

class TensorList {
 public:
  void Add(std::string name, Shape shape) {
    tensors_.push_back({std::move(name), std::move(shape)});
  }
  // `name`.weight [rows, columns] and, with `bias`, `name`.bias [rows].
  void AddLinear(const std::string& name, int64_t rows, int64_t columns,
                 bool bias) {
    Add(name + ".weight", {rows, columns});
    if (bias) Add(name + ".bias", {rows});
  }
  void AddNorm(const std::string& name, int64_t size, bool bias) {
    Add(name + ".weight", {size});
    if (bias) Add(name + ".bias", {size});
  }
  std::vector<ModelTensor> Take() { return std::move(tensors_); }

 private:
  std::vector<ModelTensor> tensors_;
};

void AddVisionLayer(const std::string& prefix, const VisionConfig& vision,
                    TensorList& list) {
  const int64_t width = vision.hidden_size;
  const bool norm_bias = !vision.rms_norm;
  list.AddNorm(prefix + "norm1", width, norm_bias);
  list.AddLinear(prefix + "attn.qkv", 3 * width, width, vision.qkv_bias);
  if (vision.qk_norm) {
    list.AddNorm(prefix + "attn.q_norm", width, /*bias=*/false);
    list.AddNorm(prefix + "attn.k_norm", width, /*bias=*/false);
  }
  list.AddLinear(prefix + "attn.proj", width, width, /*bias=*/true);
  list.Add(prefix + "ls1", {width});
  list.AddNorm(prefix + "norm2", width, norm_bias);
  list.AddLinear(prefix + "mlp.fc1", vision.intermediate_size, width,
                 /*bias=*/true);
  list.AddLinear(prefix + "mlp.fc2", width, vision.intermediate_size,
                 /*bias=*/true);
  list.Add(prefix + "ls2", {width});
}

void AddVision(const ModelConfig& config, TensorList& list) {
  const VisionConfig& vision = config.vision;
  const int64_t width = vision.hidden_size;
  const std::string embeddings = "vision_model.embeddings.";
  list.Add(embeddings + "class_embedding", {1, 1, width});
  list.Add(embeddings + "patch_embedding.weight",
           {width, 3, vision.patch_size, vision.patch_size});
  list.Add(embeddings + "patch_embedding.bias", {width});
  list.Add(embeddings + "position_embedding",
           {1, vision.num_positions(), width});
  for (int layer = 0; layer < vision.num_layers; ++layer) {
    AddVisionLayer(absl::StrCat("vision_model.encoder.layers.", layer, "."),
                   vision, list);
  }
  const int64_t hidden = config.text.hidden_size;
  list.AddNorm("mlp1.0", config.projector_input_size(), /*bias=*/true);
  list.AddLinear("mlp1.1", hidden, config.projector_input_size(),
                 /*bias=*/true);
  list.AddLinear("mlp1.3", hidden, hidden, /*bias=*/true);
}

void AddTextLayer(const std::string& prefix, const TextConfig& text,
                  TensorList& list) {
  const int64_t hidden = text.hidden_size;
  const int64_t q_size = int64_t{text.num_heads} * text.head_dim;
  const int64_t kv_size = int64_t{text.num_kv_heads} * text.head_dim;
  list.AddNorm(prefix + "input_layernorm", hidden, /*bias=*/false);
  list.AddLinear(prefix + "self_attn.q_proj", q_size, hidden, /*bias=*/true);
  list.AddLinear(prefix + "self_attn.k_proj", kv_size, hidden, /*bias=*/true);
  list.AddLinear(prefix + "self_attn.v_proj", kv_size, hidden, /*bias=*/true);
  list.AddLinear(prefix + "self_attn.o_proj", hidden, q_size, /*bias=*/false);
  list.AddNorm(prefix + "post_attention_layernorm", hidden, /*bias=*/false);
  list.AddLinear(prefix + "mlp.gate_proj", text.intermediate_size, hidden,
                 /*bias=*/false);
  list.AddLinear(prefix + "mlp.up_proj", text.intermediate_size, hidden,
                 /*bias=*/false);
  list.AddLinear(prefix + "mlp.down_proj", hidden, text.intermediate_size,
                 /*bias=*/false);
}

void AddText(const TextConfig& text, TensorList& list) {
  list.Add(kEmbedTokens, {text.vocab_size, text.hidden_size});
  for (int layer = 0; layer < text.num_layers; ++layer) {
    AddTextLayer(absl::StrCat("language_model.model.layers.", layer, "."), text,
                 list);
  }
  list.AddNorm("language_model.model.norm", text.hidden_size, /*bias=*/false);
  list.Add(kLmHead, {text.vocab_size, text.hidden_size});
}

}  // namespace

int64_t ModelTensor::num_values() const {
  int64_t product = 1;
  for (int64_t dimension : shape) product *= dimension;
  return product;
}

std::vector<ModelTensor> ModelTensors(const ModelConfig& config,
                                      WeightSet set) {
  TensorList list;
  if (set != WeightSet::kLanguage) AddVision(config, list);
  if (set != WeightSet::kVision) AddText(config.text, list);
  return list.Take();
}

bool IsVisionTensor(absl::string_view name) {
  return absl::StartsWith(name, "vision_model.") ||
         absl::StartsWith(name, "mlp1.");
}

}  // namespace tandem
