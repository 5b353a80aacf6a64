#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/metrics.h"
#include "llm_service/answer.h"

namespace tandem {

// Why the engine refuses or ends a request; codes and reasons of llm.proto.

// RESOURCE_EXHAUSTED OVERLOADED with RetryInfo.
absl::Status OverloadedError(int waiting, int limit);
// CANCELLED.
absl::Status ReaderGoneError();
// DEADLINE_EXCEEDED, with the stage that the request was in.
absl::Status DeadlineError(Stage stage);
// DEADLINE_EXCEEDED SLOW_CONSUMER; `bound` is how long nobody read.
absl::Status SlowReaderError(absl::Duration bound);
// UNAVAILABLE DRAINING with RetryInfo.
absl::Status StoppingError();

// The end of an answer that failed.
AnswerEnd FailedEnd(absl::Status status);

}  // namespace tandem
