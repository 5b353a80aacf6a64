#include "cli/card_plan.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/byte_size.h"
#include "common/status_macros.h"
#include "llm_service/kv_pool_size.h"
#include "llm_service/llm_server.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using Json = nlohmann::ordered_json;

std::string Row(absl::string_view name, const std::string& weights,
                const std::string& compute, const std::string& kv) {
  return absl::StrFormat("  %-14s  %10s  %15s  %s\n", name, weights, compute,
                         kv);
}

// Tokens of KV cache that the card has room for beside `taken` bytes.
int64_t KvTokens(const CardPlan& plan, const Card& card, int64_t taken) {
  const int64_t pool =
      KvPoolBytes(plan.llm, card.free_bytes - taken, card.total_bytes);
  return pool < plan.llm.kv_context ? 0
                                    : pool / plan.llm.kv_block * kKvBlockTokens;
}

std::string Fit(const CardPlan& plan, absl::string_view service,
                int64_t tokens) {
  if (tokens == 0) return absl::StrCat(service, " DOES NOT FIT");
  return absl::StrCat(service, " fits, with a KV cache of ", tokens,
                      " tokens (", tokens / plan.context, " full contexts)");
}

std::string CardLine(const CardPlan& plan, const Card& card) {
  return absl::StrFormat(
      "  %-14s  %s, %s free of %s: tandem-vision %s; %s; %s\n", card.device,
      card.name, FormatBytes(card.free_bytes), FormatBytes(card.total_bytes),
      plan.vision.total() <= card.free_bytes ? "fits" : "DOES NOT FIT",
      Fit(plan, "tandem-llm", KvTokens(plan, card, 0)),
      Fit(plan, "both", KvTokens(plan, card, plan.vision.total())));
}

}  // namespace

absl::StatusOr<CardPlan> PlanCards(const ModelReport& report) {
  const LlmServer::Options options;
  CardPlan plan;
  plan.context = report.config.text.max_positions;
  plan.vision = VisionMemoryOf(report.config, report.dtype);
  plan.llm = LlmMemoryOf(report.config.text, report.dtype, plan.context,
                         StepTokens(options, at::Device(at::kCUDA)),
                         options.max_running);
  plan.built = BuiltForCards();
  TANDEM_ASSIGN_OR_RETURN(plan.cards, ListCards());
  return plan;
}

std::string PlanAsText(const CardPlan& plan) {
  std::string text = absl::StrCat(
      Row("on a card", "weights", "to compute with", "KV cache"),
      Row("tandem-vision", FormatBytes(plan.vision.weights),
          FormatBytes(plan.vision.tile), "none"),
      Row("tandem-llm", FormatBytes(plan.llm.weights),
          FormatBytes(plan.llm.step),
          absl::StrCat(FormatBytes(plan.llm.kv_block / kKvBlockTokens),
                       " a token, ", FormatBytes(plan.llm.kv_context),
                       " for one context of ", plan.context, ": ",
                       FormatBytes(plan.llm.least()), " at least")));
  for (const Card& card : plan.cards) text += CardLine(plan, card);
  if (plan.cards.empty()) {
    absl::StrAppend(&text, "  cards           ",
                    plan.built ? "none on this machine"
                               : "none: this program computes on cpu alone",
                    "\n");
  }
  return text;
}

std::string PlanAsJson(const CardPlan& plan) {
  Json cards = Json::array();
  for (const Card& card : plan.cards) {
    cards.push_back(
        {{"device", card.device},
         {"name", card.name},
         {"free_bytes", card.free_bytes},
         {"total_bytes", card.total_bytes},
         {"vision_fits", plan.vision.total() <= card.free_bytes},
         {"llm_kv_tokens", KvTokens(plan, card, 0)},
         {"both_kv_tokens", KvTokens(plan, card, plan.vision.total())}});
  }
  return Json({{"tandem-vision",
                {{"weight_bytes", plan.vision.weights},
                 {"compute_bytes", plan.vision.tile}}},
               {"tandem-llm",
                {{"weight_bytes", plan.llm.weights},
                 {"compute_bytes", plan.llm.step},
                 {"kv_bytes_per_token", plan.llm.kv_block / kKvBlockTokens},
                 {"context_kv_bytes", plan.llm.kv_context}}},
               {"cards", std::move(cards)}})
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tandem
