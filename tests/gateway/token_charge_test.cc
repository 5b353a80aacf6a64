#include "gateway/token_charge.h"

#include "gtest/gtest.h"

namespace tandem {
namespace {

TEST(TokenChargeTest, APromptIsItsImagesAndAQuarterOfItsBytes) {
  v1::ChatRequest request;
  EXPECT_EQ(EstimatePromptTokens(request, 0), 0);
  for (const char* text : {"12345", "678"}) {
    request.add_messages()->add_content()->set_text(text);
  }
  request.add_messages()->add_content()->mutable_image()->set_data("not text");
  EXPECT_EQ(EstimatePromptTokens(request, 32), 32 + 2);
  v1::ChatRequest raw;
  raw.set_prompt("12345");
  EXPECT_EQ(EstimatePromptTokens(raw, 0), 2);
}

}  // namespace
}  // namespace tandem
