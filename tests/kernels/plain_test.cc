// The plain operations against the reference: on a CPU that was told to use
// them and, where there is one, on a card.
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/device.h"
#include "kernels/embedding_lookup.h"
#include "kernels/extract_patches.h"
#include "kernels/gelu.h"
#include "kernels/host_staging.h"
#include "kernels/layer_norm.h"
#include "kernels/linear.h"
#include "kernels/pixel_shuffle.h"
#include "kernels/reference/reference.h"
#include "kernels/residual.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/silu_mul.h"
#include "tests/fakes/fake_weight_source.h"
#include "tests/kernels/kernel_case.h"
#include "tests/kernels/test_compute.h"

namespace tandem {
namespace {

struct PlainCase {
  TestCompute compute;
  at::ScalarType dtype = at::kFloat;

  std::string name() const {
    return compute.name() + (dtype == at::kFloat ? "Float32" : "BFloat16");
  }
  friend std::ostream& operator<<(std::ostream& os, const PlainCase& c) {
    return os << c.name();
  }
};

class PlainTest : public testing::TestWithParam<PlainCase> {
 protected:
  void SetUp() override {
    const auto device = ParseDevice("test", GetParam().compute.device);
    ASSERT_TRUE(device.ok()) << device.status();
    device_ = *device;
    ASSERT_TRUE(BindThread(device_).ok());
  }

  // Values on the host, the same for the same seed.
  at::Tensor Random(const std::vector<int64_t>& sizes, uint64_t seed,
                    float scale = 1) const {
    std::mt19937_64 generator(seed);
    std::normal_distribution<float> normal(0, scale);
    at::Tensor values = at::empty(sizes, at::TensorOptions().dtype(at::kFloat));
    for (int64_t i = 0; i < values.numel(); ++i) {
      values.data_ptr<float>()[i] = normal(generator);
    }
    return values.to(GetParam().dtype);
  }
  at::Tensor There(const at::Tensor& host) const { return host.to(device_); }
  // Room on the device; what an operation forgets to write shows.
  at::Tensor Empty(const std::vector<int64_t>& sizes) const {
    return at::empty(
               sizes,
               at::TensorOptions().dtype(GetParam().dtype).device(device_))
        .fill_(NAN);
  }

  float tolerance() const {
    return GetParam().dtype == at::kFloat ? 2e-5f : 1.0f / 128;
  }
  // Rounded once from sums that may differ in float32's last bits.
  void ExpectRounded(const at::Tensor& got, const at::Tensor& want) const {
    ExpectClose(got.cpu(), want, tolerance());
  }
  // Rounded more than once where libtorch's own kernels do.
  void ExpectNear(const at::Tensor& got, const at::Tensor& want) const {
    const at::Tensor a = got.cpu().to(at::kFloat), b = want.to(at::kFloat);
    ASSERT_EQ(a.sizes(), b.sizes());
    ASSERT_TRUE(a.isfinite().all().item<bool>());
    EXPECT_LE(a.sub(b).abs().div(b.abs().add(1)).max().item<float>(),
              2 * tolerance());
  }

