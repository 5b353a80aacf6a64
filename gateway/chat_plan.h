#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/image_header.h"
#include "common/preprocessing.h"
#include "common/tile_grid.h"
#include "tandem/v1/gateway.pb.h"
#include "tandem/v1/llm.pb.h"

namespace tandem {

// What one request may ask for.
struct ChatLimits {
  int max_messages = 256;
  int max_parts = 64;  // of one message
  int max_images = 8;
  int max_tiles = 64;            // of one request, thumbnails counted
  int max_tiles_per_image = 12;  // thumbnail not counted; more with detail HIGH
  ImageLimits image;
};

// One image of a request, in the order of the parts.
struct PlannedImage {
  int message = 0, part = 0;          // where it is in the request
  const std::string* data = nullptr;  // borrowed from there
  std::string field;                  // "messages[0].content[1].image"
  ImageHeader header;
  int max_tiles = 0;
  TileGrid grid;
};

// A request that passed every check that needs no model: what the llm service
// and the vision service will be told.
struct ChatPlan {
  // Not null: the text that there is instead of messages, in the request.
  const std::string* prompt = nullptr;
  std::vector<v1::PromptMessage> messages;
  std::vector<PlannedImage> images;
  int64_t image_bytes = 0;

  int num_tiles() const;
};

// Checks messages and image headers (no pixel is decoded) and shares the
// request's tile budget among its images: where it does not hold them all, the
// images that leave their detail to us get fewer tiles, evenly. A prompt is
// checked for messages beside it and for being empty.
//
// `preprocessing` is the backends', its max_tiles the default of images that
// name none. INVALID_ARGUMENT naming the field ("messages[2].role") and the
// bound. Thread-safe; `request` must outlive the plan.
absl::StatusOr<ChatPlan> PlanChat(const v1::ChatRequest& request,
                                  const Preprocessing& preprocessing,
                                  const ChatLimits& limits);

// The same for what is counted alone, where a prompt may be empty.
absl::StatusOr<ChatPlan> PlanCount(const v1::CountTokensRequest& request,
                                   const Preprocessing& preprocessing,
                                   const ChatLimits& limits);

}  // namespace tandem
