#include "llm_service/llm_memory.h"

#include "llm_service/kv_cache.h"
#include "llm_service/qwen2_model.h"

namespace tandem {
namespace {

constexpr int64_t kScoreBytes = int64_t{1} << 30;

// Values that live at once in a layer's attention, MLP and norms for one token,
// as Qwen2Model and the plain operations have them.
int64_t ValuesPerToken(const TextConfig& c) {
  const int64_t heads = int64_t{c.num_heads} * c.head_dim;
  const int64_t qkv = int64_t{c.num_heads + 2 * c.num_kv_heads} * c.head_dim;
  const int64_t buffers = 4 * int64_t{c.hidden_size} + qkv + 2 * heads +
                          3 * int64_t{c.intermediate_size};
  const int64_t temporaries = 2 * heads + c.intermediate_size;
  return buffers + temporaries;
}

}  // namespace

LlmMemory LlmMemoryOf(const TextConfig& c, DType dtype, int context,
                      int step_tokens, int step_outputs) {
  const auto item = static_cast<int64_t>(ElementSize(dtype));
  LlmMemory memory;
  memory.weights = TextWeightBytes(c, dtype);
  memory.kv_block = MakeKvLayout(c, dtype).bytes_per_block();
  memory.kv_context = KvBlocksFor(context) * memory.kv_block;
  // The keys and values of one sequence, gathered and made dense, and scores
  // that plain attention holds a few times over.
  const int64_t gathered =
      int64_t{4} * context * c.num_kv_heads * c.head_dim * item;
  memory.step = step_tokens * ValuesPerToken(c) * item +
                int64_t{2} * step_outputs * c.vocab_size * item + gathered +
                kScoreBytes;
  return memory;
}

int64_t KvPoolBytes(const LlmMemory& memory, int64_t free_bytes,
                    int64_t total_bytes) {
  return free_bytes - total_bytes / 16 - memory.weights - memory.step;
}

}  // namespace tandem