  const ComputeScope scope_{GetParam().compute};
  at::Device device_ = at::kCPU;
};

constexpr int64_t kSizes[] = {1, 3, 37, 64, 131, 1024};

TEST_P(PlainTest, NormsAndActivations) {
  for (const int64_t size : kSizes) {
    SCOPED_TRACE(size);
    const at::Tensor x = Random({5, size}, size), weight = Random({size}, 2),
                     bias = Random({size}, 3);
    at::Tensor out = Empty({5, size});
    RmsNorm(There(x), There(weight), 1e-6f, out);
    ExpectRounded(out, reference::RmsNorm(x, weight, 1e-6f));
    LayerNorm(There(x), There(weight), There(bias), 1e-5f, out);
    ExpectRounded(out, reference::LayerNorm(x, weight, bias, 1e-5f));
    Gelu(There(x), out);
    ExpectRounded(out, reference::Gelu(x));
    const at::Tensor gate_up = Random({5, 2 * size}, size, 3);
    SiluMul(There(gate_up), out);
    ExpectRounded(out, reference::SiluMul(gate_up));
  }
}

TEST_P(PlainTest, InPlaceAndStridedRows) {
  const at::Tensor wide = Random({6, 90}, 1), weight = Random({37}, 2);
  at::Tensor there = There(wide).clone();
  at::Tensor part = there.narrow(1, 20, 37);
  RmsNorm(part, There(weight), 1e-6f, part);
  ExpectRounded(part,
                reference::RmsNorm(wide.narrow(1, 20, 37), weight, 1e-6f));
  ExpectEqual(there.narrow(1, 0, 20).cpu(), wide.narrow(1, 0, 20));
  ExpectEqual(there.narrow(1, 57, 33).cpu(), wide.narrow(1, 57, 33));
}

TEST_P(PlainTest, Residuals) {
  const at::Tensor x = Random({4, 40}, 1), scale = Random({40}, 2),
                   hidden = Random({4, 40}, 3), row = Random({1, 40}, 4);
  at::Tensor sum = There(hidden).clone();
  AddResidual(There(x), sum);
  ExpectEqual(sum.cpu(), reference::AddResidual(x, hidden));
  at::Tensor scaled = There(hidden).clone();
  AddScaledResidual(There(x), There(scale), scaled);
  ExpectEqual(scaled.cpu(), reference::AddScaledResidual(x, scale, hidden));
  at::Tensor same = There(hidden).clone();
  AddResidual(There(row).expand({4, 40}), same);
  ExpectEqual(same.cpu(), hidden.add(row));
}

TEST_P(PlainTest, Rope) {
  const at::Tensor positions =
      at::empty({4}, at::TensorOptions().dtype(at::kInt));
  for (int i = 0; i < 4; ++i) positions[i] = i == 3 ? 32767 : 5 * i;
  for (const int64_t head_dim : {2, 64, 128}) {
    at::Tensor cos = Empty({4, head_dim / 2}), sin = Empty({4, head_dim / 2});
    RopeCosSin(There(positions), 1e6, cos, sin);
    const at::Tensor angles = reference::RopeAngles(positions, 1e6, head_dim);
    const at::Tensor near = angles.narrow(0, 0, 3);
    ExpectRounded(cos.narrow(0, 0, 3), near.cos().to(cos.scalar_type()));
    ExpectRounded(sin.narrow(0, 0, 3), near.sin().to(sin.scalar_type()));
    // q and k of one tensor, v beside them.
    const at::Tensor x = Random({4, 3, head_dim}, 7);
    at::Tensor got = There(x).clone();
    at::Tensor two = got.narrow(1, 0, 2);
    ApplyRope(cos, sin, two);
    ExpectEqual(two.cpu(),
                reference::ApplyRope(cos.cpu(), sin.cpu(), x.narrow(1, 0, 2)));
    ExpectEqual(got.narrow(1, 2, 1).cpu(), x.narrow(1, 2, 1));
  }
}

TEST_P(PlainTest, Copies) {
  const at::Tensor table = Random({9, 33}, 1);
  const at::Tensor ids = at::empty({3}, at::TensorOptions().dtype(at::kInt));
  ids[0] = 8;
  ids[1] = 0;
  ids[2] = 8;
  at::Tensor rows = Empty({3, 33});
  EmbeddingLookup(There(ids), There(table), rows);
  ExpectEqual(rows.cpu(), at::cat({table.narrow(0, 8, 1), table.narrow(0, 0, 1),
                                   table.narrow(0, 8, 1)}));
  const at::Tensor x = Random({65, 5}, 1).narrow(0, 1, 64);
  at::Tensor shuffled = Empty({16, 20});
  PixelShuffle(There(Random({65, 5}, 1)).narrow(0, 1, 64), /*side=*/8,
               shuffled);
  ExpectEqual(shuffled.cpu(), reference::PixelShuffle(x, 8));
  const at::Tensor image = Random({3, 28, 42}, 1);
  at::Tensor patches = Empty({6, 588});
  ExtractPatches(There(image), /*patch=*/14, patches);
  ExpectEqual(patches.cpu(), reference::ExtractPatches(image, 14));
}

TEST_P(PlainTest, Linear) {
  struct Shape {
    int64_t tokens, in, out;
  };
  for (const auto& [tokens, in, out] :
       {Shape{1, 1, 1}, Shape{1, 96, 160}, Shape{7, 63, 65}, Shape{97, 512, 50},
        Shape{0, 5, 4}}) {
    SCOPED_TRACE(tokens);
    const at::Tensor x = Random({tokens, in}, 1), bias = Random({out}, 3);
    const at::Tensor weight =
        Random({out, in}, 2, 1 / std::sqrt(static_cast<float>(in)));
    at::Tensor wide = Empty({tokens, out + 8});
    at::Tensor y = wide.narrow(1, 0, out);
    Linear(There(x), LinearWeight::FromTensor(There(weight), There(bias)), y);
    ExpectRounded(y, reference::Linear(x, weight, bias));
    Linear(There(x), LinearWeight::FromTensor(There(weight)), y);
    ExpectRounded(y, reference::Linear(x, weight, {}));
    EXPECT_TRUE(wide.narrow(1, out, 8).isnan().all().item<bool>());
  }
}

TEST_P(PlainTest, LinearLoadsStackedTensors) {
  const DType dtype =
      GetParam().dtype == at::kFloat ? DType::kFloat32 : DType::kBFloat16;
  FakeWeightSource source;
  source.Add("q", Random({20, 3, 11}, 1));
  source.Add("k", Random({7, 33}, 2));
  source.Add("q.bias", Random({20}, 3));
  source.Add("k.bias", Random({7}, 4));
  const auto weight = LinearWeight::Load(
      source, {"q", "k"}, {"q.bias", "k.bias"}, 27, 33, dtype, device_);
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_EQ(weight->device(), device_);
  EXPECT_EQ(weight->num_bytes(),
            27 * 34 * static_cast<int64_t>(ElementSize(dtype)));
  ExpectEqual(weight->packed().cpu(),
              at::cat({Random({20, 33}, 1), Random({7, 33}, 2)}));
  ExpectEqual(weight->bias().cpu(), at::cat({Random({20}, 3), Random({7}, 4)}));
}

TEST_P(PlainTest, BidirectionalAttention) {
  struct Shape {
    int64_t tokens, heads, head_dim;
  };
  for (const auto& [tokens, heads, head_dim] :
       {Shape{1, 1, 8}, Shape{65, 3, 64}, Shape{401, 2, 24},
        Shape{1025, 2, 64}}) {
    SCOPED_TRACE(tokens);
    const at::Tensor qkv = Random({tokens, 3, heads, head_dim}, 1);
    const at::Tensor there = There(qkv);
    at::Tensor out = Empty({tokens, heads, head_dim});
    const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
    BidirectionalAttention(there.select(1, 0), there.select(1, 1),
                           there.select(1, 2), scale, out);
    ExpectNear(
        out, reference::BidirectionalAttention(
                 qkv.select(1, 0), qkv.select(1, 1), qkv.select(1, 2), scale));
  }
}

at::Tensor Ints(const std::vector<int32_t>& values) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())},
                                at::TensorOptions().dtype(at::kInt));
  std::copy(values.begin(), values.end(), tensor.data_ptr<int32_t>());
  return tensor;
}

