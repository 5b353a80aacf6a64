#include "llm_service/engine_errors.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace tandem {

absl::Status OverloadedError(int waiting, int limit) {
  return RetryableError(
      absl::StatusCode::kResourceExhausted, reason::kOverloaded,
      absl::StrCat(waiting, " requests are waiting, at most ", limit),
      absl::Seconds(1), {{"limit", absl::StrCat(limit)}});
}

absl::Status ReaderGoneError() {
  return absl::CancelledError("the reader went away");
}

absl::Status DeadlineError(Stage stage) {
  const std::string name(LabelOf(stage));
  return MakeError(
      absl::StatusCode::kDeadlineExceeded, reason::kDeadlineExceeded,
      absl::StrCat("the deadline passed in stage ", name), {{"stage", name}});
}

absl::Status SlowReaderError(absl::Duration bound) {
  return MakeError(
      absl::StatusCode::kDeadlineExceeded, reason::kSlowConsumer,
      absl::StrCat("nobody read the answer for ", absl::FormatDuration(bound)));
}

absl::Status StoppingError() {
  return RetryableError(absl::StatusCode::kUnavailable, reason::kDraining,
                        "the llm service is stopping", absl::Seconds(1));
}

AnswerEnd FailedEnd(absl::Status status) {
  AnswerEnd end;
  end.status = std::move(status);
  return end;
}

}  // namespace tandem
