#include "kernels/linear_cpu.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/cpu_level.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/scratch.h"

namespace tandem::cpu {
namespace {

// Tiles whose sums one thread keeps beside it: 96 tokens of 64 features.
constexpr int64_t kBlockTiles = 16;
// Products below which a second thread costs more than it brings.
constexpr int64_t kSerialProducts = 1 << 16;

int64_t PaddedInputs(int64_t in_features) { return DivUp(in_features, 2) * 2; }
int64_t NumPanels(int64_t out_features) {
  return DivUp(out_features, kPanelColumns);
}

// Place of weight [row, k] in the packed form.
template <typename T>
int64_t PackedIndex(int64_t row, int64_t k, int64_t padded_inputs) {
  const int64_t panel = row / kPanelColumns * kPanelColumns * padded_inputs;
  const int64_t column = row % kPanelColumns;
  if constexpr (sizeof(T) == sizeof(float)) {
    return panel + k * kPanelColumns + column;
  } else {
    return panel + k / 2 * 2 * kPanelColumns + 2 * column + k % 2;
  }
}

// Inputs that are packed at a time, so that their part of a panel stays in the
// first-level cache while its 16 rows are written.
constexpr int64_t kPackInputs = 64;

// Puts rows [first_row, end_row) of one panel in place; values is the first's.
template <typename T>
void PackPanel(const T* values, int64_t first_row, int64_t end_row,
               int64_t in_features, T* packed) {
  const int64_t padded = PaddedInputs(in_features);
  for (int64_t first = 0; first < in_features; first += kPackInputs) {
    const int64_t end = std::min(first + kPackInputs, in_features);
    for (int64_t row = first_row; row < end_row; ++row) {
      const T* from = values + (row - first_row) * in_features;
      T* to = packed + PackedIndex<T>(row, first, padded);
      int64_t k = first;
      if constexpr (sizeof(T) == sizeof(float)) {
        for (; k < end; ++k, to += kPanelColumns) *to = from[k];
      } else {
        for (; k + 1 < end; k += 2, to += 2 * kPanelColumns) {
          std::memcpy(to, from + k, 2 * sizeof(T));
        }
        if (k < end) *to = from[k];
      }
    }
  }
}

// How the tokens are cut: tiles of almost equal height, runs of 256 inputs.
struct Shape {
  Shape(int64_t tokens, const LinearWeight& weight)
      : num_tokens(tokens),
        in_features(weight.in_features()),
        out_features(weight.out_features()),
        padded_inputs(PaddedInputs(in_features)),
        num_tiles(DivUp(tokens, kTileRows)),
        tile_rows(DivUp(tokens, num_tiles)),
        num_runs(DivUp(padded_inputs, kRunLength)),
        num_groups(DivUp(out_features, kTileColumns)),
        block_tiles(std::min(num_tiles, kBlockTiles)),
        num_blocks(DivUp(num_tiles, kBlockTiles)) {}

  int64_t rows_of(int64_t tile) const {
    return std::min(tile_rows, num_tokens - tile * tile_rows);
  }
  int64_t length_of(int64_t run) const {
    return std::min<int64_t>(kRunLength, padded_inputs - run * kRunLength);
  }
  // Floats in front of a tile's run in the copy of x.
  int64_t offset_of(int64_t tile, int64_t run) const {
    const int64_t block = tile / kBlockTiles, place = tile % kBlockTiles;
    return ((block * num_runs + run) * block_tiles + place) * kTileRows *
           kRunLength;
  }

  int64_t copy_size() const {
    return offset_of(num_tiles - 1, num_runs - 1) + kTileRows * kRunLength;
  }

