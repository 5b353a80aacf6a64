#include "vision_service/image_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "openssl/rand.h"

namespace tandem {
namespace {

std::string Key(const StoredImage& image) {
  return absl::StrCat(image.sha256, image.preprocessing_id);
}

// Whoever knows a handle may read the embeddings: it must not be guessable.
absl::StatusOr<std::string> RandomHandle() {
  std::string handle(16, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(handle.data()),
                 static_cast<int>(handle.size())) != 1) {
    return absl::InternalError("the system gives no random bytes");
  }
  return handle;
}

}  // namespace

absl::StatusOr<ImageStore::Entry> ImageStore::Put(
    std::shared_ptr<StoredImage> image, absl::Duration now) {
  absl::StatusOr<std::string> handle = RandomHandle();
  if (!handle.ok()) return handle.status();
  const auto it = images_.find(Key(*image));
  const bool found = it != images_.end();
  if (found) {
    image = it->second;
  } else {
    if (!MakeRoom(image->held_bytes)) {
      return RetryableError(
          absl::StatusCode::kResourceExhausted, reason::kOverloaded,
          absl::StrCat("no room for an image of ", image->held_bytes,
                       " bytes: live images hold ", held_bytes_, " of ",
                       options_.max_held_bytes),
          absl::Seconds(1),
          {{"heldBytes", absl::StrCat(held_bytes_)},
           {"maxHeldBytes", absl::StrCat(options_.max_held_bytes)}});
    }
    held_bytes_ += image->held_bytes;
    images_.emplace(Key(*image), image);
  }
  ++image->num_handles;
  image->last_use = now;
  handles_.emplace(*handle, Handle{image, now});
  return Entry{*std::move(handle), std::move(image), found};
}

std::shared_ptr<StoredImage> ImageStore::Find(absl::string_view handle,
                                              absl::Duration now) {
  const auto it = handles_.find(handle);
  if (it == handles_.end()) return nullptr;
  it->second.last_use = now;
  it->second.image->last_use = now;
  return it->second.image;
}

bool ImageStore::Release(absl::string_view handle, absl::Duration now) {
  const auto it = handles_.find(handle);
  if (it == handles_.end()) return false;
  const std::shared_ptr<StoredImage> image = std::move(it->second.image);
  handles_.erase(it);
  --image->num_handles;
  image->last_use = now;
  // A picture that cannot be decoded is of no use to anybody else.
  if (image->num_handles == 0 && image->phase == StoredImage::Phase::kFailed) {
    Forget(image);
  }
  return true;
}

void ImageStore::Expire(absl::Duration now) {
  std::vector<std::string> expired;
  for (const auto& [handle, entry] : handles_) {
    if (entry.image->num_streams > 0) continue;
    if (now - entry.last_use >= options_.time_to_live) {
      expired.push_back(handle);
    }
  }
  for (const std::string& handle : expired) {
    const auto it = handles_.find(handle);
    --it->second.image->num_handles;
    handles_.erase(it);
  }
  std::vector<std::shared_ptr<StoredImage>> unused;
  for (const auto& [key, image] : images_) {
    if (image->num_handles == 0 && image->num_streams == 0 &&
        now - image->last_use >= options_.time_to_live) {
      unused.push_back(image);
    }
  }
  for (const auto& image : unused) Forget(image);
}

// Evicts images without handles, the longest unused first.
bool ImageStore::MakeRoom(int64_t bytes) {
  while (held_bytes_ + bytes > options_.max_held_bytes) {
    std::shared_ptr<StoredImage> oldest;
    for (const auto& [key, image] : images_) {
      if (image->num_handles > 0 || image->num_streams > 0) continue;
      if (!oldest || image->last_use < oldest->last_use) oldest = image;
    }
    if (!oldest) return false;
    Forget(oldest);
    ++num_evicted_;
  }
  return true;
}

void ImageStore::Forget(const std::shared_ptr<StoredImage>& image) {
  held_bytes_ -= image->held_bytes;
  images_.erase(Key(*image));
}

}  // namespace tandem
