#include "cli/conversation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace tandem {
namespace {

// More tiles than this take a word from the client: see proto ImagePart.
constexpr int kMaxAutomaticTiles = 12;

v1::ChatMessage SystemMessage(const std::string& text) {
  v1::ChatMessage message;
  message.set_role("system");
  message.add_content()->set_text(text);
  return message;
}

}  // namespace

Conversation::Conversation(Options options) : options_(std::move(options)) {
  request_.set_model(options_.model);
  *request_.mutable_sampling() = options_.sampling;
  Reset();
}

void Conversation::Reset() {
  waiting_.clear();
  image_names_.clear();
  request_.clear_messages();
  if (options_.system.empty()) return;
  *request_.add_messages() = SystemMessage(options_.system);
  image_names_.emplace_back();
}

void Conversation::AddImage(std::string bytes, std::string name) {
  waiting_.push_back({std::move(bytes), std::move(name)});
}

void Conversation::AddImagePart(Image image, v1::ChatMessage& message) {
  image_names_.back().push_back(std::move(image.name));
  v1::ImagePart& part = *message.add_content()->mutable_image();
  part.set_data(std::move(image.bytes));
  part.set_max_tiles(options_.max_tiles);
  if (options_.max_tiles > kMaxAutomaticTiles) {
    part.set_detail(v1::ImagePart::DETAIL_HIGH);
  }
}

const v1::ChatRequest& Conversation::Ask(std::string text) {
  v1::ChatMessage& message = *request_.add_messages();
  image_names_.emplace_back();
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
  image_names_.emplace_back();
  message.set_role("assistant");
  message.add_content()->set_text(std::move(text));
}

void Conversation::Forget() {
  request_.mutable_messages()->RemoveLast();
  image_names_.pop_back();
}

void Conversation::KeepImages() {
  v1::ChatMessage& message = *request_.mutable_messages()->rbegin();
  auto name = image_names_.back().begin();
  for (v1::ContentPart& part : *message.mutable_content()) {
    if (!part.has_image()) continue;
    AddImage(std::move(*part.mutable_image()->mutable_data()),
             std::move(*name++));
  }
  Forget();
}

int Conversation::num_turns() const {
  return (request_.messages_size() - first_turn()) / 2;
}

std::string Conversation::TakeAnswer() {
  v1::ChatMessage& last = *request_.mutable_messages()->rbegin();
  std::string answer = std::move(*last.mutable_content(0)->mutable_text());
  Forget();
  return answer;
}

void Conversation::Undo() {
  Forget();
  Forget();
}

void Conversation::SetSystem(std::string text) {
  auto& messages = *request_.mutable_messages();
  if (first_turn() == 1) {
    messages.DeleteSubrange(0, 1);
    image_names_.erase(image_names_.begin());
  }
  options_.system = std::move(text);
  if (options_.system.empty()) return;
  *messages.Add() = SystemMessage(options_.system);
  for (int i = messages.size() - 1; i > 0; --i) messages.SwapElements(i, i - 1);
  image_names_.emplace(image_names_.begin());
}

void Conversation::Replace(const std::vector<v1::ChatMessage>& messages,
                           const std::string& name) {
  const bool has_system =
      !messages.empty() && messages.front().role() == "system";
  options_.system = has_system ? messages.front().content(0).text() : "";
  waiting_.clear();
  image_names_.clear();
  request_.mutable_messages()->Assign(messages.begin(), messages.end());
  for (const v1::ChatMessage& message : messages) {
    std::vector<std::string>& names = image_names_.emplace_back();
    for (const v1::ContentPart& part : message.content()) {
      if (part.has_image()) names.push_back(name);
    }
  }
}

void Conversation::SetModel(std::string name) {
  options_.model = std::move(name);
  request_.set_model(options_.model);
}

void Conversation::SetSampling(const v1::Sampling& sampling) {
  options_.sampling = sampling;
  *request_.mutable_sampling() = sampling;
}

absl::Status Conversation::NameImages(const absl::Status& status) const {
  const std::string field = ErrorField(status);
  for (int i = 0; i < request_.messages_size(); ++i) {
    auto name = image_names_[i].begin();
    for (int j = 0; j < request_.messages(i).content_size(); ++j) {
      if (!request_.messages(i).content(j).has_image()) continue;
      if (absl::StrCat("messages[", i, "].content[", j, "].image") != field) {
        ++name;
        continue;
      }
      absl::Status named(status.code(),
                         absl::StrCat(*name, ": ", status.message()));
      status.ForEachPayload([&](absl::string_view type, const absl::Cord& p) {
        named.SetPayload(type, p);
      });
      return named;
    }
  }
  return status;
}

}  // namespace tandem
