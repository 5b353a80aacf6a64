#include "llm_service/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "llm_service/philox.h"

namespace tandem {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

absl::Status CheckFinite(absl::Span<const float> logits) {
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isfinite(logits[i])) continue;
    return MakeError(absl::StatusCode::kInternal, reason::kNumericFault,
                     absl::StrCat("logit ", i, " is ", logits[i]));
  }
  return absl::OkStatus();
}

// A token that may be drawn. Better ones come first.
struct Candidate {
  float logit;
  int id;
  bool operator<(const Candidate& other) const {
    return logit != other.logit ? logit > other.logit : id < other.id;
  }
};

std::vector<Candidate> AtLeast(absl::Span<const float> logits, float bound) {
  std::vector<Candidate> kept;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] >= bound && logits[i] != kNever) {
      kept.push_back({logits[i], static_cast<int>(i)});
    }
  }
  return kept;
}

// The `count` best, best first. Keeps a heap of them with the worst on top,
// which almost every logit of a large vocabulary fails to beat at once.
std::vector<Candidate> Best(absl::Span<const float> logits, size_t count) {
  std::vector<Candidate> heap;
  for (size_t i = 0; i < logits.size() && count > 0; ++i) {
    if (heap.size() == count) {
      if (logits[i] <= heap.front().logit) continue;
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
    }
    heap.push_back({logits[i], static_cast<int>(i)});
    std::push_heap(heap.begin(), heap.end());
  }
  std::sort(heap.begin(), heap.end());
  return heap;
}

// The k-th best logit; with k = 0 the bound that all meet.
float KthBest(absl::Span<const float> logits, int k) {
  if (k <= 0 || static_cast<size_t>(k) >= logits.size()) return kNever;
  constexpr int kHeapPays = 1024;
  if (k <= kHeapPays) return Best(logits, k).back().logit;
  std::vector<float> values(logits.begin(), logits.end());
  std::nth_element(values.begin(), values.begin() + (k - 1), values.end(),
                   std::greater<float>());
  return values[k - 1];
}

// Weights of a softmax that is not normalised.
class Weights {
 public:
  Weights(float best, float temperature)
      : best_(best), temperature_(temperature) {}
  float operator()(float logit) const {
    return std::exp((logit - best_) / temperature_);
  }

 private:
  float best_, temperature_;
};

double TotalWeight(absl::Span<const float> logits, float bound,
                   const Weights& weight) {
  double total = 0;
  for (const float logit : logits) {
    if (logit >= bound) total += weight(logit);
  }
  return total;
}

// The fewest of `sorted` that weigh `wanted`; 0 if all together weigh less.
size_t Prefix(const std::vector<Candidate>& sorted, const Weights& weight,
              double wanted) {
  double sum = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    sum += weight(sorted[i].logit);
    if (sum >= wanted) return i + 1;
  }
  return 0;
}

// The smallest set of best tokens, among those at `bound` or better, that has
// the share `top_p` of their weight. Few tokens have almost all of it, so sorts
// those within a distance of the best, and widens it until they suffice.
std::vector<Candidate> Nucleus(absl::Span<const float> logits, float bound,
                               float best, const SamplingParams& params) {
  const Weights weight(best, params.temperature);
  const double wanted = params.top_p * TotalWeight(logits, bound, weight);
  for (float distance = 8 * params.temperature;; distance *= 4) {
    const bool all = !(best - distance > bound);
    std::vector<Candidate> kept =
        AtLeast(logits, all ? bound : best - distance);
    std::sort(kept.begin(), kept.end());
    const size_t count = Prefix(kept, weight, wanted);
    if (count == 0 && !all && std::isfinite(distance)) continue;
    if (count > 0) kept.resize(count);
    return kept;
  }
}

