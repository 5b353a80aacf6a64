#include "common/tensor_names.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

struct NameCase {
  std::string test, stored, canonical;
  int part = 0;
  int num_parts = 1;
  friend std::ostream& operator<<(std::ostream& os, const NameCase& c) {
    return os << c.stored;
  }
};
class TensorNamesTest : public testing::TestWithParam<NameCase> {};

TEST_P(TensorNamesTest, FindsThePlace) {
  const auto place = PlaceOfTensor(GetParam().stored);
  ASSERT_TRUE(place.has_value());
  EXPECT_EQ(place->name, GetParam().canonical);
  EXPECT_EQ(place->part, GetParam().part);
  EXPECT_EQ(place->num_parts, GetParam().num_parts);
}

const char kLayer[] = "vision_model.encoder.layers.12.";
const char kText[] = "language_model.model.layers.7.self_attn.q_proj.bias";

INSTANTIATE_TEST_SUITE_P(
    Spellings, TensorNamesTest,
    testing::Values(
        NameCase{"Custom", std::string(kLayer) + "attn.qkv.weight",
                 std::string(kLayer) + "attn.qkv.weight"},
        NameCase{"CustomText", kText, kText},
        NameCase{"CustomHead", "language_model.lm_head.weight",
                 "language_model.lm_head.weight"},
        NameCase{"CustomProjector", "mlp1.3.bias", "mlp1.3.bias"},
        NameCase{"Q", "vision_tower.encoder.layer.12.attention.q_proj.weight",
                 std::string(kLayer) + "attn.qkv.weight", 0, 3},
        NameCase{"K", "vision_tower.encoder.layer.12.attention.k_proj.bias",
                 std::string(kLayer) + "attn.qkv.bias", 1, 3},
        NameCase{"VNewSpelling",
                 "model.vision_tower.encoder.layer.12.attention.v_proj.weight",
                 std::string(kLayer) + "attn.qkv.weight", 2, 3},
        NameCase{"QNorm",
                 "vision_tower.encoder.layer.12.attention.q_norm.weight",
                 std::string(kLayer) + "attn.q_norm.weight"},
        NameCase{
            "Projection",
            "vision_tower.encoder.layer.12.attention.projection_layer.bias",
            std::string(kLayer) + "attn.proj.bias"},
        NameCase{"Norm1", "vision_tower.encoder.layer.12.layernorm_before.bias",
                 std::string(kLayer) + "norm1.bias"},
        NameCase{"Norm2",
                 "vision_tower.encoder.layer.12.layernorm_after.weight",
                 std::string(kLayer) + "norm2.weight"},
        NameCase{"LayerScale", "vision_tower.encoder.layer.12.lambda_2",
                 std::string(kLayer) + "ls2"},
        NameCase{"Mlp", "vision_tower.encoder.layer.12.mlp.fc1.weight",
                 std::string(kLayer) + "mlp.fc1.weight"},
        NameCase{"ClassToken", "vision_tower.embeddings.cls_token",
                 "vision_model.embeddings.class_embedding"},
        NameCase{
            "Patches",
            "model.vision_tower.embeddings.patch_embeddings.projection.bias",
            "vision_model.embeddings.patch_embedding.bias"},
        NameCase{"Positions", "vision_tower.embeddings.position_embeddings",
                 "vision_model.embeddings.position_embedding"},
        NameCase{"Projector", "multi_modal_projector.linear_2.weight",
                 "mlp1.3.weight"},
        NameCase{"ProjectorNorm",
                 "model.multi_modal_projector.layer_norm.weight",
                 "mlp1.0.weight"},
        NameCase{"TextNewSpelling",
                 "model.language_model.layers.7.self_attn.q_proj.bias", kText},
        NameCase{"Embeddings", "model.language_model.embed_tokens.weight",
                 "language_model.model.embed_tokens.weight"},
        NameCase{"FinalNorm", "language_model.norm.weight",
                 "language_model.model.norm.weight"},
        NameCase{"HeadAlone", "lm_head.weight",
                 "language_model.lm_head.weight"},
        // These keep their names, which no configuration asks for.
        NameCase{"FinalVisionNorm", "vision_tower.layernorm.weight",
                 "vision_tower.layernorm.weight"},
        NameCase{"NoLayerNumber", "vision_tower.encoder.layer.x.lambda_1",
                 "vision_tower.encoder.layer.x.lambda_1"},
        NameCase{"OnlyLayerNumber", "vision_tower.encoder.layer.12",
                 "vision_tower.encoder.layer.12"},
        NameCase{"UnknownInLayer", "vision_tower.encoder.layer.1.gate",
                 "vision_tower.encoder.layer.1.gate"}),
    [](const auto& info) { return info.param.test; });

TEST(TensorNamesTest, BuffersHaveNoPlace) {
  for (const char* name :
       {"language_model.model.layers.0.self_attn.rotary_emb.inv_freq",
        "vision_model.embeddings.position_ids",
        "vision_tower.embeddings.mask_token"}) {
    EXPECT_FALSE(PlaceOfTensor(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace tandem
