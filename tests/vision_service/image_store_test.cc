#include "vision_service/image_store.h"

#include <memory>
#include <string>

#include "common/errors.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

std::shared_ptr<StoredImage> Image(const std::string& content, int64_t bytes) {
  auto image = std::make_shared<StoredImage>();
  image->sha256 = content;
  image->preprocessing_id = "custom/448/12";
  image->held_bytes = bytes;
  return image;
}

class ImageStoreTest : public testing::Test {
 protected:
  ImageStore store_{{.max_held_bytes = 100, .time_to_live = absl::Seconds(60)}};
  absl::Duration now_ = absl::Seconds(1000);
};

TEST_F(ImageStoreTest, FindsAnImageByItsHandleAlone) {
  const auto entry = store_.Put(Image("a", 10), now_);
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_EQ(entry->handle.size(), 16u);
  EXPECT_FALSE(entry->found);
  EXPECT_EQ(store_.Find(entry->handle, now_), entry->image);
  EXPECT_EQ(store_.Find(std::string(16, 'x'), now_), nullptr);
  EXPECT_EQ(store_.Find("", now_), nullptr);
}

TEST_F(ImageStoreTest, EqualImagesShareOneEntryUnderTheirOwnHandles) {
  const auto first = store_.Put(Image("a", 10), now_);
  const auto second = store_.Put(Image("a", 10), now_);
  ASSERT_TRUE(second.ok());
  EXPECT_TRUE(second->found);
  EXPECT_NE(first->handle, second->handle);
  EXPECT_EQ(first->image, second->image);
  EXPECT_EQ(store_.held_bytes(), 10);
  EXPECT_TRUE(store_.Release(first->handle, now_));
  EXPECT_EQ(store_.Find(first->handle, now_), nullptr);
  EXPECT_NE(store_.Find(second->handle, now_), nullptr);
}

TEST_F(ImageStoreTest, OtherPreprocessingIsAnotherImage) {
  const auto first = store_.Put(Image("a", 10), now_);
  auto other = Image("a", 10);
  other->preprocessing_id = "custom/448/1";
  const auto second = store_.Put(other, now_);
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE(second->found);
  EXPECT_EQ(store_.held_bytes(), 20);
}

TEST_F(ImageStoreTest, RefusesRatherThanEvictWhatIsInUse) {
  const auto live = store_.Put(Image("a", 80), now_);
  ASSERT_TRUE(live.ok());
  const auto refused = store_.Put(Image("b", 30), now_);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(refused.status()), reason::kOverloaded);
  EXPECT_TRUE(RetryDelay(refused.status()).has_value());
  EXPECT_EQ(store_.held_bytes(), 80);
  EXPECT_NE(store_.Find(live->handle, now_), nullptr);
}

TEST_F(ImageStoreTest, EvictsTheLongestUnusedOfTheReleased) {
  const auto a = store_.Put(Image("a", 40), now_);
  const auto b = store_.Put(Image("b", 40), now_ + absl::Seconds(1));
  store_.Release(b->handle, now_ + absl::Seconds(2));
  store_.Release(a->handle, now_ + absl::Seconds(3));
  ASSERT_TRUE(store_.Put(Image("c", 40), now_ + absl::Seconds(4)).ok());
  EXPECT_EQ(store_.num_evicted(), 1);
  // b went: a was used later and is found again.
  EXPECT_TRUE(store_.Put(Image("a", 40), now_ + absl::Seconds(5))->found);
}

TEST_F(ImageStoreTest, DoesNotEvictWhatAStreamReads) {
  const auto a = store_.Put(Image("a", 80), now_);
  a->image->num_streams = 1;
  store_.Release(a->handle, now_);
  EXPECT_FALSE(store_.Put(Image("b", 30), now_).ok());
  store_.Expire(now_ + absl::Hours(1));
  EXPECT_EQ(store_.num_images(), 1);
}

TEST_F(ImageStoreTest, ForgetsAMinuteAfterTheLastUse) {
  const auto a = store_.Put(Image("a", 10), now_);
  store_.Expire(now_ + absl::Seconds(59));
  EXPECT_NE(store_.Find(a->handle, now_ + absl::Seconds(59)), nullptr);
  store_.Expire(now_ + absl::Seconds(100));  // 41 s after that use.
  EXPECT_EQ(store_.num_handles(), 1);
  store_.Expire(now_ + absl::Seconds(119));
  EXPECT_EQ(store_.num_handles(), 0);
  EXPECT_EQ(store_.num_images(), 0);
  EXPECT_EQ(store_.held_bytes(), 0);
}

TEST_F(ImageStoreTest, AFailedImageIsNoCacheEntry) {
  const auto a = store_.Put(Image("a", 10), now_);
  a->image->phase = StoredImage::Phase::kFailed;
  EXPECT_TRUE(store_.Release(a->handle, now_));
  EXPECT_EQ(store_.num_images(), 0);
  EXPECT_EQ(store_.held_bytes(), 0);
  EXPECT_FALSE(store_.Release(a->handle, now_));
}

}  // namespace
}  // namespace tandem
