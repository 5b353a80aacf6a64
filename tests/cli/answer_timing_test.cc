#include "cli/answer_timing.h"

#include "gtest/gtest.h"

namespace tandem {
namespace {

v1::Usage Counts(uint32_t completion, uint32_t prompt, uint32_t image = 0,
                 uint32_t cached = 0) {
  v1::Usage usage;
  usage.set_completion_tokens(completion);
  usage.set_prompt_tokens(prompt);
  usage.set_image_tokens(image);
  usage.set_cached_tokens(cached);
  return usage;
}

TEST(TimingLineTest, CountsFromTheFirstTokenToTheLast) {
  EXPECT_EQ(TimingLine(Counts(21, 1046, 1024, 900),
                       {.first_text = absl::Milliseconds(250),
                        .total = absl::Milliseconds(1250)}),
            "21 tokens in 1.2 s, 20.0 tokens/s, first after 250 ms; prompt "
            "1046 tokens, 1024 of pictures, 900 cached");
}

TEST(TimingLineTest, LeavesOutWhatDoesNotApply) {
  EXPECT_EQ(TimingLine(Counts(1, 8), {.first_text = absl::Seconds(1),
                                      .total = absl::Seconds(1)}),
            "1 token in 1.0 s, first after 1.0 s; prompt 8 tokens");
  EXPECT_EQ(TimingLine(Counts(5, 8), {.first_text = absl::Seconds(1),
                                      .total = absl::Seconds(1)}),
            "5 tokens in 1.0 s, first after 1.0 s; prompt 8 tokens");
}

}  // namespace
}  // namespace tandem
