#include "kernels/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/errors.h"

namespace tandem {
namespace {

using testing::HasSubstr;

TEST(DeviceTest, TheCpuIsAlwaysThere) {
  const auto device = ParseDevice("--device", "cpu");
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_TRUE(device->is_cpu());
}

TEST(DeviceTest, WhatIsNoDeviceIsNamedWithItsOption) {
  for (const char* name : {"", "abacus", "CPU", "cuda", "cuda:", "cuda:-1",
                           "cuda:00", "cuda: 0", "cuda:0,cuda:1", "cpu:0"}) {
    const absl::Status status = ParseDevice("--llm-device", name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("--llm-device: \"" + std::string(name) + "\""));
  }
}

TEST(DeviceTest, ACardThatIsNotThereSaysWhatIs) {
  const absl::Status status = ParseDevice("--device", "cuda:4711").status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("cpu"));
  EXPECT_EQ(status.code(), BuiltForCards() ? absl::StatusCode::kInvalidArgument
                                           : absl::StatusCode::kUnimplemented);
}

TEST(DeviceTest, CardsAreListedAsTheyAreNamed) {
  const auto cards = ListCards();
  ASSERT_TRUE(cards.ok()) << cards.status();
  EXPECT_TRUE(BuiltForCards() || cards->empty());
  for (const Card& card : *cards) {
    EXPECT_TRUE(ParseDevice("--device", card.device).ok()) << card.device;
    EXPECT_FALSE(card.name.empty());
    EXPECT_FALSE(card.id.empty());
    EXPECT_GT(card.total_bytes, 0);
    EXPECT_LE(card.free_bytes, card.total_bytes);
  }
}

TEST(DeviceTest, WhatDoesNotFitSaysWhatIsWantedAndHad) {
  const Card card = {.device = "cuda:1",
                     .name = "A card",
                     .id = "x",
                     .free_bytes = int64_t{3} << 30,
                     .total_bytes = int64_t{8} << 30};
  EXPECT_TRUE(CheckFits(card, card.free_bytes, "weights").ok());
  const absl::Status status =
      CheckFits(card, (int64_t{3} << 30) + 1, "14.2 GiB for weights");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), reason::kDeviceOutOfMemory);
  for (const char* part :
       {"cuda:1", "A card", "3.00 GiB free of 8.00 GiB", "14.2 GiB"}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

TEST(DeviceTest, ACardIsSeenByOperators) {
  Health health;
  Metrics metrics({}, health);
  ReportCard(metrics, {.device = "cuda:1",
                       .name = "A card",
                       .id = "boot/0000:01:00.0",
                       .free_bytes = 3,
                       .total_bytes = 8});
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("name=\"A card\",uuid=\"boot/0000:01:00.0\""));
  for (const char* line : {"{device=\"cuda:1\",kind=\"used\"} 5",
                           "{device=\"cuda:1\",kind=\"free\"} 3",
                           "{device=\"cuda:1\",kind=\"limit\"} 8"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace tandem
