#include <algorithm>
#include <cstddef>

#include "kernels/dense/dense_backward.cuh"
#include "kernels/dense/library_product.hpp"
#include "kernels/dense/tile_choice.cuh"
#include "kernels/dense/weight_gradient.cuh"
#include "kernels/device/entries.hpp"

/// The backward pass of a dense layer in at most three launches:
///
///   dY, y --> dH (in place of dY) --+--> dX = dH W                                 one tile of dX,
///                                   +--> dW = scale dH^T X, db = scale sums of dH  dW or a chunk of dW per block
///                                            (more than 1,024 rows: in chunks) --> sum of the chunks
///
/// dX and dW share a launch: one alone rarely fills the chip at a batch of 50.
namespace cugad::cuda {
namespace {

template <class InputTile, class WeightTile>
constexpr std::size_t shared_floats = std::max(product_floats<InputTile, Order::k_contiguous, Order::k_strided>(),
                                               product_floats<WeightTile, Order::k_strided, Order::k_strided>());

/// dX = dH W: k runs over the units.
template <class Tile>
__device__ inline void input_gradient(const ProductArguments& p, std::int64_t model, unsigned block, float* shared) {
  const std::int64_t row = std::int64_t{block / p.input_across} * Tile::rows;
  const std::int64_t column = std::int64_t{block % p.input_across} * Tile::columns;
  const MatrixView<const float> weight = p.op.weight.model(model);
  const MatrixView<float> dh = p.op.dy.model(model), dx = p.op.dx.model(model);
  const int rows = existing(dx.rows - row, Tile::rows), columns = existing(dx.columns - column, Tile::columns);
  Tile tile;
  NoObserver nothing;
  tile.begin(nullptr, 0);
  multiply<Order::k_contiguous, Order::k_strided>(tile, {dh.row(row), dh.row_stride, rows, p.dy_vectors},
                                                  {weight.data + column, weight.row_stride, columns, p.weight_vectors},
                                                  static_cast<int>(dh.columns), shared, nothing);
  publish(tile, shared);
  const auto keep = [&]<int width>() {
    hand_out<width, Tile>(shared, rows, columns, [&](int r, int c, int count, const float* sums) {
      float values[width];
#pragma unroll
      for (int i = 0; i < width; ++i) values[i] = sums[i];
      store_values(dx.row(row + r) + column + c, values, count);
    });
  };
  if (p.dx_vectors) {
    keep.template operator()<4>();
  } else {
    keep.template operator()<1>();
  }
}

template <class InputTile, class WeightTile>
__global__ void __launch_bounds__(InputTile::threads, InputTile::resident_blocks)
    dense_backward_kernel(const __grid_constant__ ProductArguments p) {
  device::wait_for_earlier_work();
  static_assert(InputTile::threads == WeightTile::threads);
  float* const shared = device::SharedMemory().take<float>(shared_floats<InputTile, WeightTile>);
  const std::int64_t model = p.first_model + blockIdx.z;
  if (blockIdx.x < p.input_blocks) {
    input_gradient<InputTile>(p, model, blockIdx.x, shared);
  } else {
    weight_gradient<WeightTile>(p, model, blockIdx.x - p.input_blocks, shared);
  }
}

bool wants_parameters(const DenseBackward& args) { return args.dweight || args.dbias; }

/// The width of the weight gradient; none if only db is computed.
std::int64_t weight_columns(const DenseBackward& args) { return args.dweight ? args.dweight.columns : 0; }

/// Bytes of the chunks' sums of one model.
std::int64_t chunk_bytes(const DenseBackward& args) {
  const std::int64_t chunks = chunk_count(args.dy.rows);
  if (chunks == 1 || !wants_parameters(args)) return 0;
  return chunks * args.dy.columns * (weight_columns(args) + 1) * static_cast<std::int64_t>(sizeof(float));
}

/// Models per launch: bounded by the grid, and by the memory of the chunks' sums.
std::int64_t models_at_once(const DenseBackward& args) {
  constexpr std::int64_t bytes_at_once = std::int64_t{256} << 20;
  const std::int64_t bytes = chunk_bytes(args);
  const std::int64_t fitting = bytes == 0 ? args.dy.models : std::max<std::int64_t>(1, bytes_at_once / bytes);
  return std::min({args.dy.models, fitting, device::max_grid_z});
}

/// The division of the work, and its scratch memory.
struct Plan {
  DenseBackward own;  ///< the part of our own kernels
  bool by_library;    ///< dW comes from cuBLASLt
  std::size_t own_bytes, bytes;
};

Plan plan_of(const Context& context, const DenseBackward& args) {
  Plan plan = {args, false, 0, 0};
  if (args.dy.models == 0) return plan;
  plan.by_library = library_weight_gradient_wins(context, args);
  if (plan.by_library) plan.own.dweight = {};
  plan.own_bytes = static_cast<std::size_t>(models_at_once(plan.own) * chunk_bytes(plan.own));
  plan.bytes = plan.own_bytes + (plan.by_library ? library_workspace() : 0);
  return plan;
}

std::size_t backward_workspace(const Context& context, const DenseBackward& args) {
  return plan_of(context, args).bytes;
}

template <class InputTile, class WeightTile>
void launch_products(Context& context, ProductArguments p, std::int64_t models) {
  const DenseBackward& op = p.op;
  if (op.dx) {
    p.input_across = device::blocks_for(op.dx.columns, InputTile::columns);
    p.input_blocks = static_cast<unsigned>(tile_count<InputTile>(op.dx.rows, op.dx.columns));
  }
  std::int64_t blocks = p.input_blocks;
  if (wants_parameters(op)) {
    const std::int64_t columns = std::max<std::int64_t>(1, weight_columns(op));  // one tile if only db is computed
    p.weight_across = device::blocks_for(columns, WeightTile::columns);
    p.weight_blocks = static_cast<unsigned>(tile_count<WeightTile>(op.dy.columns, columns));
    blocks += chunk_count(op.dy.rows) * p.weight_blocks;
  }
  if (blocks == 0) return;
  constexpr std::size_t bytes = device::SharedLayout().add<float>(shared_floats<InputTile, WeightTile>).bytes();
  device::launch(context.stream(), "dense_backward",
                 {.grid = dim3(static_cast<unsigned>(blocks), 1, static_cast<unsigned>(models)),
                  .block = dim3(InputTile::threads),
                  .shared_bytes = bytes,
                  .waits = true},
                 dense_backward_kernel<InputTile, WeightTile>, p);
}

void backward(Context& context, const DenseBackward& all) {
  if (all.dy.models == 0) return;
  const Plan plan = plan_of(context, all);
  const DenseBackward& args = plan.own;
  auto* const scratch = plan.bytes > 0 ? static_cast<std::byte*>(context.scratch(plan.bytes)) : nullptr;
  const std::int64_t chunks = chunk_count(args.dy.rows), columns = weight_columns(args);
  ProductArguments p = {};
  p.op = args;
  p.chunk_rows = chunk_rows(args.dy.rows);
  p.dy_vectors = device::rows_are_vectors(args.dy);
  p.weight_vectors = device::rows_are_vectors(args.weight);
  p.x_vectors = args.dweight ? device::rows_are_vectors(args.x) : p.dy_vectors;  // see weight_gradient
  p.dx_vectors = device::rows_are_vectors(args.dx);
  if (plan.own_bytes > 0) p.sums = {reinterpret_cast<float*>(scratch), chunks, args.dy.columns, columns + 1};
  const auto blocks = [&]<class Tile>() {
    const std::int64_t input = args.dx ? tile_count<Tile>(args.dx.rows, args.dx.columns) : 0;
    return args.dy.models * (input + chunks * tile_count<Tile>(args.dy.columns, columns));
  };
  const std::int64_t at_once = models_at_once(args);
  for (p.first_model = 0; p.first_model < args.dy.models; p.first_model += at_once) {
    const std::int64_t models = std::min(at_once, args.dy.models - p.first_model);
    if (args.dy.rows > 0 && args.dy.columns > 0) launch_activation_backward(context, args, p.first_model, models);
    if (args.dy.columns <= narrow_outputs) {
      launch_products<NarrowInputTile, NarrowWeightTile>(context, p, models);
    } else {
      choose_tile(context, blocks, [&]<class Tile>() { launch_products<Tile, Tile>(context, p, models); });
    }
    if (p.sums.data != nullptr) launch_add_chunks(context, args, p.sums, p.first_model, models);
  }
  if (plan.by_library) library_weight_gradient(context, all, scratch + plan.own_bytes);
}

}  // namespace

OpEntry<DenseBackward> dense_backward_entry() { return {backward, backward_workspace}; }

}  // namespace cugad::cuda
