#include "cli/conversation.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace tandem {
namespace {

// More tiles than this take a word from the client: see proto ImagePart.
constexpr int kMaxAutomaticTiles = 12;

std::string ImageField(int message, int part) {
  return absl::StrCat("messages[", message, "].content[", part, "].image");
}

}  // namespace

Conversation::Conversation(Options options) : options_(std::move(options)) {
  Reset();
}

void Conversation::Reset() {
  waiting_.clear();
  image_names_.clear();
  request_.Clear();
  request_.set_model(options_.model);
  *request_.mutable_sampling() = options_.sampling;
  if (options_.system.empty()) return;
  v1::ChatMessage& system = *request_.add_messages();
  system.set_role("system");
  system.add_content()->set_text(options_.system);
}

void Conversation::AddImage(std::string bytes, std::string name) {
  waiting_.push_back({std::move(bytes), std::move(name)});
}

void Conversation::AddImagePart(Image image, v1::ChatMessage& message) {
  image_names_[ImageField(request_.messages_size() - 1,
                          message.content_size())] = std::move(image.name);
  v1::ImagePart& part = *message.add_content()->mutable_image();
  part.set_data(std::move(image.bytes));
  part.set_max_tiles(options_.max_tiles);
  if (options_.max_tiles > kMaxAutomaticTiles) {
    part.set_detail(v1::ImagePart::DETAIL_HIGH);
  }
}

const v1::ChatRequest& Conversation::Ask(std::string text) {
  v1::ChatMessage& message = *request_.add_messages();
  message.set_role("user");
  for (Image& image : std::exchange(waiting_, {})) {
    AddImagePart(std::move(image), message);
  }
  message.add_content()->set_text(std::move(text));
  return request_;
}

void Conversation::Answered(std::string text) {
  if (text.empty()) return Forget();  // no message may be empty
  v1::ChatMessage& message = *request_.add_messages();
  message.set_role("assistant");
  message.add_content()->set_text(std::move(text));
}

void Conversation::Forget() {
  const std::string field =
      absl::StrCat("messages[", request_.messages_size() - 1, "]");
  for (auto it = image_names_.begin(); it != image_names_.end();) {
    it = absl::StartsWith(it->first, field) ? image_names_.erase(it)
                                            : std::next(it);
  }
  request_.mutable_messages()->RemoveLast();
}

void Conversation::KeepImages() {
  const int last = request_.messages_size() - 1;
  v1::ChatMessage& message = *request_.mutable_messages(last);
  for (int i = 0; i < message.content_size(); ++i) {
    if (!message.content(i).has_image()) continue;
    AddImage(
        std::move(*message.mutable_content(i)->mutable_image()->mutable_data()),
        image_names_[ImageField(last, i)]);
  }
  Forget();
}

absl::Status Conversation::NameImages(const absl::Status& status) const {
  const auto found = image_names_.find(ErrorField(status));
  if (found == image_names_.end()) return status;
  absl::Status named(status.code(),
                     absl::StrCat(found->second, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    named.SetPayload(type, payload);
  });
  return named;
}

}  // namespace tandem
