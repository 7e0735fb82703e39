#include <algorithm>
#include <cmath>

#include "kernels/dense/tile_choice.cuh"
#include "kernels/device/activation.cuh"
#include "kernels/device/entries.hpp"
#include "kernels/device/philox.cuh"

/// Y = dropout(act(X W^T + b)): one block per tile of Y and model. The product of the tile is finished in shared memory
/// and goes through bias, activation and dropout to global memory without another launch:
///
///   X [rows, in] --+
///                  +--> panels of 16 k --> sums --> act --> dropout --> Y [rows, out]
///   W [out, in]  --+                    from b           (Philox words by r * out + c)
namespace cugad::cuda {
namespace {

struct ForwardArguments {
  DenseForward op;
  std::int64_t first_model;
  unsigned column_tiles;
  float keep_share;          ///< 1 - dropout rate
  std::uint32_t drop_below;  ///< words below this drop their unit
  bool x_vectors, weight_vectors, output_vectors;
};

/// Kept units are scaled, dropped ones become -0. Adding +0 turns a -0 that an activation produced into +0.
template <int width>
__device__ void drop_units(const ForwardArguments& p, std::int64_t model, std::uint64_t first_word, float (&y)[width]) {
  const float scale = 1.0f / p.keep_share;
  const uint4 block = device::random_block(p.op.dropout.key, model, first_word / 4);
  const int offset = static_cast<int>(first_word % 4);
  uint4 next = block;
  if (offset + width > 4) next = device::random_block(p.op.dropout.key, model, first_word / 4 + 1);
#pragma unroll
  for (int i = 0; i < width; ++i) {
    const std::uint32_t word =
        offset + i < 4 ? device::word_of(block, offset + i) : device::word_of(next, offset + i - 4);
    y[i] = word < p.drop_below ? -0.0f : y[i] * scale + 0.0f;
  }
}

/// act'(h) * dropout scale * sum, h being an earlier pass's output.
__device__ inline float tangent(const ForwardArguments& p, float h, float sum) {
  float slope = device::derivative(p.op.activation, p.op.slope, h * p.keep_share);
  if (p.op.dropout.rate > 0.0f) {
    slope = slope * (1.0f / p.keep_share);
    if (to_bits(h) == INT32_MIN) return 0.0f;  // -0: a dropped unit
  }
  return sum * slope;
}

/// What follows the product, for `count` neighbouring units.
template <int width>
__device__ inline void finish_units(const ForwardArguments& p, std::int64_t model, std::int64_t row,
                                    std::int64_t column, int count, const float* sums) {
  float y[width];
  if (p.op.derivative_of) {
    const float* const h = p.op.derivative_of.model(model).row(row) + column;
#pragma unroll
    for (int i = 0; i < width; ++i) y[i] = i < count ? tangent(p, h[i], sums[i]) : 0.0f;
  } else {
#pragma unroll
    for (int i = 0; i < width; ++i) y[i] = device::activate(p.op.activation, p.op.slope, sums[i]);
    if (p.op.dropout.rate > 0.0f) drop_units(p, model, static_cast<std::uint64_t>(row * p.op.y.columns + column), y);
  }
  store_values(p.op.y.model(model).row(row) + column, y, count);
}

template <class Tile>
__global__ void __launch_bounds__(Tile::threads, Tile::resident_blocks)
    dense_forward_kernel(const __grid_constant__ ForwardArguments p) {
  constexpr Order order = Order::k_contiguous;
  float* const shared = device::SharedMemory().take<float>(product_floats<Tile, order, order>());
  const std::int64_t model = p.first_model + blockIdx.z;
  const std::int64_t row = std::int64_t{blockIdx.x / p.column_tiles} * Tile::rows;
  const std::int64_t column = std::int64_t{blockIdx.x % p.column_tiles} * Tile::columns;
  const MatrixView<const float> x = p.op.x.model(model), weight = p.op.weight.model(model);
  const int rows = existing(p.op.y.rows - row, Tile::rows), columns = existing(p.op.y.columns - column, Tile::columns);
  const bool has_bias = p.op.bias && !p.op.derivative_of;

  Tile tile;
  NoObserver nothing;
  tile.begin(has_bias ? p.op.bias.model(model).data + column : nullptr, columns);
  multiply<order, order>(tile, {x.row(row), x.row_stride, rows, p.x_vectors},
                         {weight.row(column), weight.row_stride, columns, p.weight_vectors},
                         static_cast<int>(x.columns), shared, nothing);
  publish(tile, shared);
  const auto finish = [&]<int width>() {
    hand_out<width, Tile>(shared, rows, columns, [&](int r, int c, int count, const float* sums) {
      finish_units<width>(p, model, row + r, column + c, count, sums);
    });
  };
  if (p.output_vectors) {
    finish.template operator()<4>();
  } else {
    finish.template operator()<1>();
  }
}

void forward(Context& context, const DenseForward& args) {
  if (args.y.models == 0 || args.y.rows == 0 || args.y.columns == 0) return;
  ForwardArguments p = {};
  p.op = args;
  p.keep_share = 1.0f - args.dropout.rate;
  p.drop_below = static_cast<std::uint32_t>(std::ceil(static_cast<double>(args.dropout.rate) * 4294967296.0));
  p.x_vectors = device::rows_are_vectors(args.x);
  p.weight_vectors = device::rows_are_vectors(args.weight);
  p.output_vectors = device::rows_are_vectors(args.y);
  const auto blocks = [&]<class Tile>() { return args.y.models * tile_count<Tile>(args.y.rows, args.y.columns); };
  const auto launch = [&]<class Tile>() {
    constexpr std::size_t bytes =
        device::SharedLayout().add<float>(product_floats<Tile, Order::k_contiguous, Order::k_contiguous>()).bytes();
    p.column_tiles = device::blocks_for(args.y.columns, Tile::columns);
    const auto tiles = static_cast<unsigned>(tile_count<Tile>(args.y.rows, args.y.columns));
    for (p.first_model = 0; p.first_model < args.y.models; p.first_model += device::max_grid_z) {
      const auto models = static_cast<unsigned>(std::min(args.y.models - p.first_model, device::max_grid_z));
      device::launch(context.stream(), "dense_forward", {dim3(tiles, 1, models), dim3(Tile::threads), bytes},
                     dense_forward_kernel<Tile>, p);
    }
  };
  if (args.y.columns <= narrow_outputs) {
    launch.template operator()<NarrowForwardTile>();
  } else {
    choose_tile(context, blocks, launch);
  }
}

std::size_t forward_workspace(const Context&, const DenseForward&) { return 0; }

}  // namespace

OpEntry<DenseForward> dense_forward_entry() { return {forward, forward_workspace}; }

}  // namespace cugad::cuda
