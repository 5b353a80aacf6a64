#include "common/pairing.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace tandem {
namespace {

template <class Value>
absl::Status Compare(absl::string_view what, const Value& vision,
                     const Value& llm) {
  if (vision == llm) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kFailedPrecondition, reason::kEmbeddingIncompatible,
      absl::StrCat("vision and llm service do not fit together: ", what, " is ",
                   vision, " there and ", llm, " here"),
      {{"check", std::string(what)}});
}

}  // namespace

absl::Status CheckPairing(const v1::ServiceInfo& vision,
                          const v1::ServiceInfo& llm,
                          bool allow_shared_device) {
  for (const absl::Status& status :
       {Compare("fingerprint", vision.fingerprint(), llm.fingerprint()),
        Compare("profile", v1::Profile_Name(vision.profile()),
                v1::Profile_Name(llm.profile())),
        Compare("dtype", v1::DType_Name(vision.dtype()),
                v1::DType_Name(llm.dtype())),
        Compare("hidden_size", vision.hidden_size(), llm.hidden_size()),
        Compare("tokens_per_tile", vision.tokens_per_tile(),
                llm.tokens_per_tile()),
        Compare("tile_size", vision.tile_size(), llm.tile_size())}) {
    if (!status.ok()) return status;
  }
  if (allow_shared_device) return absl::OkStatus();
  for (const std::string& card : vision.card_ids()) {
    if (std::find(llm.card_ids().begin(), llm.card_ids().end(), card) !=
        llm.card_ids().end()) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       reason::kEmbeddingIncompatible,
                       "vision and llm service compute on the same card; "
                       "--allow-shared-device permits it",
                       {{"check", "card_ids"}});
    }
  }
  return absl::OkStatus();
}

}  // namespace tandem
