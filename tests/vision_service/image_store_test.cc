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
  absl::StatusOr<ImageStore::Entry> Put(
      const std::shared_ptr<StoredImage>& image, absl::Duration now,
      absl::Duration keep_until = absl::ZeroDuration()) {
    return store_.Put(image, now, keep_until, forgotten_);
  }
  void Expire(absl::Duration now) { store_.Expire(now, forgotten_); }

  ImageStore store_{{.max_held_bytes = 100, .time_to_live = absl::Seconds(60)}};
  ImageStore::Forgotten forgotten_;
  absl::Duration now_ = absl::Seconds(1000);
};

TEST_F(ImageStoreTest, FindsAnImageByItsHandleAlone) {
  const auto entry = Put(Image("a", 10), now_);
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_EQ(entry->handle.size(), 16u);
  EXPECT_EQ(store_.Find(entry->handle, now_), entry->image);
  EXPECT_EQ(store_.Find(std::string(16, 'x'), now_), nullptr);
  EXPECT_EQ(store_.Find("", now_), nullptr);
}

TEST_F(ImageStoreTest, EqualImagesShareOneEntryUnderTheirOwnHandles) {
  const auto first = Put(Image("a", 10), now_);
  const auto second = Put(Image("a", 10), now_);
  ASSERT_TRUE(second.ok());
  EXPECT_NE(first->handle, second->handle);
  EXPECT_EQ(first->image, second->image);
  EXPECT_EQ(store_.held_bytes(), 10);
  EXPECT_TRUE(store_.Release(first->handle, now_));
  EXPECT_EQ(store_.Find(first->handle, now_), nullptr);
  EXPECT_NE(store_.Find(second->handle, now_), nullptr);
}

TEST_F(ImageStoreTest, FindsAnEqualImageBeforeItsFileIsCopied) {
  const absl::Duration keep = absl::ZeroDuration();
  const auto unknown = store_.PutEqual(*Image("a", 10), now_, keep);
  ASSERT_TRUE(unknown.ok());
  EXPECT_FALSE(unknown->has_value());
  EXPECT_EQ(store_.num_handles(), 0);
  const auto first = Put(Image("a", 10), now_);
  const auto equal = store_.PutEqual(*Image("a", 10), now_, keep);
  ASSERT_TRUE(equal.ok() && equal->has_value());
  EXPECT_EQ((*equal)->image, first->image);
  EXPECT_NE((*equal)->handle, first->handle);
  EXPECT_EQ(store_.num_handles(), 2);
}

TEST_F(ImageStoreTest, OtherPreprocessingIsAnotherImage) {
  const auto first = Put(Image("a", 10), now_);
  auto other = Image("a", 10);
  other->preprocessing_id = "custom/448/1";
  const auto second = Put(other, now_);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->image, other);
  EXPECT_EQ(store_.held_bytes(), 20);
}

TEST_F(ImageStoreTest, RefusesRatherThanEvictWhatIsInUse) {
  const auto live = Put(Image("a", 80), now_);
  ASSERT_TRUE(live.ok());
  const auto refused = Put(Image("b", 30), now_);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(refused.status()), reason::kOverloaded);
  EXPECT_TRUE(RetryDelay(refused.status()).has_value());
  EXPECT_EQ(store_.held_bytes(), 80);
  EXPECT_NE(store_.Find(live->handle, now_), nullptr);
}

TEST_F(ImageStoreTest, ARefusedPutLeavesTheCacheAlone) {
  const auto live = Put(Image("a", 60), now_);
  const auto cached = Put(Image("b", 30), now_);
  store_.Release(cached->handle, now_);
  EXPECT_FALSE(Put(Image("c", 50), now_).ok());
  EXPECT_EQ(store_.num_evicted(), 0);
  EXPECT_EQ(store_.held_bytes(), 90);
  EXPECT_EQ(Put(Image("b", 30), now_)->image, cached->image);
}

TEST_F(ImageStoreTest, SaysThatAnImageWillNeverFit) {
  const auto cached = Put(Image("a", 60), now_);
  store_.Release(cached->handle, now_);
  const absl::Status status = Put(Image("b", 101), now_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), reason::kImageTooLarge);
  EXPECT_FALSE(RetryDelay(status).has_value());
  EXPECT_EQ(ErrorMetadataOf(status)["maxHeldBytes"], "100");
  EXPECT_EQ(store_.num_images(), 1);
}

