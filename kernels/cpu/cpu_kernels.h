#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem::cpu {

// A bfloat16 value as its bits, in code that must not see libtorch's headers.
enum class Bf16 : uint16_t {};

// Numbers that the packed layouts are made of.
inline constexpr int kPanelColumns = 16;  // output features of one panel
inline constexpr int kTileRows = 6;       // most rows of one GemmTile
inline constexpr int kTilePanels = 4;     // most panels of one GemmTile
inline constexpr int kTileColumns = kTilePanels * kPanelColumns;
inline constexpr int kRunLength = 256;  // inputs summed in one go
inline constexpr int kKeyBlock = 64;    // keys of one softmax step

// c[r, n] (+)= sum_k a[r, k] * w[k, n], for a few rows and panels. Every sum
// runs over k in order in one accumulator, whatever `rows` and `panels` are.
struct GemmTile {
  int rows = 0;              // 1 .. kTileRows
  int panels = 0;            // 1 .. kTilePanels
  int64_t k = 0;             // > 0; even for Bf16 weights
  const float* a = nullptr;  // [rows, k], rows `a_stride` apart
  int64_t a_stride = 0;
  const void* w =
      nullptr;           // [panels][k][16] float or [panels][k/2][16][2] Bf16
  int64_t w_stride = 0;  // values from panel to panel
  float* c = nullptr;    // [rows, 16 * panels], rows `c_stride` apart
  int64_t c_stride = 0;
  bool accumulate = false;  // add to c
};

// Attention of some rows that share keys and values: one head, or the query
// heads of one group. Strides count values.
struct AttentionTask {
  int64_t num_rows = 0;
  const void* const* q = nullptr;   // [num_rows] pointers to head_dim values
  void* const* out = nullptr;       // [num_rows] pointers to head_dim values
  const int64_t* limits = nullptr;  // [num_rows] keys that the row sees, >= 1
  int64_t head_dim = 0;
  int64_t num_keys = 0;               // >= every limit; none behind it is read
  const void* const* keys = nullptr;  // a pointer for each block of 64 keys
  const void* const* values = nullptr;  // likewise
  int64_t key_stride = 0;               // values from key to key in a block
  int64_t value_stride = 0;
  float scale = 1;
  float* scratch = nullptr;  // AttentionScratchSize() floats
};

// Floats of scratch that a task of this size needs.
int64_t AttentionScratchSize(int64_t num_rows, int64_t head_dim);

// Row operations on `n` dense values. T is float or Bf16. `out` may be `x`.
template <typename T>
struct RowKernels {
  void (*to_float)(const T* x, int64_t n, float* out);
  void (*rms_norm)(const T* x, const T* weight, float epsilon, int64_t n,
                   T* out);
  void (*layer_norm)(const T* x, const T* weight, const T* bias, float epsilon,
                     int64_t n, T* out);
  void (*gelu)(const T* x, int64_t n, T* out);
  void (*silu_mul)(const T* gate, const T* up, int64_t n, T* out);
  void (*add)(const T* x, int64_t n, T* hidden);
  void (*add_scaled)(const T* x, const T* scale, int64_t n, T* hidden);
  // x: [2 * half], rotated in place; cos, sin: [half].
  void (*rope)(const T* cos, const T* sin, int64_t half, T* x);
  // out = round(sums + bias); bias may be null.
  void (*finish)(const float* sums, const T* bias, int64_t n, T* out);
  // Weights of this type.
  void (*gemm_tile)(const GemmTile& tile);
  void (*attention)(const AttentionTask& task);
};

// One instruction set's versions of everything above.
struct CpuKernels {
  const char* name;
  RowKernels<float> f32;
  RowKernels<Bf16> bf16;

  template <typename T>
  const RowKernels<T>& rows() const {
    if constexpr (sizeof(T) == sizeof(float)) {
      return f32;
    } else {
      return bf16;
    }
  }
};

extern const CpuKernels kGenericKernels;
#ifdef TANDEM_X86_64
extern const CpuKernels kAvx2Kernels;    // AVX2, FMA
extern const CpuKernels kAvx512Kernels;  // AVX-512 F, BW, DQ, VL
#endif

}  // namespace tandem::cpu
