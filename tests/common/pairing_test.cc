#include "common/pairing.h"

#include <string>

#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

v1::ServiceInfo Service() {
  v1::ServiceInfo info;
  info.set_fingerprint("f00d");
  info.set_profile(v1::PROFILE_CUSTOM);
  info.set_dtype(v1::DTYPE_BFLOAT16);
  info.set_hidden_size(896);
  info.set_tokens_per_tile(256);
  info.set_tile_size(448);
  return info;
}

TEST(CheckPairing, AcceptsTwinsAndNamesWhatDiffers) {
  EXPECT_TRUE(CheckPairing(Service(), Service(), false).ok());
  const auto check = [](auto change) {
    v1::ServiceInfo other = Service();
    change(other);
    const absl::Status status = CheckPairing(Service(), other, false);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ErrorReason(status), reason::kEmbeddingIncompatible);
    return ErrorMetadataOf(status)["check"];
  };
  EXPECT_EQ(check([](auto& i) { i.set_fingerprint("beef"); }), "fingerprint");
  EXPECT_EQ(check([](auto& i) { i.set_profile(v1::PROFILE_HF); }), "profile");
  EXPECT_EQ(check([](auto& i) { i.set_dtype(v1::DTYPE_FLOAT32); }), "dtype");
  EXPECT_EQ(check([](auto& i) { i.set_hidden_size(1536); }), "hidden_size");
  EXPECT_EQ(check([](auto& i) { i.set_tokens_per_tile(64); }),
            "tokens_per_tile");
  EXPECT_EQ(check([](auto& i) { i.set_tile_size(224); }), "tile_size");
}

TEST(CheckPairing, RefusesOneCardForTwoUnlessAllowed) {
  v1::ServiceInfo vision = Service();
  vision.add_card_ids("GPU-1");
  v1::ServiceInfo llm = Service();
  llm.add_card_ids("GPU-0");
  EXPECT_TRUE(CheckPairing(vision, llm, false).ok());
  llm.add_card_ids("GPU-1");
  const absl::Status refused = CheckPairing(vision, llm, false);
  EXPECT_EQ(ErrorMetadataOf(refused)["check"], "card_ids");
  // A client sees it; cards are none of its business.
  EXPECT_THAT(refused.ToString(), testing::Not(testing::HasSubstr("GPU")));
  EXPECT_TRUE(CheckPairing(vision, llm, true).ok());
}

}  // namespace
}  // namespace tandem
