#include "llm_service/sampling_params.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

constexpr int kMaxStopStrings = 16;
constexpr size_t kMaxStopBytes = 256;
constexpr int kMaxStopTokens = 64;
constexpr int kMaxBiases = 300;
constexpr uint32_t kMaxTopLogprobs = 20;
constexpr float kMaxBias = 100;

std::string Field(absl::string_view name) {
  return absl::StrCat("sampling.", name);
}

// A range of real numbers; `open_low` leaves out its lower end.
struct Range {
  float low, high;
  bool open_low = false;

  // False for NaN.
  bool Holds(float value) const {
    return (open_low ? value > low : value >= low) && value <= high;
  }
  std::string ToString() const {
    return absl::StrCat(open_low ? "(" : "[", low, ", ", high, "]");
  }
};

absl::Status CheckRange(absl::string_view name, float value,
                        const Range& range) {
  if (range.Holds(value)) return absl::OkStatus();
  return FieldError(Field(name),
                    absl::StrCat(value, " is outside ", range.ToString()));
}

absl::Status CheckCount(absl::string_view name, int count, int max) {
  if (count <= max) return absl::OkStatus();
  return FieldError(Field(name),
                    absl::StrCat(count, " entries, at most ", max));
}

absl::Status CheckTokenId(absl::string_view name, uint32_t id, int vocab_size) {
  if (id < static_cast<uint32_t>(vocab_size)) return absl::OkStatus();
  return FieldError(Field(name),
                    absl::StrCat(id, " is outside [0, ", vocab_size, ")"));
}

uint64_t RandomSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

float DefaultTemperature(const GenerationConfig& generation) {
  if (generation.do_sample.has_value() && !*generation.do_sample) return 0;
  return generation.temperature.value_or(1);
}

absl::Status ReadShape(const v1::Sampling& sampling,
                       const SamplingDefaults& defaults, SamplingParams& out) {
  const GenerationConfig& generation = defaults.generation;
  out.temperature = sampling.has_temperature() ? sampling.temperature()
                                               : DefaultTemperature(generation);
  out.top_p =
      sampling.has_top_p() ? sampling.top_p() : generation.top_p.value_or(1);
  const uint32_t top_k = sampling.has_top_k()
                             ? sampling.top_k()
                             : std::max(generation.top_k.value_or(0), 0);
  // More than there are is all of them.
  out.top_k = top_k < static_cast<uint32_t>(defaults.vocab_size)
                  ? static_cast<int>(top_k)
                  : 0;
  out.min_p =
      sampling.has_min_p() ? sampling.min_p() : generation.min_p.value_or(0);
  out.seed = sampling.has_seed() ? sampling.seed() : RandomSeed();
  TANDEM_RETURN_IF_ERROR(CheckRange("temperature", out.temperature, {0, 2}));
  TANDEM_RETURN_IF_ERROR(
      CheckRange("top_p", out.top_p, {0, 1, /*open_low=*/true}));
  return CheckRange("min_p", out.min_p, {0, 1});
}

absl::Status ReadPenalties(const v1::Sampling& sampling,
                           const SamplingDefaults& defaults,
                           SamplingParams& out) {
  out.repetition_penalty =
      sampling.has_repetition_penalty()
          ? sampling.repetition_penalty()
          : defaults.generation.repetition_penalty.value_or(1);
  out.presence_penalty = sampling.presence_penalty();
  out.frequency_penalty = sampling.frequency_penalty();
  TANDEM_RETURN_IF_ERROR(CheckRange("repetition_penalty",
                                    out.repetition_penalty,
                                    {0, 10, /*open_low=*/true}));
  TANDEM_RETURN_IF_ERROR(
      CheckRange("presence_penalty", out.presence_penalty, {-2, 2}));
  return CheckRange("frequency_penalty", out.frequency_penalty, {-2, 2});
}

absl::Status ReadBias(const v1::Sampling& sampling, int vocab_size,
                      SamplingParams& out) {
  TANDEM_RETURN_IF_ERROR(
      CheckCount("logit_bias", sampling.logit_bias_size(), kMaxBiases));
  for (const auto& [id, bias] : sampling.logit_bias()) {
    TANDEM_RETURN_IF_ERROR(CheckTokenId("logit_bias", id, vocab_size));
    TANDEM_RETURN_IF_ERROR(CheckRange(absl::StrCat("logit_bias[", id, "]"),
                                      bias, {-kMaxBias, kMaxBias}));
    out.logit_bias[static_cast<int>(id)] = bias;
  }
  return absl::OkStatus();
}

