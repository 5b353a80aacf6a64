#include "vision_service/vision_memory.h"

#include "common/model_tensors.h"

namespace tandem {

VisionMemory VisionMemoryOf(const ModelConfig& config, DType dtype) {
  const auto item = static_cast<int64_t>(ElementSize(dtype));
  const VisionConfig& vision = config.vision;
  VisionMemory memory;
  for (const ModelTensor& tensor : ModelTensors(config, WeightSet::kVision)) {
    memory.weights += tensor.num_values() * item;
  }
  // The buffers of InternVit, and twice the widest of them for temporaries.
  const int64_t pixels = int64_t{3} * vision.image_size * vision.image_size;
  const int64_t positions = vision.num_positions();
  const int64_t rows =
      positions * (int64_t{7} * vision.hidden_size + vision.intermediate_size);
  const int64_t temporaries = 2 * positions * vision.intermediate_size;
  const int64_t projector =
      config.tokens_per_tile() *
      (int64_t{config.projector_input_size()} + 2 * config.text.hidden_size);
  memory.tile =
      pixels * (4 + 2 * item) + (rows + temporaries + projector) * item;
  return memory;
}

}  // namespace tandem
