#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "llm_service/tokenizer.h"

namespace tandem {

// Turns sampled tokens into the text of an answer: whole UTF-8 characters only,
// and nothing that could still turn out to be a stop string. Not thread-safe.
class AnswerText {
 public:
  // `tokenizer` must outlive this. `stop` holds valid UTF-8, no string empty.
  AnswerText(const Tokenizer& tokenizer, std::vector<std::string> stop);

  // Takes the next token and returns the text that is certain now. Once a stop
  // string is complete, the text before it is returned and stopped() is true;
  // what comes later is ignored. Where one stop string overlaps another, the
  // one that is complete first counts; of those that end together, the longest.
  // Bytes that can never be UTF-8 become U+FFFD, one for each maximal part. How
  // the text is cut into tokens changes nothing.
  //
  // Where `may_stop` is false (an answer that must be longer) no stop string is
  // looked for, and what is certain by then belongs to none.
  std::string Add(int token_id, bool may_stop = true);

  // Returns what was held back; an incomplete character becomes U+FFFD.
  std::string Finish();

  bool stopped() const { return stopped_; }

 private:
  // Ends held_ before the first stop string in it, if there is one.
  bool CutAtStop();
  // Takes from held_ what cannot belong to a stop string.
  std::string TakeCertain();

  const Tokenizer& tokenizer_;
  const std::vector<std::string> stop_;
  std::string bytes_;  // of an incomplete character
  std::string held_;   // text that may begin a stop string, whole characters
  bool stopped_ = false;
};

}  // namespace tandem
