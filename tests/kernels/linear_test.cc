#include "kernels/linear.h"

#include <gmock/gmock.h>

#include <cmath>

#include "kernels/reference/reference.h"
#include "tests/fakes/fake_weight_source.h"
#include "tests/kernels/kernel_case.h"

namespace tandem {
namespace {

class LinearTest : public KernelTest {};

TEST_P(LinearTest, EqualsTheReference) {
  struct Shape {
    int64_t tokens, in, out;
  };
  // Odd sizes: part of a tile, a panel, a pair, a run.
  for (const auto& [tokens, in, out] :
       {Shape{1, 1, 1}, Shape{1, 96, 160}, Shape{5, 257, 17}, Shape{7, 63, 65},
        Shape{13, 588, 64}, Shape{97, 512, 50}, Shape{200, 300, 129}}) {
    const at::Tensor x = Random({tokens, in}, 1);
    const at::Tensor weight =
        Random({out, in}, 2, 1 / std::sqrt(static_cast<float>(in)));
    const at::Tensor bias = Random({out}, 3);
    at::Tensor y = Empty({tokens, out});
    Linear(x, LinearWeight::FromTensor(weight, bias), y);
    ExpectClose(y, reference::Linear(x, weight, bias), GetParam().tolerance());
    Linear(x, LinearWeight::FromTensor(weight), y);
    ExpectClose(y, reference::Linear(x, weight, {}), GetParam().tolerance());
  }
}

TEST_P(LinearTest, ARowIsTheSameAloneAndAmongOthers) {
  const at::Tensor x = Random({211, 700}, 4);
  const LinearWeight weight =
      LinearWeight::FromTensor(Random({190, 700}, 5), Random({190}, 6));
  at::Tensor together = Empty({211, 190});
  Linear(x, weight, together);
  for (const int64_t count : {1, 2, 3, 5, 6, 7, 8, 31, 100}) {
    at::Tensor some = Empty({count, 190});
    Linear(x.narrow(0, 11, count), weight, some);
    ExpectEqual(some, together.narrow(0, 11, count));
  }
}

TEST_P(LinearTest, NumberOfThreadsDoesNotMatter) {
  const at::Tensor x = Random({211, 700}, 4);
  const LinearWeight weight =
      LinearWeight::FromTensor(Random({190, 700}, 5), Random({190}, 6));
  for (const int64_t count : {1, 211}) {
    ExpectSameOnAnyNumberOfThreads([&] {
      at::Tensor out = Empty({count, 190});
      Linear(x.narrow(0, 0, count), weight, out);
      return out;
    });
  }
}

TEST_P(LinearTest, TakesAndGivesStridedRows) {
  const at::Tensor wide = Random({9, 120}, 7);
  const at::Tensor x = wide.narrow(1, 30, 50);
  const at::Tensor weight = Random({20, 50}, 8, 0.1f);
  at::Tensor wide_out = Empty({9, 40});
  at::Tensor out = wide_out.narrow(1, 10, 20);
  Linear(x, LinearWeight::FromTensor(weight), out);
  ExpectClose(out, reference::Linear(x, weight, {}), GetParam().tolerance());
  EXPECT_TRUE(wide_out.narrow(1, 0, 10).isnan().all().item<bool>());
  EXPECT_TRUE(wide_out.narrow(1, 30, 10).isnan().all().item<bool>());
}

TEST_P(LinearTest, NoTokensAreFine) {
  at::Tensor out = Empty({0, 20});
  Linear(Random({0, 50}, 1), LinearWeight::FromTensor(Random({20, 50}, 2)),
         out);
  EXPECT_EQ(out.numel(), 0);
}

TEST_P(LinearTest, LoadsStackedTensorsAsIfTheyWereOne) {
  const DType dtype =
      GetParam().dtype == at::kFloat ? DType::kFloat32 : DType::kBFloat16;
  FakeWeightSource source;
  source.Add("q", Random({20, 3, 11}, 1));
  source.Add("k", Random({7, 33}, 2));
  source.Add("q.bias", Random({20}, 3));
  source.Add("k.bias", Random({7}, 4));
  const auto weight = LinearWeight::Load(
      source, {"q", "k"}, {"q.bias", "k.bias"}, 27, 33, dtype, at::kCPU);
  ASSERT_TRUE(weight.ok()) << weight.status();
  const at::Tensor x = Random({4, 33}, 5);
  at::Tensor got = Empty({4, 27}), want = Empty({4, 27});
  Linear(x, *weight, got);
  at::Tensor q = want.narrow(1, 0, 20), k = want.narrow(1, 20, 7);
  Linear(x, LinearWeight::FromTensor(Random({20, 33}, 1), Random({20}, 3)), q);
  Linear(x, LinearWeight::FromTensor(Random({7, 33}, 2), Random({7}, 4)), k);
  ExpectEqual(got, want);
}

INSTANTIATE_TEST_SUITE_P(Cpu, LinearTest, testing::ValuesIn(AllKernelCases()),
                         [](const auto& info) { return info.param.name(); });

absl::Status LoadStatus(const FakeWeightSource& source, int64_t out, int64_t in,
                        const std::vector<std::string>& biases = {}) {
  return LinearWeight::Load(source, {"w"}, biases, out, in, DType::kFloat32,
                            at::kCPU)
      .status();
}

TEST(LinearWeightTest, LoadingNamesTheTensorThatDoesNotFit) {
  FakeWeightSource source;
  source.Add("w", FakeWeightSource::Ones({8, 4}));
  source.Add("b", FakeWeightSource::Ones({7}));
  EXPECT_TRUE(LoadStatus(source, 8, 4).ok());
  for (const absl::Status& status :
       {LoadStatus(source, 9, 4), LoadStatus(source, 7, 4),
        LoadStatus(source, 8, 5), LoadStatus(source, 8, 4, {"b"})}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("tensor "));
  }
  EXPECT_EQ(LoadStatus(source, 8, 4, {"none"}).code(),
            absl::StatusCode::kNotFound);
}

TEST(LinearWeightTest, AReadErrorComesThrough) {
  FakeWeightSource source;
  source.Add("w", FakeWeightSource::Ones({8, 4}));
  source.read_error = absl::DataLossError("model.safetensors ends early");
  EXPECT_EQ(LoadStatus(source, 8, 4).code(), absl::StatusCode::kDataLoss);
}

TEST(LinearWeightTest, ReadsBigTensorsInSlices) {
  FakeWeightSource source;
  source.Add("w", FakeWeightSource::Ones({3000, 4096}));
  ASSERT_TRUE(LoadStatus(source, 3000, 4096).ok());
  EXPECT_GT(source.num_reads(), 1);
  EXPECT_LE(source.most_bytes_read(), 16 << 20);
}

}  // namespace
}  // namespace tandem
