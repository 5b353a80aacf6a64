#include <ATen/ops/empty.h>

#include <cmath>

#include "kernels/embedding_lookup.h"
#include "kernels/extract_patches.h"
#include "kernels/gelu.h"
#include "kernels/layer_norm.h"
#include "kernels/pixel_shuffle.h"
#include "kernels/reference/reference.h"
#include "kernels/residual.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/silu_mul.h"
#include "tests/kernels/kernel_case.h"

namespace tandem {
namespace {

constexpr int64_t kSizes[] = {1, 3, 16, 37, 64, 96, 131, 1024};

class RowOpsTest : public KernelTest {
 protected:
  float tolerance() const { return GetParam().tolerance(); }
};

TEST_P(RowOpsTest, RmsNormEqualsTheReference) {
  for (const int64_t size : kSizes) {
    const at::Tensor x = Random({5, size}, size), weight = Random({size}, 2);
    at::Tensor out = Empty({5, size});
    RmsNorm(x, weight, 1e-6f, out);
    ExpectClose(out, reference::RmsNorm(x, weight, 1e-6f), tolerance());
    at::Tensor in_place = x.clone();
    RmsNorm(in_place, weight, 1e-6f, in_place);
    ExpectEqual(in_place, out);
  }
}

TEST_P(RowOpsTest, RmsNormOfTinyValuesIsHeldByEpsilon) {
  const at::Tensor x = Random({2, 64}, 1, 1e-6f), weight = Random({64}, 2);
  at::Tensor out = Empty({2, 64});
  RmsNorm(x, weight, 1e-2f, out);
  EXPECT_LT(out.to(at::kFloat).abs().max().item<float>(), 1e-3f);
}

TEST_P(RowOpsTest, LayerNormEqualsTheReference) {
  for (const int64_t size : kSizes) {
    const at::Tensor x = Random({5, size}, size).add(3);
    const at::Tensor weight = Random({size}, 2), bias = Random({size}, 3);
    at::Tensor out = Empty({5, size});
    LayerNorm(x, weight, bias, 1e-5f, out);
    ExpectClose(out, reference::LayerNorm(x, weight, bias, 1e-5f), tolerance());
  }
}

TEST_P(RowOpsTest, GeluEqualsTheReference) {
  for (const int64_t size : kSizes) {
    const at::Tensor x = Random({3, size}, size, 3);
    at::Tensor out = Empty({3, size});
    Gelu(x, out);
    ExpectClose(
        out, reference::Gelu(x),
        GetParam().dtype == at::kFloat ? 1e-6f : GetParam().tolerance());
  }
}

TEST_P(RowOpsTest, ActivationsKeepNaNAndLimits) {
  const at::Tensor x =
      at::empty({1, 4}, at::TensorOptions().dtype(GetParam().dtype));
  x[0][0] = NAN;
  x[0][1] = 200;
  x[0][2] = -200;
  x[0][3] = 0;
  at::Tensor gelu = Empty({1, 4});
  Gelu(x, gelu);
  EXPECT_TRUE(std::isnan(gelu[0][0].item<float>()));
  EXPECT_EQ(gelu[0][1].item<float>(), 200);
  EXPECT_EQ(gelu[0][2].item<float>(), 0);
  EXPECT_EQ(gelu[0][3].item<float>(), 0);
  at::Tensor gate_up =
      at::empty({1, 8}, at::TensorOptions().dtype(GetParam().dtype)).fill_(1);
  gate_up.narrow(1, 0, 4).copy_(x);
  at::Tensor silu = Empty({1, 4});
  SiluMul(gate_up, silu);
  EXPECT_TRUE(std::isnan(silu[0][0].item<float>()));
  EXPECT_EQ(silu[0][1].item<float>(), 200);
  EXPECT_NEAR(silu[0][2].item<float>(), 0, 1e-30);
  EXPECT_EQ(silu[0][3].item<float>(), 0);
}

TEST_P(RowOpsTest, SiluMulEqualsTheReference) {
  for (const int64_t size : kSizes) {
    const at::Tensor gate_up = Random({4, 2 * size}, size, 3);
    at::Tensor out = Empty({4, size});
    SiluMul(gate_up, out);
    ExpectClose(out, reference::SiluMul(gate_up), tolerance());
  }
}

TEST_P(RowOpsTest, ResidualsRoundAsTheReference) {
  for (const int64_t size : kSizes) {
    const at::Tensor x = Random({4, size}, 1), scale = Random({size}, 2);
    const at::Tensor hidden = Random({4, size}, 3);
    at::Tensor sum = hidden.clone();
    AddResidual(x, sum);
    ExpectEqual(sum, reference::AddResidual(x, hidden));
    at::Tensor scaled = hidden.clone();
    AddScaledResidual(x, scale, scaled);
    ExpectEqual(scaled, reference::AddScaledResidual(x, scale, hidden));
  }
}

TEST_P(RowOpsTest, AResidualMayBeOneRowForAll) {
  const at::Tensor row = Random({1, 40}, 1), hidden = Random({3, 40}, 2);
  at::Tensor sum = hidden.clone();
  AddResidual(row.expand({3, 40}), sum);
  ExpectEqual(sum, hidden.add(row));
}

TEST_P(RowOpsTest, RopeEqualsTheReference) {
  const at::Tensor positions =
      at::empty({4}, at::TensorOptions().dtype(at::kInt));
  for (int i = 0; i < 4; ++i) positions[i] = i == 3 ? 32767 : 5 * i;
  for (const int64_t head_dim : {2, 16, 64, 128, 96}) {
    at::Tensor cos = Empty({4, head_dim / 2}), sin = Empty({4, head_dim / 2});
    RopeCosSin(positions, 1e6, cos, sin);
    const at::Tensor angles = reference::RopeAngles(positions, 1e6, head_dim);
    // An angle of thousands of radians in float32 is good to 1e-3.
    const at::Tensor near = angles.narrow(0, 0, 3);
    ExpectClose(cos.narrow(0, 0, 3), near.cos().to(cos.scalar_type()),
                tolerance());
    ExpectClose(sin.narrow(0, 0, 3), near.sin().to(sin.scalar_type()),
                tolerance());
    ExpectClose(cos.narrow(0, 3, 1).to(at::kFloat),
                angles.narrow(0, 3, 1).cos(), 1e-2f);
    const at::Tensor x = Random({4, 3, head_dim}, 7);
    at::Tensor got = x.clone();
    ApplyRope(cos, sin, got);
    ExpectEqual(got, reference::ApplyRope(cos, sin, x));
  }
}

TEST_P(RowOpsTest, RopeRotatesSlicesInPlace) {
  at::Tensor qkv = Random({3, 5 * 32}, 1);
  const at::Tensor before = qkv.clone();
  const at::Tensor cos = Random({3, 16}, 2), sin = Random({3, 16}, 3);
  at::Tensor k = qkv.narrow(1, 64, 64).view({3, 2, 32});
  ApplyRope(cos, sin, k);
  ExpectEqual(qkv.narrow(1, 0, 64), before.narrow(1, 0, 64));
  ExpectEqual(qkv.narrow(1, 128, 32), before.narrow(1, 128, 32));
  ExpectEqual(k, reference::ApplyRope(
                     cos, sin, before.narrow(1, 64, 64).view({3, 2, 32})));
}

TEST_P(RowOpsTest, ARowIsTheSameAloneAndAmongOthers) {
  const at::Tensor x = Random({300, 202}, 1);
  const at::Tensor weight = Random({202}, 2), bias = Random({202}, 3);
  at::Tensor norm = Empty({300, 202}), rms = norm.clone(), gelu = norm.clone();
  LayerNorm(x, weight, bias, 1e-6f, norm);
  RmsNorm(x, weight, 1e-6f, rms);
  Gelu(x, gelu);
  for (const int64_t row : {0, 7, 299}) {
    const at::Tensor one = x.narrow(0, row, 1);
    at::Tensor out = Empty({1, 202});
    LayerNorm(one, weight, bias, 1e-6f, out);
    ExpectEqual(out, norm.narrow(0, row, 1));
    RmsNorm(one, weight, 1e-6f, out);
    ExpectEqual(out, rms.narrow(0, row, 1));
    Gelu(one, out);
    ExpectEqual(out, gelu.narrow(0, row, 1));
  }
}

TEST_P(RowOpsTest, NumberOfThreadsDoesNotMatter) {
  const at::Tensor x = Random({300, 202}, 1), weight = Random({202}, 2);
  ExpectSameOnAnyNumberOfThreads([&] {
    at::Tensor out = Empty({300, 202});
    RmsNorm(x, weight, 1e-6f, out);
    return out;
  });
}

TEST_P(RowOpsTest, StridedRowsStayWithinTheirColumns) {
  at::Tensor wide = Random({6, 90}, 1);
  const at::Tensor before = wide.clone();
  at::Tensor part = wide.narrow(1, 20, 37);
  const at::Tensor weight = Random({37}, 2);
  RmsNorm(part, weight, 1e-6f, part);
  ExpectClose(part, reference::RmsNorm(before.narrow(1, 20, 37), weight, 1e-6f),
              tolerance());
  ExpectEqual(wide.narrow(1, 0, 20), before.narrow(1, 0, 20));
  ExpectEqual(wide.narrow(1, 57, 33), before.narrow(1, 57, 33));
}

TEST_P(RowOpsTest, EmbeddingLookupCopiesRows) {
  const at::Tensor table = Random({9, 33}, 1);
  const at::Tensor ids = at::empty({3}, at::TensorOptions().dtype(at::kInt));
  ids[0] = 8;
  ids[1] = 0;
  ids[2] = 8;
  at::Tensor out = Empty({3, 33});
  EmbeddingLookup(ids, table, out);
  ExpectEqual(out[0], table[8]);
  ExpectEqual(out[1], table[0]);
  ExpectEqual(out[2], table[8]);
}

TEST_P(RowOpsTest, PixelShuffleEqualsTheReference) {
  const at::Tensor x = Random({64, 5}, 1);
  at::Tensor out = Empty({16, 20});
  PixelShuffle(x, /*side=*/8, out);
  ExpectEqual(out, reference::PixelShuffle(x, 8));
  // Row 0 holds the four corners of the first square, channels together.
  ExpectEqual(out[0].narrow(0, 10, 5), x[8]);
}

TEST_P(RowOpsTest, ExtractPatchesEqualsTheReference) {
  const at::Tensor image = Random({3, 28, 42}, 1);
  at::Tensor out = Empty({6, 588});
  ExtractPatches(image, /*patch=*/14, out);
  ExpectEqual(out, reference::ExtractPatches(image, 14));
}

TEST_P(RowOpsTest, ShapesThatDoNotFitThrow) {
  const at::Tensor x = Random({2, 8}, 1), weight = Random({9}, 2);
  at::Tensor out = Empty({2, 8}), other = Empty({3, 8});
  EXPECT_THROW(RmsNorm(x, weight, 1e-6f, out), c10::Error);
  EXPECT_THROW(Gelu(x, other), c10::Error);
  EXPECT_THROW(SiluMul(x, out), c10::Error);
  EXPECT_THROW(AddResidual(x, other), c10::Error);
  EXPECT_THROW(Gelu(x.t(), out), c10::Error);
  EXPECT_THROW(PixelShuffle(x, 3, out), c10::Error);
  EXPECT_THROW(Gelu(x.to(at::kDouble), out), c10::Error);
}

INSTANTIATE_TEST_SUITE_P(Cpu, RowOpsTest, testing::ValuesIn(AllKernelCases()),
                         [](const auto& info) { return info.param.name(); });

}  // namespace
}  // namespace tandem
