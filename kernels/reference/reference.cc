#include "kernels/reference/reference.h"

#include <ATen/ops/zeros.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace tandem::reference {
namespace {

at::Tensor Widened(const at::Tensor& x) {
  return x.to(at::kFloat).contiguous();
}

at::Tensor Zeros(at::IntArrayRef sizes) {
  return at::zeros(sizes, at::TensorOptions().dtype(at::kFloat));
}

// Rounds to the values that `dtype` has.
class Rounding {
 public:
  explicit Rounding(const at::Tensor& like)
      : bfloat16_(like.scalar_type() == at::kBFloat16) {}
  float operator()(double x) const {
    const auto value = static_cast<float>(x);
    return bfloat16_ ? static_cast<float>(c10::BFloat16(value)) : value;
  }

 private:
  bool bfloat16_;
};

// softmax(scale * q . keys) x values for one query of one head.
void AttendOne(const float* q, const std::vector<const float*>& keys,
               const std::vector<const float*>& values, int64_t head_dim,
               float scale, float* out) {
  std::vector<double> weights(keys.size());
  double most = -INFINITY, total = 0;
  for (size_t s = 0; s < keys.size(); ++s) {
    double score = 0;
    for (int64_t i = 0; i < head_dim; ++i) score += double{q[i]} * keys[s][i];
    weights[s] = score * scale;
    most = std::max(most, weights[s]);
  }
  for (double& weight : weights) total += weight = std::exp(weight - most);
  for (int64_t i = 0; i < head_dim; ++i) {
    double sum = 0;
    for (size_t s = 0; s < keys.size(); ++s) sum += weights[s] * values[s][i];
    out[i] = static_cast<float>(sum / total);
  }
}

}  // namespace

at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight,
                  const at::Tensor& bias) {
  const at::Tensor x32 = Widened(x), w32 = Widened(weight);
  const at::Tensor b32 = bias.defined() ? Widened(bias) : Zeros({w32.size(0)});
  at::Tensor out = Zeros({x32.size(0), w32.size(0)});
  const auto a = x32.accessor<float, 2>(), w = w32.accessor<float, 2>();
  const auto b = b32.accessor<float, 1>();
  auto y = out.accessor<float, 2>();
  for (int64_t t = 0; t < y.size(0); ++t) {
    for (int64_t n = 0; n < y.size(1); ++n) {
      double sum = b[n];
      for (int64_t k = 0; k < a.size(1); ++k) sum += double{a[t][k]} * w[n][k];
      y[t][n] = static_cast<float>(sum);
    }
  }
  return out.to(x.scalar_type());
}

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight,
                   float epsilon) {
  const Rounding round(x);
  at::Tensor out = Widened(x).clone();
  const at::Tensor w32 = Widened(weight);
  auto y = out.accessor<float, 2>();
  const auto w = w32.accessor<float, 1>();
  for (int64_t t = 0; t < y.size(0); ++t) {
    double squares = 0;
    for (int64_t i = 0; i < y.size(1); ++i)
      squares += double{y[t][i]} * y[t][i];
    const double scale =
        1 / std::sqrt(squares / static_cast<double>(y.size(1)) + epsilon);
    for (int64_t i = 0; i < y.size(1); ++i) {
      y[t][i] = w[i] * round(y[t][i] * scale);
    }
  }
  return out.to(x.scalar_type());
}

at::Tensor LayerNorm(const at::Tensor& x, const at::Tensor& weight,
                     const at::Tensor& bias, float epsilon) {
  at::Tensor out = Widened(x).clone();
  const at::Tensor w32 = Widened(weight), b32 = Widened(bias);
  auto y = out.accessor<float, 2>();
  const auto w = w32.accessor<float, 1>(), b = b32.accessor<float, 1>();
  const auto size = static_cast<double>(y.size(1));
  for (int64_t t = 0; t < y.size(0); ++t) {
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < y.size(1); ++i) mean += y[t][i] / size;
    for (int64_t i = 0; i < y.size(1); ++i) {
      variance += (y[t][i] - mean) * (y[t][i] - mean) / size;
    }
    for (int64_t i = 0; i < y.size(1); ++i) {
      y[t][i] = static_cast<float>(
          (y[t][i] - mean) / std::sqrt(variance + epsilon) * w[i] + b[i]);
    }
  }
  return out.to(x.scalar_type());
}