  int64_t num_tokens, in_features, out_features, padded_inputs;
  int64_t num_tiles, tile_rows, num_runs, num_groups, block_tiles, num_blocks;
};

// Copies x as float32 to [block][run][tile][6][256], the order of its use.
template <typename T>
void CopyTile(const Shape& shape, const Rows<T>& x, int64_t tile, float* copy) {
  const RowKernels<T>& kernels = ActiveKernels().rows<T>();
  for (int64_t run = 0; run < shape.num_runs; ++run) {
    float* to = copy + shape.offset_of(tile, run);
    const int64_t first = run * kRunLength;
    const int64_t real =
        std::min<int64_t>(kRunLength, shape.in_features - first);
    for (int64_t r = 0; r < shape.rows_of(tile); ++r, to += kRunLength) {
      kernels.to_float(x[tile * shape.tile_rows + r] + first, real, to);
      if (real < shape.length_of(run)) to[real] = 0;
    }
  }
}

// 64 output features of a block of tiles.
template <typename T>
void ComputeBlock(const Shape& shape, const float* copy,
                  const LinearWeight& weight, int64_t group, int64_t block,
                  const Rows<T>& out) {
  const RowKernels<T>& kernels = ActiveKernels().rows<T>();
  alignas(64) float sums[kBlockTiles * kTileRows * kTileColumns];
  const int64_t first_tile = block * kBlockTiles;
  const int64_t end_tile = std::min(first_tile + kBlockTiles, shape.num_tiles);
  const int64_t first_column = group * kTileColumns;
  const int64_t columns =
      std::min<int64_t>(kTileColumns, shape.out_features - first_column);

  GemmTile tile;
  tile.panels = static_cast<int>(NumPanels(columns));
  tile.a_stride = kRunLength;
  tile.w_stride = shape.padded_inputs * kPanelColumns;
  tile.c_stride = kTileColumns;
  for (int64_t run = 0; run < shape.num_runs; ++run) {
    tile.k = shape.length_of(run);
    tile.w = Data<T>(weight.packed()) + first_column * shape.padded_inputs +
             run * kRunLength * kPanelColumns;
    tile.accumulate = run > 0;
    tile.c = sums;
    for (int64_t i = first_tile; i < end_tile; ++i) {
      tile.rows = static_cast<int>(shape.rows_of(i));
      tile.a = copy + shape.offset_of(i, run);
      kernels.gemm_tile(tile);
      tile.c += tile.rows * kTileColumns;
    }
  }

  const T* bias =
      weight.bias().defined() ? Data<T>(weight.bias()) + first_column : nullptr;
  const int64_t first_token = first_tile * shape.tile_rows;
  const int64_t end_token =
      std::min(end_tile * shape.tile_rows, shape.num_tokens);
  for (int64_t t = first_token; t < end_token; ++t) {
    kernels.finish(sums + (t - first_token) * kTileColumns, bias, columns,
                   out[t] + first_column);
  }
}

template <typename T>
void LinearOf(const at::Tensor& x, const LinearWeight& weight,
              at::Tensor& out) {
  struct CopyOfX;
  const Shape shape(x.size(0), weight);
  const Rows<T> from(x), to(out);
  float* copy = ThreadScratch<CopyOfX>(shape.copy_size());
  ParallelFor(shape.num_tiles, RowGrain(shape.padded_inputs * kTileRows),
              [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                  CopyTile<T>(shape, from, i, copy);
                }
              });
  const auto compute = [&](int64_t item) {
    ComputeBlock<T>(shape, copy, weight, item / shape.num_blocks,
                    item % shape.num_blocks, to);
  };
  const int64_t items = shape.num_groups * shape.num_blocks;
  if (shape.num_tokens * shape.in_features * shape.out_features <
      kSerialProducts) {
    for (int64_t i = 0; i < items; ++i) compute(i);
  } else {
    ParallelItems(items, compute);
  }
}

}  // namespace

int64_t PackedSize(int64_t out_features, int64_t in_features) {
  return NumPanels(out_features) * kPanelColumns * PaddedInputs(in_features);
}

void PackRows(const void* rows, int64_t first_row, int64_t num_rows,
              int64_t in_features, at::Tensor& packed) {
  ForDType(packed.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const T* values = static_cast<const T*>(rows);
    // Threads split at whole panels, so that they share no cache line.
    const int64_t first_panel = first_row / kPanelColumns;
    const int64_t end_panel = NumPanels(first_row + num_rows);
    ParallelFor(end_panel - first_panel, /*grain=*/1,
                [&](int64_t begin, int64_t end) {
                  for (int64_t p = begin; p < end; ++p) {
                    const int64_t row = (first_panel + p) * kPanelColumns;
                    const int64_t from = std::max(first_row, row);
                    const int64_t to =
                        std::min(first_row + num_rows, row + kPanelColumns);
                    PackPanel(values + (from - first_row) * in_features, from,
                              to, in_features, Data<T>(packed));
                  }
                });
  });
}

void PackPadding(int64_t out_features, int64_t in_features,
                 at::Tensor& packed) {
  ForDType(packed.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const int64_t padded = PaddedInputs(in_features);
    const int64_t rows = NumPanels(out_features) * kPanelColumns;
    T* data = Data<T>(packed);
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t first = row < out_features ? in_features : 0;
      for (int64_t k = first; k < padded; ++k) {
        data[PackedIndex<T>(row, k, padded)] = T{};
      }
    }
  });
}

void Linear(const at::Tensor& x, const LinearWeight& weight, at::Tensor& out) {
  if (x.size(0) == 0 || weight.out_features() == 0) return;
  ForDType(x.scalar_type(),
           [&](auto type) { LinearOf<decltype(type)>(x, weight, out); });
}

}  // namespace tandem::cpu
