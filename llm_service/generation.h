#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "llm_service/prompt_layout.h"
#include "llm_service/sampling_params.h"
#include "llm_service/step.h"
#include "tandem/v1/llm.pb.h"
#include "tandem/v1/vision.pb.h"

namespace tandem {

// A request for one answer, checked and turned into token ids.
struct Generation {
  std::string request_id;
  Prompt prompt;
  std::vector<v1::ImageRef> images;  // in prompt order
  SamplingParams sampling;
  std::vector<std::string> stop;
  int max_tokens = 0;  // >= 1, fits the context behind the prompt
  // Clock::Monotonic of this process.
  absl::Duration received;
  absl::Duration deadline;
};

// Turns messages or a bare prompt from the wire into generations. Immutable;
// thread-safe. The work is linear in the text: not for a network thread.
class GenerationReader {
 public:
  // Ids that one answer may hold: with ids below 2^21 at most 12 MiB of a
  // message's 32.
  static constexpr int kMaxAnsweredIds = 1 << 22;

  // `prompts` must outlive the reader. `max_context` counts prompt and answer.
  GenerationReader(const PromptBuilder& prompts, SamplingDefaults defaults,
                   int max_context);

  // INVALID_ARGUMENT FIELD_INVALID naming the field ("request_id",
  // "messages[1].content[0]", "images[0].handle", "sampling.top_p"; "prompt"
  // for one that is empty or beside messages, "images[0]" for one with images);
  // CONTEXT_LENGTH_EXCEEDED with metadata maxTokens, promptTokens, imageTokens
  // and contextTokens where prompt and answer do not fit.
  absl::StatusOr<Generation> Read(const v1::GenerateRequest& request) const;

  // The same for a prompt alone, which may be empty. FIELD_INVALID as above and
  // for image_tiles, and for return_token_ids where there are over
  // kMaxAnsweredIds; a prompt over the context is counted all the same.
  absl::StatusOr<v1::CountPromptTokensResponse> Count(
      const v1::CountPromptTokensRequest& request) const;

 private:
  absl::StatusOr<int> ChooseMaxTokens(const SamplingPlan& plan,
                                      const Prompt& prompt) const;
  // Of a GenerateRequest or a CountPromptTokensRequest.
  template <typename Request>
  absl::StatusOr<Prompt> ReadPrompt(const Request& request,
                                    const std::vector<int>& image_tiles) const;

  const PromptBuilder& prompts_;
  const SamplingDefaults defaults_;
  const int max_context_;
};

}  // namespace tandem
