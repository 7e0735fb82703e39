#include <algorithm>

#include "kernels/dense/forward_ending.cuh"
#include "kernels/dense/tile_choice.cuh"
#include "kernels/device/entries.hpp"

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
  ForwardEnding ending;
  bool x_vectors, weight_vectors, output_vectors;
};

template <class Tile>
__global__ void __launch_bounds__(Tile::threads, Tile::resident_blocks)
    dense_forward_kernel(const __grid_constant__ ForwardArguments p) {
  device::wait_for_earlier_work();
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
      const std::int64_t first = (row + r) * p.op.y.columns + column + c;
      const float* const h = p.op.derivative_of ? p.op.derivative_of.model(model).row(row + r) + column + c : nullptr;
      float* const y = p.op.y.model(model).row(row + r) + column + c;
      finish_units<width>(p.ending, model, static_cast<std::uint64_t>(first), h, y, count, sums);
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
  p.ending = forward_ending(args);
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
      device::launch(
          context.stream(), "dense_forward",
          {.grid = dim3(tiles, 1, models), .block = dim3(Tile::threads), .shared_bytes = bytes, .waits = true},
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