TEST_P(PlainTest, PagedAttentionOfAMixedStep) {
  struct Shape {
    int64_t heads, kv_heads, head_dim;
    bool strided;
  };
  for (const auto& [heads, kv_heads, head_dim, strided] :
       {Shape{6, 2, 16, false}, Shape{14, 2, 64, false}, Shape{4, 4, 16, true},
        Shape{28, 4, 128, false}}) {
    SCOPED_TRACE(heads);
    // A prompt of 9, a chunk behind 70 tokens, one token behind 99.
    const std::vector<int32_t> first_row = {0, 9, 89, 90};
    const std::vector<int32_t> num_cached = {0, 70, 99};
    const at::Tensor tables = at::zeros({3, 3}, Ints({}).options());
    const std::vector<std::vector<int>> blocks = {{4}, {2, 7, 5}, {3, 1}};
    std::vector<int64_t> slots;
    for (size_t s = 0; s < blocks.size(); ++s) {
      for (size_t b = 0; b < blocks[s].size(); ++b) tables[s][b] = blocks[s][b];
      const int64_t end = num_cached[s] + first_row[s + 1] - first_row[s];
      for (int64_t p = 0; p < end; ++p) {
        slots.push_back(int64_t{blocks[s][p / 64]} * 64 + p % 64);
      }
    }
    const auto num_keys = static_cast<int64_t>(slots.size());
    at::Tensor slot_tensor =
        at::empty({num_keys}, at::TensorOptions().dtype(at::kLong));
    std::copy(slots.begin(), slots.end(), slot_tensor.data_ptr<int64_t>());
    const at::Tensor k = Random({num_keys, kv_heads, head_dim}, 1),
                     v = Random({num_keys, kv_heads, head_dim}, 2),
                     q = Random({90, heads, head_dim}, 3);

    at::Tensor both = Empty({8, 64, 2, kv_heads, head_dim});
    at::Tensor keys =
        strided ? both.select(2, 0) : Empty({8, 64, kv_heads, head_dim});
    at::Tensor values =
        strided ? both.select(2, 1) : Empty({8, 64, kv_heads, head_dim});
    WriteKv(There(k), There(v), There(slot_tensor), keys, values);
    PackedSequences packed;
    packed.host_first_row = Ints(first_row);
    packed.host_num_cached = Ints(num_cached);
    packed.first_row = There(packed.host_first_row);
    packed.num_cached = There(packed.host_num_cached);
    packed.block_table = There(tables);
    at::Tensor out = Empty({90, heads, head_dim});
    const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
    PagedAttention(There(q), keys, values, packed, scale, out);

    packed.first_row = packed.host_first_row;
    packed.num_cached = packed.host_num_cached;
    packed.block_table = tables;
    ExpectNear(out, reference::PagedAttention(q, keys.cpu(), values.cpu(),
                                              packed, scale));
  }
}

TEST_P(PlainTest, StagingBringsBytesThereAndBack) {
  const at::Tensor host = Random({700, 33}, 1);
  HostStaging staging(device_);
  at::Tensor there = Empty({700, 33});
  std::memcpy(staging.Room(static_cast<int64_t>(host.nbytes())),
              host.data_ptr(), host.nbytes());
  staging.Upload(there);
  ExpectEqual(there.cpu(), host);
  EXPECT_EQ(
      std::memcmp(staging.Download(there), host.data_ptr(), host.nbytes()), 0);
}

std::vector<PlainCase> AllPlainCases() {
  std::vector<PlainCase> cases;
  for (const TestCompute& compute : MainTestComputes()) {
    if (!compute.plain && compute.device == "cpu") continue;
    cases.push_back({compute, at::kFloat});
    cases.push_back({compute, at::kBFloat16});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Devices, PlainTest, testing::ValuesIn(AllPlainCases()),
                         [](const auto& info) { return info.param.name(); });

}  // namespace
}  // namespace tandem
