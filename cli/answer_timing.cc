#include "cli/answer_timing.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tandem {
namespace {

std::string Tokens(uint32_t count) {
  return absl::StrCat(count, count == 1 ? " token" : " tokens");
}

std::string Seconds(absl::Duration duration) {
  if (duration < absl::Seconds(1)) {
    return absl::StrFormat("%.0f ms", absl::ToDoubleMilliseconds(duration));
  }
  return absl::StrFormat("%.1f s", absl::ToDoubleSeconds(duration));
}

}  // namespace

std::string TimingLine(const v1::Usage& usage, const AnswerTiming& timing) {
  std::string line = absl::StrCat(Tokens(usage.completion_tokens()), " in ",
                                  Seconds(timing.total));
  const double writing =
      absl::ToDoubleSeconds(timing.total - timing.first_text);
  if (usage.completion_tokens() > 1 && writing > 0) {
    absl::StrAppendFormat(&line, ", %.1f tokens/s",
                          (usage.completion_tokens() - 1) / writing);
  }
  absl::StrAppend(&line, ", first after ", Seconds(timing.first_text),
                  "; prompt ", Tokens(usage.prompt_tokens()));
  if (usage.image_tokens() > 0) {
    absl::StrAppend(&line, ", ", usage.image_tokens(), " of pictures");
  }
  if (usage.cached_tokens() > 0) {
    absl::StrAppend(&line, ", ", usage.cached_tokens(), " cached");
  }
  return line;
}

}  // namespace tandem
