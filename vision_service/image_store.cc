#include "vision_service/image_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
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

absl::StatusOr<ImageStore::Entry> ImageStore::AddHandle(
    ImagePtr image, absl::Duration now, absl::Duration keep_until) {
  TANDEM_ASSIGN_OR_RETURN(std::string handle, RandomHandle());
  ++image->num_handles;
  image->last_use = now;
  handles_.emplace(handle, Handle{image, now, keep_until});
  return Entry{std::move(handle), std::move(image)};
}

absl::StatusOr<absl::optional<ImageStore::Entry>> ImageStore::PutEqual(
    const StoredImage& image, absl::Duration now, absl::Duration keep_until) {
  const auto it = images_.find(Key(image));
  if (it == images_.end()) return absl::optional<Entry>();
  return AddHandle(it->second, now, keep_until);
}

absl::StatusOr<ImageStore::Entry> ImageStore::Put(ImagePtr image,
                                                  absl::Duration now,
                                                  absl::Duration keep_until,
                                                  Forgotten& forgotten) {
  TANDEM_ASSIGN_OR_RETURN(absl::optional<Entry> equal,
                          PutEqual(*image, now, keep_until));
  if (equal.has_value()) return *std::move(equal);
  TANDEM_RETURN_IF_ERROR(MakeRoom(image->held_bytes, forgotten));
  TANDEM_ASSIGN_OR_RETURN(Entry entry, AddHandle(image, now, keep_until));
  held_bytes_ += image->held_bytes;
  images_.emplace(Key(*image), std::move(image));
  return entry;
}

ImageStore::ImagePtr ImageStore::Find(absl::string_view handle,
                                      absl::Duration now) {
  const auto it = handles_.find(handle);
  if (it == handles_.end()) return nullptr;
  it->second.last_use = now;
  it->second.image->last_use = now;
  return it->second.image;
}

void ImageStore::BeginRead(absl::string_view handle, absl::Duration now) {
  Handle& entry = handles_.find(handle)->second;
  entry.last_use = now;
  ++entry.num_streams;
  entry.image->last_use = now;
  ++entry.image->num_streams;
}

void ImageStore::EndRead(absl::string_view handle, StoredImage& image,
                         absl::Duration now) {
  image.last_use = now;
  --image.num_streams;
  const auto it = handles_.find(handle);
  if (it == handles_.end()) return;  // Released.
  it->second.last_use = now;
  --it->second.num_streams;
}

bool ImageStore::Release(absl::string_view handle, absl::Duration now) {
  const auto it = handles_.find(handle);
  if (it == handles_.end()) return false;
  const ImagePtr image = std::move(it->second.image);
  handles_.erase(it);
  --image->num_handles;
  image->last_use = now;
  // A picture that cannot be decoded is of no use to anybody else.
  if (image->num_handles == 0 && image->phase == StoredImage::Phase::kFailed) {
    Forget(image);
  }
  return true;
}

void ImageStore::Expire(absl::Duration now, Forgotten& forgotten) {
  absl::erase_if(handles_, [&](const auto& item) {
    const Handle& handle = item.second;
    const absl::Duration end =
        std::max(handle.last_use + options_.time_to_live, handle.keep_until);
    if (handle.num_streams > 0 || now < end) return false;
    --handle.image->num_handles;
    return true;
  });
  const size_t before = forgotten.size();
  for (const auto& [key, image] : images_) {
    if (image->num_handles == 0 && image->num_streams == 0 &&
        now - image->last_use >= options_.time_to_live) {
      forgotten.push_back(image);
    }
  }
  for (size_t i = before; i < forgotten.size(); ++i) Forget(forgotten[i]);
}

// Evicts images without handles, the longest unused first.
absl::Status ImageStore::MakeRoom(int64_t bytes, Forgotten& forgotten) {
  if (bytes > options_.max_held_bytes) {
    return MakeError(
        absl::StatusCode::kInvalidArgument, reason::kImageTooLarge,
        absl::StrCat("an image of ", bytes, " bytes, pixels and embeddings",
                     " counted, is above the ", options_.max_held_bytes,
                     " that are kept here"),
        {{"bytes", absl::StrCat(bytes)},
         {"maxHeldBytes", absl::StrCat(options_.max_held_bytes)}});
  }
  std::vector<ImagePtr> unused;
  int64_t live_bytes = held_bytes_;
  for (const auto& [key, image] : images_) {
    if (image->num_handles > 0 || image->num_streams > 0) continue;
    live_bytes -= image->held_bytes;
    unused.push_back(image);
  }
  if (live_bytes + bytes > options_.max_held_bytes) {
    return RetryableError(
        absl::StatusCode::kResourceExhausted, reason::kOverloaded,
        absl::StrCat("no room for an image of ", bytes,
                     " bytes: live images hold ", live_bytes, " of ",
                     options_.max_held_bytes),
        absl::Seconds(1),
        {{"heldBytes", absl::StrCat(live_bytes)},
         {"maxHeldBytes", absl::StrCat(options_.max_held_bytes)}});
  }
  std::sort(unused.begin(), unused.end(), [](const auto& a, const auto& b) {
    return a->last_use < b->last_use;
  });
  for (ImagePtr& image : unused) {
    if (held_bytes_ + bytes <= options_.max_held_bytes) break;
    Forget(image);
    ++num_evicted_;
    forgotten.push_back(std::move(image));
  }
  return absl::OkStatus();
}

void ImageStore::Forget(const ImagePtr& image) {
  held_bytes_ -= image->held_bytes;
  images_.erase(Key(*image));
}

}  // namespace tandem
