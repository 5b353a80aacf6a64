#pragma once

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

  // Questions that were answered.
  int num_turns() const;
  // The last answer, which is taken out, so that request() asks its question
  // again; Answered must follow. REQUIRES num_turns() > 0.
  std::string TakeAnswer();
  // Forgets the last question, its pictures and its answer. REQUIRES
  // num_turns() > 0.
  void Undo();

  // Back to the beginning; the system text stays. Pictures that wait are
  // dropped.
  void Reset();
  // What the model is told first, from the next request on; empty: its own.
  void SetSystem(std::string text);
  const std::string& system() const { return options_.system; }
  // The conversation is these messages, the system text too: ReadConversation-
  // File's. `name` is what error messages call their pictures.
  void Replace(const std::vector<v1::ChatMessage>& messages,
               const std::string& name);

  // For every later request.
  void SetModel(std::string name);
  void SetSampling(const v1::Sampling& sampling);
  void SetMaxTiles(int max_tiles) { options_.max_tiles = max_tiles; }
  const Options& options() const { return options_; }

  // Everything but the pictures that wait.
  const v1::ChatRequest& request() const { return request_; }

  // `status` of the last request, with the picture's name where it names its
  // field.
  absl::Status NameImages(const absl::Status& status) const;

 private:
  struct Image {
    std::string bytes, name;
  };
  void AddImagePart(Image image, v1::ChatMessage& message);
  int first_turn() const { return options_.system.empty() ? 0 : 1; }

  Options options_;
  v1::ChatRequest request_;
  std::vector<Image> waiting_;  // for the next turn
  // Of the pictures of each message, in order.
  std::vector<std::vector<std::string>> image_names_;
};

}  // namespace tandem
