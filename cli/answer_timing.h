#pragma once

#include <string>

#include "absl/time/time.h"
#include "tandem/v1/types.pb.h"

namespace tandem {

// What a person who waited for an answer saw of it.
struct AnswerTiming {
  absl::Duration first_text;  // from the question to the first text
  absl::Duration total;       // to the end
};

// "24 tokens in 1.3 s, 20.9 tokens/s, first after 210 ms; prompt 1046 tokens,
// 1024 of pictures, 900 cached": on one line, without what does not apply.
// tokens/s counts from the first token to the last, so that it says how fast
// the model writes; it is left out for fewer than two.
std::string TimingLine(const v1::Usage& usage, const AnswerTiming& timing);

}  // namespace tandem
