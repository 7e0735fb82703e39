#pragma once

#include <algorithm>
#include <cstdint>

#include "cugad/device.hpp"
#include "cugad/ops.hpp"

/// Products of a tile of rows with frozen weights, as the fused kernels run them. The weights of all layers and both
/// directions are packed once, in the order in which a step consumes them, so that a block streams them through two
/// panels of shared memory (or keeps them all there). Pads are zeros and every address is aligned to 16 bytes, for any
/// caller's pointers.
namespace cugad::cuda {

constexpr int rounded_up(int n, int to) { return (n + to - 1) / to * to; }

/// Input columns that one step of a product consumes: four float fused multiply-adds, or the depth of an mma.
constexpr int inner_step(Precision precision) {
  return precision == Precision::fp32 ? 4 : precision == Precision::tf32 ? 8 : 16;
}
/// Output columns are padded to whole units of this many.
constexpr int column_step(Precision precision) { return precision == Precision::fp32 ? 4 : 8; }
/// Bytes of one packed output column per step.
constexpr int column_bytes(Precision precision) { return precision == Precision::fp32 ? 16 : 32; }
/// Floats between rows of a tile's buffer of this width: aligned to 16 bytes, and such that the rows that a warp reads
/// side by side lie in different banks.
constexpr int tile_stride(Precision precision, int width) {
  const int whole = rounded_up(width, inner_step(precision));
  return precision == Precision::bf16 ? rounded_up(whole - 8, 16) + 8 : rounded_up(whole - 4, 8) + 4;
}

struct TileShape {
  std::int32_t rows = 0;          ///< of the tile: a multiple of 4, of 16 on tensor cores
  std::int32_t threads = 0;       ///< of the block
  std::int32_t pass_columns = 0;  ///< output columns whose sums the block's threads hold at a time
  std::int32_t stage_bytes = 0;   ///< of one panel; 0: all products are resident in shared memory
};

/// One product [rows, inner] x [inner, outer] of packed weights: passes of pass_columns columns, each a run of steps.
struct TileProduct {
  std::int64_t offset = 0;  ///< bytes from the start of a model's packed weights
  std::int32_t inner = 0, outer = 0;
  std::int32_t panel_steps = 0;  ///< of one panel
};

/// The source of a product's weights: B[k][n] = weight[n * in + k], or weight[k * in + n] if transposed.
struct ProductSource {
  const float* weight = nullptr;
  std::int64_t model_stride = 0;
  std::int32_t in = 0;
  bool transposed = false;
};

struct TileProducts {
  static constexpr int max_products = 5 * NetworkView::max_layers;
  Precision precision = Precision::fp32;
  TileShape shape;
  std::int32_t count = 0;
  TileProduct product[max_products];
  ProductSource source[max_products];
  std::int64_t bytes = 0;  ///< of one model

  /// The last `left_out` columns of the product are not wanted.
  void add(const LayerView& layer, bool transposed, int left_out = 0) {
    TileProduct& next = product[count];
    next.inner = transposed ? layer.out : layer.in;
    next.outer = (transposed ? layer.in : layer.out) - left_out;
    next.offset = bytes;
    source[count++] = {layer.weight, layer.model_stride, layer.in, transposed};
    const int steps = (next.inner + inner_step(precision) - 1) / inner_step(precision);
    const int columns = rounded_up(next.outer, column_step(precision));
    next.panel_steps = steps;
    if (shape.stage_bytes > 0) {
      const int step_bytes = std::min(columns, shape.pass_columns) * column_bytes(precision);
      next.panel_steps = std::clamp(shape.stage_bytes / step_bytes, 1, steps);
    }
    bytes += static_cast<std::int64_t>(steps) * columns * column_bytes(precision);
  }
};

/// Packs the weights of models [first_model, first_model + models): model i to packed + i * packed_stride bytes.
void pack_products(void* stream, const TileProducts& products, std::int64_t first_model, std::int64_t models,
                   unsigned char* packed, std::int64_t packed_stride);

}  // namespace cugad::cuda