// The index whose share of `weights` holds `uniform`.
size_t PickIndex(absl::Span<const float> weights, double uniform) {
  double total = 0;
  for (const float weight : weights) total += weight;
  double left = uniform * total;
  size_t last = 0;  // for rounding that uses up the sum
  for (size_t i = 0; i < weights.size(); ++i) {
    left -= weights[i];
    if (left < 0) return i;
    if (weights[i] > 0) last = i;
  }
  return last;
}

}  // namespace

int ArgMax(absl::Span<const float> logits) {
  size_t best = 0;
  for (size_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best]) best = i;
  }
  return static_cast<int>(best);
}

int Draw(absl::Span<const float> logits, const SamplingParams& params,
         double uniform) {
  const float best = logits[ArgMax(logits)];
  const Weights weight(best, params.temperature);
  const float bound = KthBest(logits, params.top_k);
  const auto weigh = [&](float logit) {
    const float w = logit >= bound ? weight(logit) : 0;
    return w >= params.min_p ? w : 0;
  };
  std::vector<float> weights;
  if (params.top_p >= 1) {
    weights.resize(logits.size());
    std::transform(logits.begin(), logits.end(), weights.begin(), weigh);
    return static_cast<int>(PickIndex(weights, uniform));
  }
  const std::vector<Candidate> nucleus = Nucleus(logits, bound, best, params);
  for (const Candidate& c : nucleus) weights.push_back(weigh(c.logit));
  return nucleus[PickIndex(weights, uniform)].id;
}

void FillLogProbs(absl::Span<const float> logits, int num_top,
                  SampledToken& token) {
  const float best = logits[ArgMax(logits)];
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - best);
  const double total = best + std::log(sum);
  const auto log_prob = [&](float logit) {
    return static_cast<float>(logit - total);
  };
  token.logprob = log_prob(logits[token.token_id]);
  for (const Candidate& c : Best(logits, num_top)) {
    token.top.emplace_back(c.id, log_prob(c.logit));
  }
}

SequenceSampler::SequenceSampler(SamplingParams params,
                                 absl::Span<const int> generated)
    : params_(std::move(params)) {
  for (const int token : generated) Remember(token);
}

void SequenceSampler::Remember(int token) {
  ++counts_[token];
  ++num_generated_;
}

bool SequenceSampler::adjusts() const {
  const bool penalises = params_.repetition_penalty != 1 ||
                         params_.presence_penalty != 0 ||
                         params_.frequency_penalty != 0;
  const bool masks = !params_.stop_token_ids.empty() &&
                     num_generated_ < static_cast<uint64_t>(params_.min_tokens);
  return (penalises && !counts_.empty()) || !params_.logit_bias.empty() ||
         masks;
}

void SequenceSampler::Adjust(absl::Span<const float> logits) {
  adjusted_.assign(logits.begin(), logits.end());
  for (const auto& [token, count] : counts_) {
    float& x = adjusted_[token];
    x = x < 0 ? x * params_.repetition_penalty : x / params_.repetition_penalty;
    x -= params_.presence_penalty +
         params_.frequency_penalty * static_cast<float>(count);
  }
  const auto size = static_cast<int>(logits.size());
  for (const auto& [token, bias] : params_.logit_bias) {
    if (token >= 0 && token < size) adjusted_[token] += bias;
  }
  if (num_generated_ >= static_cast<uint64_t>(params_.min_tokens)) return;
  for (const int token : params_.stop_token_ids) {
    if (token >= 0 && token < size) adjusted_[token] = kNever;
  }
}

SampledToken SequenceSampler::Sample(absl::Span<const float> logits) {
  SampledToken token;
  token.status = CheckFinite(logits);
  if (!token.status.ok()) return token;
  absl::Span<const float> scores = logits;
  if (adjusts()) {
    Adjust(logits);
    scores = adjusted_;
  }
  token.token_id =
      params_.greedy()
          ? ArgMax(scores)
          : Draw(scores, params_, PhiloxUniform(params_.seed, num_generated_));
  Remember(token.token_id);
  if (params_.num_logprobs >= 0) {
    FillLogProbs(logits, params_.num_logprobs, token);
  }
  return token;
}

}  // namespace tandem
