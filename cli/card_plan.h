#pragma once

#include <string>
#include <vector>

#include "cli/model_report.h"
#include "kernels/device.h"
#include "llm_service/llm_memory.h"
#include "vision_service/vision_memory.h"

namespace tandem {

// What each service of a model takes of a card, and what the cards that are
// there have.
struct CardPlan {
  VisionMemory vision;
  LlmMemory llm;    // with the options' defaults and the model's context
  int context = 0;  // tokens
  std::vector<Card> cards;
  bool built = false;  // this program has code for cards
};

// Looks at the cards. INTERNAL where their driver fails.
absl::StatusOr<CardPlan> PlanCards(const ModelReport& report);

// For people: a table, and a line for each card. One JSON object.
std::string PlanAsText(const CardPlan& plan);
std::string PlanAsJson(const CardPlan& plan);

}  // namespace tandem
