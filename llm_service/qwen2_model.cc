#include "llm_service/qwen2_model.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/convert_values.h"
#include "kernels/attention.h"
#include "kernels/embedding_lookup.h"
#include "kernels/residual.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/silu_mul.h"

namespace tandem {

Qwen2Model::Qwen2Model(const TextConfig& config, Options options)
    : config_(config),
      options_(std::move(options)),
      layers_(config.num_layers),
      staging_(options_.device) {}

at::Tensor Qwen2Model::Buffer(const char* name, int64_t rows, int64_t columns) {
  at::Tensor& buffer = buffers_[name];
  if (!buffer.defined() || buffer.size(0) < rows) {
    buffer = at::Tensor();  // free first
    buffer = at::empty({rows, columns}, embed_tokens_.options());
  }
  return buffer.narrow(0, 0, rows);
}

void Qwen2Model::Observe(absl::string_view name,
                         const at::Tensor& value) const {
  if (options_.observer) options_.observer(name, value);
}

void Qwen2Model::EmbedTokens(const StepTensors& step,
                             absl::Span<const EmbeddingRows> embeddings,
                             at::Tensor& hidden) {
  EmbeddingLookup(step.token_ids, embed_tokens_, hidden);
  for (const EmbeddingRows& rows : embeddings) {
    at::Tensor to = hidden.narrow(0, rows.first_slot, rows.num_rows);
    ConvertValues(rows.data, rows.dtype, to.numel(), options_.dtype,
                  staging_.Room(static_cast<int64_t>(to.nbytes())));
    staging_.Upload(to);
  }
  Observe("inputs_embeds", hidden);
}

at::Tensor Qwen2Model::Attend(const Layer& layer, const StepTensors& step,
                              const at::Tensor& cos, const at::Tensor& sin,
                              at::Tensor& keys, at::Tensor& values,
                              const at::Tensor& hidden) {
  const int64_t tokens = hidden.size(0), dim = config_.head_dim;
  const int64_t heads = config_.num_heads, kv_heads = config_.num_kv_heads;
  at::Tensor x = Buffer("x", tokens, config_.hidden_size);
  RmsNorm(hidden, layer.input_norm, config_.norm_epsilon, x);
  at::Tensor qkv = Buffer("qkv", tokens, (heads + 2 * kv_heads) * dim);
  Linear(x, layer.qkv, qkv);
  const at::Tensor by_head = qkv.view({tokens, heads + 2 * kv_heads, dim});
  const at::Tensor q = by_head.narrow(1, 0, heads);
  const at::Tensor k = by_head.narrow(1, heads, kv_heads);
  const at::Tensor v = by_head.narrow(1, heads + kv_heads, kv_heads);
  at::Tensor rotated = by_head.narrow(1, 0, heads + kv_heads);  // q and k
  ApplyRope(cos, sin, rotated);
  WriteKv(k, v, step.kv_slots, keys, values);
  at::Tensor attended = Buffer("attended", tokens, heads * dim);
  at::Tensor attended_heads = attended.view({tokens, heads, dim});
  const float scale = 1 / std::sqrt(static_cast<float>(dim));
  PagedAttention(q, keys, values, step.sequences, scale, attended_heads);
  return attended;
}

void Qwen2Model::AddAttended(const Layer& layer, const at::Tensor& attended,
                             at::Tensor& hidden) {
  at::Tensor x = Buffer("x", hidden.size(0), config_.hidden_size);
  Linear(attended, layer.o, x);
  AddResidual(x, hidden);
}

void Qwen2Model::RunMlp(const Layer& layer, at::Tensor& hidden) {
  const int64_t tokens = hidden.size(0), inner = config_.intermediate_size;
  at::Tensor x = Buffer("x", tokens, config_.hidden_size);
  RmsNorm(hidden, layer.post_attention_norm, config_.norm_epsilon, x);
  at::Tensor gate_up = Buffer("gate_up", tokens, 2 * inner);
  Linear(x, layer.gate_up, gate_up);
  at::Tensor product = Buffer("product", tokens, inner);
  SiluMul(gate_up, product);
  Linear(product, layer.down, x);
  AddResidual(x, hidden);
}

at::Tensor Qwen2Model::Rows(const char* buffer, const at::Tensor& x,
                            const at::Tensor& rows) {
  at::Tensor out = Buffer(buffer, rows.numel(), x.size(1));
  at::index_select_out(out, x, /*dim=*/0, rows);
  return out;
}

at::Tensor Qwen2Model::Logits(at::Tensor& hidden) {
  RmsNorm(hidden, norm_, config_.norm_epsilon, hidden);
  Observe("norm", hidden);
  at::Tensor logits = Buffer("logits", hidden.size(0), config_.vocab_size);
  Linear(hidden, lm_head_, logits);
  Observe("logits", logits);
  return logits;
}

at::Tensor Qwen2Model::Forward(const StepTensors& step,
                               absl::Span<const EmbeddingRows> embeddings,
                               KvCache& cache) {
  const int64_t tokens = step.num_tokens();
  at::Tensor cos = Buffer("cos", tokens, config_.head_dim / 2);
  at::Tensor sin = Buffer("sin", tokens, config_.head_dim / 2);
  RopeCosSin(step.positions, config_.rope_theta, cos, sin);
  at::Tensor hidden = Buffer("hidden", tokens, config_.hidden_size);
  EmbedTokens(step, embeddings, hidden);
  for (int i = 0; i < config_.num_layers; ++i) {
    at::Tensor attended = Attend(layers_[i], step, cos, sin, cache.keys(i),
                                 cache.values(i), hidden);
    if (i + 1 == config_.num_layers) {
      // The keys are stored: from here on only rows with logits matter.
      hidden = Rows("last_hidden", hidden, step.output_rows);
      attended = Rows("last_attended", attended, step.output_rows);
    }
    AddAttended(layers_[i], attended, hidden);
    RunMlp(layers_[i], hidden);
    Observe(absl::StrCat("layers.", i), hidden);
  }
  return Logits(hidden);
}

}  // namespace tandem