at::Tensor Gelu(const at::Tensor& x) {
  at::Tensor out = Widened(x).clone();
  float* y = out.data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i) {
    y[i] =
        static_cast<float>(0.5 * y[i] * (1 + std::erf(y[i] / std::sqrt(2.0))));
  }
  return out.to(x.scalar_type());
}

at::Tensor SiluMul(const at::Tensor& gate_up) {
  const Rounding round(gate_up);
  const at::Tensor x32 = Widened(gate_up);
  at::Tensor out = Zeros({x32.size(0), x32.size(1) / 2});
  const auto x = x32.accessor<float, 2>();
  auto y = out.accessor<float, 2>();
  for (int64_t t = 0; t < y.size(0); ++t) {
    for (int64_t i = 0; i < y.size(1); ++i) {
      const double gate = x[t][i];
      y[t][i] = round(gate / (1 + std::exp(-gate))) * x[t][y.size(1) + i];
    }
  }
  return out.to(gate_up.scalar_type());
}

at::Tensor AddResidual(const at::Tensor& x, const at::Tensor& hidden) {
  return Widened(hidden).add(Widened(x)).to(x.scalar_type());
}

at::Tensor AddScaledResidual(const at::Tensor& x, const at::Tensor& scale,
                             const at::Tensor& hidden) {
  const at::Tensor product = Widened(scale).mul(Widened(x)).to(x.scalar_type());
  return AddResidual(product, hidden);
}

at::Tensor RopeAngles(const at::Tensor& positions, double theta,
                      int64_t head_dim) {
  const int64_t half = head_dim / 2;
  at::Tensor out = Zeros({positions.numel(), half});
  auto y = out.accessor<float, 2>();
  for (int64_t t = 0; t < y.size(0); ++t) {
    const auto position = static_cast<float>(positions.data_ptr<int32_t>()[t]);
    for (int64_t i = 0; i < half; ++i) {
      const double exponent =
          -2.0 * static_cast<double>(i) / static_cast<double>(head_dim);
      y[t][i] = position * static_cast<float>(std::pow(theta, exponent));
    }
  }
  return out;
}

at::Tensor ApplyRope(const at::Tensor& cos, const at::Tensor& sin,
                     const at::Tensor& x) {
  const Rounding round(x);
  const at::Tensor x32 = Widened(x), c32 = Widened(cos), s32 = Widened(sin);
  at::Tensor out = x32.clone();
  const auto c = c32.accessor<float, 2>(), s = s32.accessor<float, 2>();
  const auto a = x32.accessor<float, 3>();
  auto y = out.accessor<float, 3>();
  const int64_t half = x.size(2) / 2;
  for (int64_t t = 0; t < y.size(0); ++t) {
    for (int64_t h = 0; h < y.size(1); ++h) {
      for (int64_t i = 0; i < half; ++i) {
        const float first = a[t][h][i], second = a[t][h][i + half];
        y[t][h][i] = round(first * c[t][i]) - round(second * s[t][i]);
        y[t][h][i + half] = round(second * c[t][i]) + round(first * s[t][i]);
      }
    }
  }
  return out.to(x.scalar_type());
}

