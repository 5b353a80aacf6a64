#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "kernels/load_tensor.h"
#include "kernels/scalar_type.h"
#include "llm_service/qwen2_model.h"

namespace tandem {
namespace {

int64_t QkvRows(const TextConfig& c) {
  return int64_t{c.num_heads + 2 * c.num_kv_heads} * c.head_dim;
}

}  // namespace

int64_t TextWeightBytes(const TextConfig& c, DType dtype) {
  const int64_t hidden = c.hidden_size;
  const int64_t layer = QkvRows(c) * (hidden + 1) +
                        hidden * c.num_heads * c.head_dim +
                        int64_t{3} * c.intermediate_size * hidden + 2 * hidden;
  const int64_t values =
      c.num_layers * layer + int64_t{2} * c.vocab_size * hidden + hidden;
  return values * static_cast<int64_t>(ElementSize(dtype));
}

// Reads one model's weights, name by name.
class Qwen2Model::Loader {
 public:
  Loader(const WeightSource& source, LoadProgress* progress, Qwen2Model& model)
      : source_(source),
        progress_(progress),
        model_(model),
        config_(model.config_),
        total_(TextWeightBytes(model.config_, model.options_.dtype)) {}

  absl::Status LoadAll() {
    const int64_t hidden = config_.hidden_size, vocab = config_.vocab_size;
    TANDEM_RETURN_IF_ERROR(LoadInto("model.embed_tokens.weight",
                                    {vocab, hidden}, model_.embed_tokens_));
    for (int i = 0; i < config_.num_layers; ++i) {
      TANDEM_RETURN_IF_ERROR(
          LoadLayer(absl::StrCat("model.layers.", i, "."), model_.layers_[i]));
    }
    TANDEM_RETURN_IF_ERROR(
        LoadInto("model.norm.weight", {hidden}, model_.norm_));
    return LoadInto({"lm_head"}, /*bias=*/false, vocab, hidden,
                    model_.lm_head_);
  }

 private:
  static constexpr char kPrefix[] = "language_model.";

  absl::Status LoadLayer(const std::string& name, Layer& layer) {
    const int64_t hidden = config_.hidden_size;
    const int64_t inner = config_.intermediate_size;
    const int64_t attended = int64_t{config_.num_heads} * config_.head_dim;
    const std::string attention = name + "self_attn.", mlp = name + "mlp.";
    TANDEM_RETURN_IF_ERROR(
        LoadInto(name + "input_layernorm.weight", {hidden}, layer.input_norm));
    TANDEM_RETURN_IF_ERROR(LoadInto(name + "post_attention_layernorm.weight",
                                    {hidden}, layer.post_attention_norm));
    TANDEM_RETURN_IF_ERROR(LoadInto(
        {attention + "q_proj", attention + "k_proj", attention + "v_proj"},
        /*bias=*/true, QkvRows(config_), hidden, layer.qkv));
    TANDEM_RETURN_IF_ERROR(LoadInto({attention + "o_proj"}, /*bias=*/false,
                                    hidden, attended, layer.o));
    TANDEM_RETURN_IF_ERROR(LoadInto({mlp + "gate_proj", mlp + "up_proj"},
                                    /*bias=*/false, 2 * inner, hidden,
                                    layer.gate_up));
    return LoadInto({mlp + "down_proj"}, /*bias=*/false, hidden, inner,
                    layer.down);
  }

  absl::Status LoadInto(const std::string& name, at::IntArrayRef shape,
                        at::Tensor& tensor) {
    TANDEM_ASSIGN_OR_RETURN(
        tensor, LoadTensor(source_, kPrefix + name, shape,
                           model_.options_.dtype, model_.options_.device));
    Advance(static_cast<int64_t>(tensor.nbytes()));
    return absl::OkStatus();
  }

  // Modules stacked by rows.
  absl::Status LoadInto(std::initializer_list<std::string> modules, bool bias,
                        int64_t out, int64_t in, LinearWeight& weight) {
    std::vector<std::string> weights, biases;
    for (const std::string& module : modules) {
      weights.push_back(absl::StrCat(kPrefix, module, ".weight"));
      if (bias) biases.push_back(absl::StrCat(kPrefix, module, ".bias"));
    }
    TANDEM_ASSIGN_OR_RETURN(
        weight,
        LinearWeight::Load(source_, weights, biases, out, in,
                           model_.options_.dtype, model_.options_.device));
    const auto item = static_cast<int64_t>(ElementSize(model_.options_.dtype));
    Advance(out * (in + (bias ? 1 : 0)) * item);
    return absl::OkStatus();
  }

  void Advance(int64_t bytes) {
    done_ += bytes;
    if (progress_ != nullptr) progress_->Advance(done_, total_);
  }

  const WeightSource& source_;
  LoadProgress* const progress_;
  Qwen2Model& model_;
  const TextConfig& config_;
  const int64_t total_;
  int64_t done_ = 0;
};

absl::StatusOr<std::unique_ptr<Qwen2Model>> Qwen2Model::Load(
    const TextConfig& config, const WeightSource& source, Options options,
    LoadProgress* progress) {
  // Not make_unique: the constructor is private.
  std::unique_ptr<Qwen2Model> model(new Qwen2Model(config, std::move(options)));
  TANDEM_RETURN_IF_ERROR(Loader(source, progress, *model).LoadAll());
  return model;
}

}  // namespace tandem
