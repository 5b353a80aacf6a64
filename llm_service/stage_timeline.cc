#include "llm_service/stage_timeline.h"

#include <algorithm>

namespace tandem {
namespace {

// Moves as much of `amount` as `rest` has left.
double Spend(double amount, double& rest) {
  const double spent = std::clamp(amount, 0.0, rest);
  rest -= spent;
  return spent;
}

}  // namespace

void StageTimeline::TileArrived(absl::Duration asked, absl::Duration arrived,
                                const v1::TileTimings& timings) {
  const absl::Duration last =
      explained_.empty() ? received_ : explained_.back().second;
  const absl::Duration begin = std::max(asked, last);
  if (arrived <= begin) return;  // it came with another one
  explained_.emplace_back(begin, arrived);
  double rest = absl::ToDoubleMilliseconds(arrived - begin);
  const auto add = [&rest](double& stage, double amount) {
    stage += Spend(amount, rest);
  };
  double encode = stages_.encode(), encode_queue = stages_.encode_queue(),
         preprocess = stages_.preprocess(),
         image_decode = stages_.image_decode();
  add(encode, timings.encode());
  add(encode_queue, timings.encode_queue());
  add(preprocess, timings.preprocess());
  add(image_decode, timings.image_decode());
  stages_.set_encode(encode);
  stages_.set_encode_queue(encode_queue);
  stages_.set_preprocess(preprocess);
  stages_.set_image_decode(image_decode);
  stages_.set_transfer(stages_.transfer() + rest);
}

v1::Timings StageTimeline::Stages(absl::Duration first_token) const {
  v1::Timings stages = stages_;
  const absl::Duration admitted = std::min(admitted_, first_token);
  stages.set_decode_queue(absl::ToDoubleMilliseconds(
      admitted - received_ - ExplainedBetween(received_, admitted)));
  stages.set_prefill(absl::ToDoubleMilliseconds(
      first_token - admitted - ExplainedBetween(admitted, first_token)));
  return stages;
}

absl::Duration StageTimeline::ExplainedBetween(absl::Duration begin,
                                               absl::Duration end) const {
  absl::Duration sum = absl::ZeroDuration();
  for (const auto& [from, to] : explained_) {
    sum += std::max(std::min(to, end) - std::max(from, begin),
                    absl::ZeroDuration());
  }
  return sum;
}

}  // namespace tandem
