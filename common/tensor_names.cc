#include "common/tensor_names.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace tandem {
namespace {

// Where HF's spelling begins with `hf`, ours begins with `canonical`.
struct Spelling {
  absl::string_view hf;
  absl::string_view canonical;
  int part = 0;
  int num_parts = 1;
};

constexpr Spelling kOutsideLayers[] = {
    {"vision_tower.embeddings.cls_token",
     "vision_model.embeddings.class_embedding"},
    {"vision_tower.embeddings.patch_embeddings.projection.",
     "vision_model.embeddings.patch_embedding."},
    {"vision_tower.embeddings.position_embeddings",
     "vision_model.embeddings.position_embedding"},
    {"multi_modal_projector.layer_norm.", "mlp1.0."},
    {"multi_modal_projector.linear_1.", "mlp1.1."},
    {"multi_modal_projector.linear_2.", "mlp1.3."},
    {"language_model.layers.", "language_model.model.layers."},
    {"language_model.embed_tokens.", "language_model.model.embed_tokens."},
    {"language_model.norm.", "language_model.model.norm."},
    {"lm_head.", "language_model.lm_head."},
};

constexpr Spelling kInVisionLayer[] = {
    {"attention.q_proj.", "attn.qkv.", 0, 3},
    {"attention.k_proj.", "attn.qkv.", 1, 3},
    {"attention.v_proj.", "attn.qkv.", 2, 3},
    {"attention.q_norm.", "attn.q_norm."},
    {"attention.k_norm.", "attn.k_norm."},
    {"attention.projection_layer.", "attn.proj."},
    {"layernorm_before.", "norm1."},
    {"layernorm_after.", "norm2."},
    {"lambda_1", "ls1"},
    {"lambda_2", "ls2"},
    {"mlp.", "mlp."},
};

constexpr absl::string_view kBufferEndings[] = {
    ".rotary_emb.inv_freq", ".position_ids", ".embeddings.mask_token"};

// Rewrites the beginning of `name` by the first entry that matches.
template <size_t kSize>
absl::optional<TensorPlace> Respell(absl::string_view name,
                                    const Spelling (&table)[kSize]) {
  for (const Spelling& entry : table) {
    absl::string_view rest = name;
    if (!absl::ConsumePrefix(&rest, entry.hf)) continue;
    return TensorPlace{absl::StrCat(entry.canonical, rest), entry.part,
                       entry.num_parts};
  }
  return absl::nullopt;
}

absl::optional<TensorPlace> RespellVisionLayer(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "vision_tower.encoder.layer.")) {
    return absl::nullopt;
  }
  const size_t digits = name.find_first_not_of("0123456789");
  if (digits == 0 || digits == absl::string_view::npos || name[digits] != '.') {
    return absl::nullopt;
  }
  absl::optional<TensorPlace> place =
      Respell(name.substr(digits + 1), kInVisionLayer);
  if (place.has_value()) {
    place->name = absl::StrCat("vision_model.encoder.layers.",
                               name.substr(0, digits + 1), place->name);
  }
  return place;
}

}  // namespace

absl::optional<TensorPlace> PlaceOfTensor(absl::string_view stored_name) {
  for (absl::string_view ending : kBufferEndings) {
    if (absl::EndsWith(stored_name, ending)) return absl::nullopt;
  }
  const absl::string_view name = absl::StripPrefix(stored_name, "model.");
  if (auto place = RespellVisionLayer(name); place.has_value()) return place;
  if (auto place = Respell(name, kOutsideLayers); place.has_value()) {
    return place;
  }
  return TensorPlace{std::string(name)};
}

}  // namespace tandem