absl::Status ReadLogprobs(const v1::Sampling& sampling, SamplingParams& out) {
  if (sampling.top_logprobs() > kMaxTopLogprobs) {
    return FieldError(Field("top_logprobs"),
                      absl::StrCat(sampling.top_logprobs(), " is outside [0, ",
                                   kMaxTopLogprobs, "]"));
  }
  if (sampling.top_logprobs() > 0 && !sampling.logprobs()) {
    return FieldError(
        Field("top_logprobs"),
        absl::StrCat(sampling.top_logprobs(), " needs sampling.logprobs"));
  }
  out.num_logprobs =
      sampling.logprobs() ? static_cast<int>(sampling.top_logprobs()) : -1;
  return absl::OkStatus();
}

absl::Status ReadLength(const v1::Sampling& sampling,
                        const SamplingDefaults& defaults, SamplingPlan& plan) {
  if (sampling.has_max_tokens()) {
    if (sampling.max_tokens() == 0) {
      return FieldError(Field("max_tokens"), "0 is not positive");
    }
    plan.max_tokens = sampling.max_tokens();
  } else if (defaults.generation.max_new_tokens.value_or(0) > 0) {
    plan.max_tokens_default = *defaults.generation.max_new_tokens;
  }
  const uint32_t min_tokens = sampling.min_tokens();
  const int64_t bound =
      plan.max_tokens.value_or(std::numeric_limits<int32_t>::max());
  if (min_tokens > bound || min_tokens > std::numeric_limits<int32_t>::max()) {
    return FieldError(Field("min_tokens"),
                      absl::StrCat(min_tokens, " is over max_tokens ", bound));
  }
  plan.params.min_tokens = static_cast<int>(min_tokens);
  return absl::OkStatus();
}

absl::Status ReadStopStrings(const v1::Sampling& sampling, SamplingPlan& plan) {
  TANDEM_RETURN_IF_ERROR(
      CheckCount("stop", sampling.stop_size(), kMaxStopStrings));
  for (int i = 0; i < sampling.stop_size(); ++i) {
    const size_t bytes = sampling.stop(i).size();
    if (bytes == 0 || bytes > kMaxStopBytes) {
      return FieldError(
          absl::StrCat("sampling.stop[", i, "]"),
          absl::StrCat(bytes, " bytes are outside [1, ", kMaxStopBytes, "]"));
    }
    plan.stop.push_back(sampling.stop(i));
  }
  return absl::OkStatus();
}

absl::Status ReadStopTokens(const v1::Sampling& sampling,
                            const SamplingDefaults& defaults,
                            SamplingParams& out) {
  TANDEM_RETURN_IF_ERROR(CheckCount(
      "stop_token_ids", sampling.stop_token_ids_size(), kMaxStopTokens));
  std::vector<int>& ids = out.stop_token_ids;
  if (!sampling.ignore_eos()) ids = defaults.stop_token_ids;
  for (const uint32_t id : sampling.stop_token_ids()) {
    TANDEM_RETURN_IF_ERROR(
        CheckTokenId("stop_token_ids", id, defaults.vocab_size));
    ids.push_back(static_cast<int>(id));
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SamplingPlan> PlanSampling(const v1::Sampling& sampling,
                                          const SamplingDefaults& defaults) {
  SamplingPlan plan;
  TANDEM_RETURN_IF_ERROR(ReadShape(sampling, defaults, plan.params));
  TANDEM_RETURN_IF_ERROR(ReadPenalties(sampling, defaults, plan.params));
  TANDEM_RETURN_IF_ERROR(ReadBias(sampling, defaults.vocab_size, plan.params));
  TANDEM_RETURN_IF_ERROR(ReadLogprobs(sampling, plan.params));
  TANDEM_RETURN_IF_ERROR(ReadLength(sampling, defaults, plan));
  TANDEM_RETURN_IF_ERROR(ReadStopStrings(sampling, plan));
  TANDEM_RETURN_IF_ERROR(ReadStopTokens(sampling, defaults, plan.params));
  return plan;
}

}  // namespace tandem
