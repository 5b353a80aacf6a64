#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "common/model_config.h"
#include "llm_service/step.h"
#include "tandem/v1/types.pb.h"

namespace tandem {

// What the model says about sampling, where a request says nothing.
struct SamplingDefaults {
  GenerationConfig generation;
  // Tokens that end an answer: the template's, and those that config.json and
  // generation_config.json name.
  std::vector<int> stop_token_ids;
  int vocab_size = 0;
};

// A request's wish, complete and checked.
struct SamplingPlan {
  SamplingParams params;
  // Not set: what is left of the context.
  absl::optional<int64_t> max_tokens;
  // From generation_config.json: a wish that gives way to the context, unlike
  // `max_tokens`. Not set when `max_tokens` is.
  absl::optional<int64_t> max_tokens_default;
  std::vector<std::string> stop;
};

// Fills every field that `sampling` leaves open from `defaults`, else as
// types.proto says. A generation_config.json with `do_sample: false` means
// greedy unless the request names a temperature. Without a seed a random one is
// drawn.
//
// INVALID_ARGUMENT FIELD_INVALID naming "sampling.<field>", the value and the
// bound, for whatever types.proto rules out; NaN and infinities are outside of
// every range. Thread-safe.
absl::StatusOr<SamplingPlan> PlanSampling(const v1::Sampling& sampling,
                                          const SamplingDefaults& defaults);

}  // namespace tandem
