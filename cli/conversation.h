#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tandem/v1/gateway.pb.h"

namespace tandem {

// A conversation as the next request sends it: all of its turns, with their
// pictures. A turn that was not answered is in no later request. Not
// thread-safe.
class Conversation {
 public:
  struct Options {
    std::string model = {};      // served name
    std::string system = {};     // empty: the model's own
    int max_tiles = 0;           // of every picture; 0 is the server's default
    v1::Sampling sampling = {};  // of every answer
  };
  explicit Conversation(Options options);

  // A picture for the next turn, in front of its text and behind the pictures
  // that were added before. `name` is what error messages call it.
  void AddImage(std::string bytes, std::string name);

  // The request that asks `text`, which becomes the user's turn.
  const v1::ChatRequest& Ask(std::string text);
  // The answer to it.
  void Answered(std::string text);
  // There is none: the turn is forgotten, its pictures too.
  void Forget();
  // There is none: the turn is forgotten, its pictures go with the next one.
  void KeepImages();
  // Pictures that go with the next turn.
  int images_waiting() const { return static_cast<int>(waiting_.size()); }

  // Back to the beginning; the system text stays.
  void Reset();

  // `status` of the last Ask, with the picture's name where it names its field.
  absl::Status NameImages(const absl::Status& status) const;

 private:
  struct Image {
    std::string bytes, name;
  };
  void AddImagePart(Image image, v1::ChatMessage& message);

  const Options options_;
  v1::ChatRequest request_;
  std::vector<Image> waiting_;  // for the next turn
  // By field: "messages[1].content[0].image".
  std::map<std::string, std::string> image_names_;
};

}  // namespace tandem
