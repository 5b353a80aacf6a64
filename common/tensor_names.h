#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace tandem {

// Where a stored tensor belongs.
struct TensorPlace {
  std::string name;  // canonical: the CUSTOM layout's
  // The HF layout keeps q, k and v apart: rows of part 0, then 1, then 2 make
  // up the canonical tensor.
  int part = 0;
  int num_parts = 1;

  friend bool operator==(const TensorPlace&, const TensorPlace&) = default;
};

// The place of the tensor that a checkpoint calls `stored_name`, in any
// spelling that is in use:
//   CUSTOM  vision_model.*, mlp1.*, language_model.{model.*, lm_head.weight}
//   HF      vision_tower.*, multi_modal_projector.*, the same language_model.*
//   HF, since transformers 4.52: the same behind "model.", without the second
//           "model." in language_model.*, and lm_head.weight on its own
// A name of none of these is its own place. nullopt for buffers that only look
// like weights (rotary frequencies, position ids, the mask token).
absl::optional<TensorPlace> PlaceOfTensor(absl::string_view stored_name);

}  // namespace tandem
