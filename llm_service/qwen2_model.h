#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/model_config.h"
#include "common/weight_source.h"
#include "kernels/host_staging.h"
#include "kernels/linear.h"
#include "llm_service/kv_cache.h"
#include "llm_service/step_tensors.h"

namespace tandem {

// Sees named values on their way through a model: for tests and probes. The
// tensor is valid during the call only.
using TensorObserver =
    std::function<void(absl::string_view name, const at::Tensor& value)>;

// Bytes of the decoder's weights in memory.
int64_t TextWeightBytes(const TextConfig& config, DType dtype);

// The Qwen2 decoder: token slots in, logits out. One thread at a time.
//
// Roundings follow transformers' eager Qwen2 in the model's dtype, but for
// attention, whose scores and weights stay in float32.
// Source: modeling_qwen2.py of transformers.
class Qwen2Model {
 public:
  struct Options {
    DType dtype = DType::kBFloat16;  // kFloat32 or kBFloat16
    at::Device device = at::kCPU;
    // "inputs_embeds" and "layers.N", each layer's output, [num_tokens,
    // hidden_size]; of the rows whose logits are wanted alone: the last layer,
    // "norm", both [num_outputs, hidden_size], and "logits". May be empty.
    TensorObserver observer;
  };

  // Reads the weights. Errors of WeightSource; FAILED_PRECONDITION, naming the
  // tensor, for a shape that the configuration does not ask for;
  // RESOURCE_EXHAUSTED DEVICE_OUT_OF_MEMORY. `progress` may be null.
  static absl::StatusOr<std::unique_ptr<Qwen2Model>> Load(
      const TextConfig& config, const WeightSource& source, Options options,
      LoadProgress* progress);

  const TextConfig& config() const { return config_; }
  at::Device device() const { return options_.device; }

  // Runs one packed step, whose keys and values go to `cache`, and returns the
  // logits of step.output_rows: [num_outputs, vocab_size] in the model's dtype,
  // on its device, valid until the next call. `step` is on the device,
  // `embeddings` are the input's, on the host. Throws c10::Error where the
  // device fails.
  at::Tensor Forward(const StepTensors& step,
                     absl::Span<const EmbeddingRows> embeddings,
                     KvCache& cache);

 private:
  struct Layer {
    at::Tensor input_norm, post_attention_norm;
    LinearWeight qkv, o, gate_up, down;
  };
  class Loader;

  Qwen2Model(const TextConfig& config, Options options);

  // [rows, columns] of a buffer that grows to the largest step and stays.
  at::Tensor Buffer(const char* name, int64_t rows, int64_t columns);
  void EmbedTokens(const StepTensors& step,
                   absl::Span<const EmbeddingRows> embeddings,
                   at::Tensor& hidden);
  // Stores the step's keys and values and returns what its tokens saw, before
  // the output projection: [num_tokens, num_heads * head_dim].
  at::Tensor Attend(const Layer& layer, const StepTensors& step,
                    const at::Tensor& cos, const at::Tensor& sin,
                    at::Tensor& keys, at::Tensor& values,
                    const at::Tensor& hidden);
  void AddAttended(const Layer& layer, const at::Tensor& attended,
                   at::Tensor& hidden);
  void RunMlp(const Layer& layer, at::Tensor& hidden);
  at::Tensor Logits(at::Tensor& hidden);
  // The named buffer with some rows of x.
  at::Tensor Rows(const char* buffer, const at::Tensor& x,
                  const at::Tensor& rows);
  void Observe(absl::string_view name, const at::Tensor& value) const;

  const TextConfig config_;
  const Options options_;
  at::Tensor embed_tokens_;  // [vocab_size, hidden_size]
  std::vector<Layer> layers_;
  at::Tensor norm_;
  LinearWeight lm_head_;
  std::map<std::string, at::Tensor> buffers_;
  HostStaging staging_;
};

}  // namespace tandem