at::Tensor BidirectionalAttention(const at::Tensor& q, const at::Tensor& k,
                                  const at::Tensor& v, float scale) {
  const at::Tensor q32 = Widened(q), k32 = Widened(k), v32 = Widened(v);
  const int64_t tokens = q.size(0), heads = q.size(1), dim = q.size(2);
  at::Tensor out = Zeros(q.sizes());
  const auto at = [&](const at::Tensor& x, int64_t t, int64_t h) {
    return x.data_ptr<float>() + (t * heads + h) * dim;
  };
  for (int64_t h = 0; h < heads; ++h) {
    std::vector<const float*> keys, values;
    for (int64_t s = 0; s < tokens; ++s) {
      keys.push_back(at(k32, s, h));
      values.push_back(at(v32, s, h));
    }
    for (int64_t t = 0; t < tokens; ++t) {
      AttendOne(at(q32, t, h), keys, values, dim, scale, at(out, t, h));
    }
  }
  return out.to(q.scalar_type());
}

at::Tensor PagedAttention(const at::Tensor& q, const at::Tensor& key_cache,
                          const at::Tensor& value_cache,
                          const PackedSequences& sequences, float scale) {
  const at::Tensor q32 = Widened(q);
  const at::Tensor k32 = Widened(key_cache), v32 = Widened(value_cache);
  const int64_t heads = q.size(1), dim = q.size(2), kv_heads = k32.size(2);
  const auto first_row = sequences.first_row.accessor<int32_t, 1>();
  const auto num_cached = sequences.num_cached.accessor<int32_t, 1>();
  const auto table = sequences.block_table.accessor<int32_t, 2>();
  at::Tensor out = Zeros(q.sizes());
  for (int64_t s = 0; s < num_cached.size(0); ++s) {
    for (int64_t row = first_row[s]; row < first_row[s + 1]; ++row) {
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t kv_head = h / (heads / kv_heads);
        std::vector<const float*> keys, values;
        for (int64_t p = 0; p <= num_cached[s] + row - first_row[s]; ++p) {
          const int64_t slot =
              table[s][p / kAttentionBlockTokens] * kAttentionBlockTokens +
              p % kAttentionBlockTokens;
          keys.push_back(k32.data_ptr<float>() +
                         (slot * kv_heads + kv_head) * dim);
          values.push_back(v32.data_ptr<float>() +
                           (slot * kv_heads + kv_head) * dim);
        }
        AttendOne(q32.data_ptr<float>() + (row * heads + h) * dim, keys, values,
                  dim, scale, out.data_ptr<float>() + (row * heads + h) * dim);
      }
    }
  }
  return out.to(q.scalar_type());
}

at::Tensor PixelShuffle(const at::Tensor& x, int64_t side) {
  const at::Tensor x32 = Widened(x);
  const int64_t size = x.size(1);
  at::Tensor out = Zeros({side * side / 4, 4 * size});
  const auto a = x32.accessor<float, 2>();
  auto y = out.accessor<float, 2>();
  for (int64_t r = 0; r < side / 2; ++r) {
    for (int64_t c = 0; c < side / 2; ++c) {
      for (int64_t b = 0; b < 4; ++b) {
        for (int64_t i = 0; i < size; ++i) {
          y[r * side / 2 + c][b * size + i] =
              a[(2 * r + b / 2) * side + 2 * c + b % 2][i];
        }
      }
    }
  }
  return out.to(x.scalar_type());
}

at::Tensor ExtractPatches(const at::Tensor& image, int64_t patch) {
  const at::Tensor x32 = Widened(image);
  const int64_t rows = image.size(1) / patch, columns = image.size(2) / patch;
  at::Tensor out = Zeros({rows * columns, image.size(0) * patch * patch});
  const auto x = x32.accessor<float, 3>();
  auto y = out.accessor<float, 2>();
  for (int64_t r = 0; r < y.size(0); ++r) {
    for (int64_t i = 0; i < y.size(1); ++i) {
      const int64_t dx = i % patch, dy = i / patch % patch;
      y[r][i] = x[i / (patch * patch)][r / columns * patch + dy]
                 [r % columns * patch + dx];
    }
  }
  return out.to(image.scalar_type());
}

}  // namespace tandem::reference