TEST_F(ImageStoreTest, EvictsTheLongestUnusedOfTheReleased) {
  const auto a = Put(Image("a", 40), now_);
  const auto b = Put(Image("b", 40), now_ + absl::Seconds(1));
  store_.Release(b->handle, now_ + absl::Seconds(2));
  store_.Release(a->handle, now_ + absl::Seconds(3));
  ASSERT_TRUE(Put(Image("c", 40), now_ + absl::Seconds(4)).ok());
  EXPECT_EQ(store_.num_evicted(), 1);
  // b went: a was used later and is found again.
  EXPECT_EQ(forgotten_, ImageStore::Forgotten{b->image});
  EXPECT_EQ(Put(Image("a", 40), now_ + absl::Seconds(5))->image, a->image);
}

TEST_F(ImageStoreTest, DoesNotEvictWhatAStreamReads) {
  const auto a = Put(Image("a", 80), now_);
  store_.BeginRead(a->handle, now_);
  store_.Release(a->handle, now_);
  EXPECT_FALSE(Put(Image("b", 30), now_).ok());
  Expire(now_ + absl::Hours(1));
  EXPECT_EQ(store_.num_images(), 1);
  store_.EndRead(a->handle, *a->image, now_ + absl::Hours(1));
  EXPECT_TRUE(Put(Image("b", 30), now_ + absl::Hours(1)).ok());
}

TEST_F(ImageStoreTest, ForgetsAMinuteAfterTheLastUse) {
  const auto a = Put(Image("a", 10), now_);
  Expire(now_ + absl::Seconds(59));
  EXPECT_NE(store_.Find(a->handle, now_ + absl::Seconds(59)), nullptr);
  Expire(now_ + absl::Seconds(100));  // 41 s after that use.
  EXPECT_EQ(store_.num_handles(), 1);
  Expire(now_ + absl::Seconds(119));
  EXPECT_EQ(store_.num_handles(), 0);
  EXPECT_EQ(store_.num_images(), 0);
  EXPECT_EQ(store_.held_bytes(), 0);
  EXPECT_EQ(forgotten_, ImageStore::Forgotten{a->image});
}

TEST_F(ImageStoreTest, TheMinuteBeginsWhenALongReadEnds) {
  const auto a = Put(Image("a", 10), now_);
  store_.BeginRead(a->handle, now_);
  Expire(now_ + absl::Seconds(61));
  EXPECT_EQ(store_.num_handles(), 1);
  store_.EndRead(a->handle, *a->image, now_ + absl::Seconds(61));
  Expire(now_ + absl::Seconds(120));
  EXPECT_EQ(store_.num_handles(), 1);
  Expire(now_ + absl::Seconds(121));
  EXPECT_EQ(store_.num_handles(), 0);
}

TEST_F(ImageStoreTest, AHandleIsNotKeptByReadersOfAnother) {
  const auto read = Put(Image("a", 10), now_);
  const auto leaked = Put(Image("a", 10), now_);
  store_.BeginRead(read->handle, now_);
  Expire(now_ + absl::Seconds(60));
  EXPECT_EQ(store_.Find(leaked->handle, now_ + absl::Seconds(60)), nullptr);
  EXPECT_NE(store_.Find(read->handle, now_ + absl::Seconds(60)), nullptr);
  EXPECT_EQ(read->image->num_handles, 1);
}

TEST_F(ImageStoreTest, AHandleLivesAsLongAsItsRequest) {
  const auto a = Put(Image("a", 10), now_, now_ + absl::Seconds(300));
  const auto b = Put(Image("b", 10), now_, now_ + absl::Seconds(20));
  Expire(now_ + absl::Seconds(59));
  EXPECT_EQ(store_.num_handles(), 2);
  Expire(now_ + absl::Seconds(299));
  EXPECT_EQ(store_.num_handles(), 1);
  EXPECT_EQ(store_.Find(b->handle, now_), nullptr);
  EXPECT_EQ(store_.num_images(), 1);
  Expire(now_ + absl::Seconds(300));
  EXPECT_EQ(store_.num_handles(), 0);
  EXPECT_EQ(store_.num_images(), 0);
  EXPECT_EQ(store_.Find(a->handle, now_), nullptr);
}

TEST_F(ImageStoreTest, AReleasedHandleIsGoneWhateverItsRequest) {
  const auto a = Put(Image("a", 10), now_, now_ + absl::Seconds(300));
  EXPECT_TRUE(store_.Release(a->handle, now_));
  EXPECT_EQ(store_.Find(a->handle, now_), nullptr);
  Expire(now_ + absl::Seconds(60));
  EXPECT_EQ(store_.num_images(), 0);
}

TEST_F(ImageStoreTest, AFailedImageIsNoCacheEntry) {
  const auto a = Put(Image("a", 10), now_);
  a->image->phase = StoredImage::Phase::kFailed;
  EXPECT_TRUE(store_.Release(a->handle, now_));
  EXPECT_EQ(store_.num_images(), 0);
  EXPECT_EQ(store_.held_bytes(), 0);
  EXPECT_FALSE(store_.Release(a->handle, now_));
}

}  // namespace
}  // namespace tandem
