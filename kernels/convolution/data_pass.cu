#include <algorithm>

#include "kernels/convolution/data_pass.cuh"
#include "kernels/convolution/pixel_load.cuh"
#include "kernels/dense/tile_choice.cuh"

/// A pass of data as an implicit matrix product: rows are the pixels of one phase of all images, columns the channels
/// of the target, k runs over taps and channels of the source. One block per tile, phase and model:
///
///   source, by pixels and taps --+
///                                +--> panels of 16 k --> sums --> act --> dropout --> target
///   packed weights of the phase --+                  from b
///
/// The weights are packed by a launch of their own, [phase][channel of the target][tap][channel of the source], unless
/// they lie so already: forwards, in a pass that gathers.
namespace cugad::cuda {
namespace {

constexpr int pack_threads = 256;

struct PackArguments {
  convolution::Pass pass;
  StackView<const float> weight;
  bool backwards;
  float* packed;
  std::int64_t first_model, stride, per_model;
};

/// Phases of a pass.
__host__ __device__ constexpr std::int32_t phases(const convolution::Pass& pass) {
  return pass.scatters ? pass.window.stride * pass.window.stride : 1;
}
__device__ inline convolution::Phase phase_of(const convolution::Pass& pass, unsigned number) {
  const auto along = static_cast<unsigned>(pass.window.stride);
  return pass.phase(static_cast<std::int32_t>(number / along), static_cast<std::int32_t>(number % along));
}

/// One thread per packed weight; what lies behind a phase's taps becomes 0.
__global__ void __launch_bounds__(pack_threads) pack_weights_kernel(const __grid_constant__ PackArguments p) {
  device::wait_for_earlier_work();
  const std::int64_t at = std::int64_t{blockIdx.x} * pack_threads + threadIdx.x;
  if (at >= p.per_model) return;
  const std::int32_t source = p.pass.source.channels, target = p.pass.target.channels;
  const auto k = static_cast<std::int32_t>(at % p.stride);
  const auto t = static_cast<std::int32_t>(at / p.stride % target);
  const convolution::Phase phase = phase_of(p.pass, static_cast<unsigned>(at / p.stride / target));
  const std::int32_t tap = k / source, s = k % source;
  float value = 0.0f;
  if (tap < phase.y.taps * phase.x.taps) {
    const std::int32_t y = phase.y.tap + tap / phase.x.taps * phase.y.tap_step,
                       x = phase.x.tap + tap % phase.x.taps * phase.x.tap_step;
    const std::int64_t of_window = std::int64_t{y} * p.pass.window.width + x;
    const MatrixView<const float> weight = p.weight.model(p.first_model + blockIdx.z);
    value = p.backwards ? weight.row(s)[of_window * target + t] : weight.row(t)[of_window * source + s];
  }
  p.packed[blockIdx.z * p.per_model + at] = value;
}

struct PassArguments {
  PassOperands op;
  const float* weight;  ///< of the first model
  std::int64_t weight_model_stride, weight_phase_stride, weight_stride;
  std::int64_t first_model;
  unsigned column_tiles;
  bool source_vectors, weight_vectors, target_vectors;
};

/// Where a row of a tile lies in the target.
struct TargetPixel {
  std::int64_t row, column;
};

template <class Tile>
__global__ void __launch_bounds__(Tile::threads, resident_blocks<Tile>)
    convolution_pass_kernel(const __grid_constant__ PassArguments p) {
  device::wait_for_earlier_work();
  constexpr Order order = Order::k_contiguous;
  const convolution::Pass& pass = p.op.pass;
  const convolution::Phase phase = phase_of(pass, blockIdx.y);
  const std::int64_t model = p.first_model + blockIdx.z, per_image = std::int64_t{phase.y.count} * phase.x.count;
  const std::int64_t row = std::int64_t{blockIdx.x / p.column_tiles} * Tile::rows;
  const std::int64_t column = std::int64_t{blockIdx.x % p.column_tiles} * Tile::columns;
  if (row >= p.op.target.rows * per_image) return;  // phases differ in size
  device::SharedMemory memory;
  auto* const shared = memory.take<float>(product_floats<Tile, order, order>());
  auto* const places = memory.take<TargetPixel>(Tile::rows);
  const std::int32_t channels = pass.target.channels;
  const int rows = existing(p.op.target.rows * per_image - row, Tile::rows);
  const int columns = existing(channels - column, Tile::columns);
  for (int r = static_cast<int>(threadIdx.x); r < rows; r += Tile::threads) {
    const std::int64_t rest = (row + r) % per_image;
    const std::int64_t y = phase.y.first + rest / phase.x.count * phase.y.apart,
                       x = phase.x.first + rest % phase.x.count * phase.x.apart;
    places[r].row = (row + r) / per_image;
    places[r].column = (y * pass.target.width + x) * channels + column;
  }

  Tile tile;
  tile.begin(p.op.bias ? p.op.bias.model(model).data + column : nullptr, columns);
  const PixelOperand pixels = {
      p.op.source.model(model).data, p.op.source.row_stride, pass.source, phase.y, phase.x, 0, p.source_vectors};
  const float* const weight = p.weight + blockIdx.z * p.weight_model_stride + blockIdx.y * p.weight_phase_stride;
  const Operand weights = {weight + column * p.weight_stride, p.weight_stride, columns, p.weight_vectors};
  const int k_count = phase.y.taps * phase.x.taps * pass.source.channels;
  using Left = LeftPanel<Tile, order>;
  using Right = RightPanel<Tile, order>;
  if constexpr (std::is_same_v<typename Tile::Element, float>) {
    PixelLoad<Tile, order, Left, Tile::left_interleave> load_a(shared, pixels, row, rows);
    PanelLoad<Tile, order, Right, Tile::right_interleave> load_b(shared + Left::elements, weights);
    add_products<order, order>(tile, load_a, load_b, k_count, shared);
  } else {
    RoundedPixelLoad<Tile, order, Left> load_a(pixels, row, rows);
    RoundedLoad<Tile, order, Right> load_b(weights);
    add_products<order, order>(tile, load_a, load_b, k_count, shared);
  }
  publish(tile, shared);
  const auto finish = [&]<int width>() {
    hand_out<width, Tile>(shared, rows, columns, [&](int r, int c, int count, const float* sums) {
      const TargetPixel at = places[r];
      const auto first = static_cast<std::uint64_t>(at.row * p.op.target.columns + at.column + c);
      const float* const h = p.op.derivative_of ? p.op.derivative_of.model(model).row(at.row) + at.column + c : nullptr;
      finish_units<width>(p.op.ending, model, first, h, p.op.target.model(model).row(at.row) + at.column + c, count,
                          sums);
    });
  };
  if (p.target_vectors) {
    finish.template operator()<4>();
  } else {
    finish.template operator()<1>();
  }
}

bool is_packed(const PassOperands& op) { return op.backwards || (op.pass.scatters && op.pass.window.stride > 1); }

/// Packed weights of a channel of the target in one phase: whole vectors.
std::int64_t packed_stride(const convolution::Pass& pass) {
  const convolution::Phase phase = pass.phase(0, 0);  // the one with the most taps
  return (std::int64_t{phase.y.taps} * phase.x.taps * pass.source.channels + 3) / 4 * 4;
}

/// Models per launch.
std::int64_t models_at_once(const PassOperands& op) { return std::min(op.target.models, device::max_grid_z); }

}  // namespace

std::size_t pass_workspace(const PassOperands& op) {
  if (!is_packed(op)) return 0;
  const std::int64_t weights = phases(op.pass) * op.pass.target.channels * packed_stride(op.pass);
  return sizeof(float) * static_cast<std::size_t>(models_at_once(op) * weights);
}

void launch_pass(Context& context, const char* name, const PassOperands& op, float* scratch) {
  const std::int64_t rows = op.target.rows, channels = op.pass.target.channels;
  if (rows == 0 || op.target.models == 0) return;
  PassArguments p = {};
  p.op = op;
  const auto vectors = [](const auto& view, const ImageShape& image) {
    return image.channels % 4 == 0 && device::rows_are_vectors(view);
  };
  p.source_vectors = vectors(op.source, op.pass.source);
  p.target_vectors = vectors(op.target, op.pass.target);
  p.weight_stride = is_packed(op) ? packed_stride(op.pass) : op.weight.row_stride;
  p.weight_phase_stride = channels * p.weight_stride;
  p.weight_model_stride = is_packed(op) ? phases(op.pass) * p.weight_phase_stride : op.weight.model_stride;
  p.weight_vectors = is_packed(op) || device::rows_are_vectors(op.weight);
  std::int64_t most_pixels = 0;
  for (std::int32_t i = 0; i < op.pass.phases_along(); ++i) {
    for (std::int32_t j = 0; j < op.pass.phases_along(); ++j) {
      const convolution::Phase one = op.pass.phase(i, j);
      most_pixels = std::max(most_pixels, rows * one.y.count * one.x.count);
    }
  }
  const auto blocks = [&]<class Tile>() {
    return op.target.models * phases(op.pass) * tile_count<Tile>(most_pixels, channels);
  };
  for (std::int64_t first = 0; first < op.target.models; first += models_at_once(op)) {
    const auto models = static_cast<unsigned>(std::min(op.target.models - first, models_at_once(op)));
    p.first_model = first;
    p.weight = op.weight.data + first * op.weight.model_stride;
    if (is_packed(op)) {
      p.weight = scratch;
      const PackArguments pack = {op.pass, op.weight,       op.backwards,         scratch,
                                  first,   p.weight_stride, p.weight_model_stride};
      device::launch(context.stream(), "convolution (weights)",
                     {.grid = dim3(device::blocks_for(pack.per_model, pack_threads), 1, models),
                      .block = dim3(pack_threads),
                      .waits = true},
                     pack_weights_kernel, pack);
    }
    const auto launch = [&]<class Tile>() {
      constexpr std::size_t bytes = device::SharedLayout()
                                        .add<float>(product_floats<Tile, Order::k_contiguous, Order::k_contiguous>())
                                        .template add<TargetPixel>(Tile::rows)
                                        .bytes();
      p.column_tiles = device::blocks_for(channels, Tile::columns);
      device::launch(context.stream(), name,
                     {.grid = dim3(static_cast<unsigned>(tile_count<Tile>(most_pixels, channels)),
                                   static_cast<unsigned>(phases(op.pass)), models),
                      .block = dim3(Tile::threads),
                      .shared_bytes = bytes,
                      .waits = true},
                     convolution_pass_kernel<Tile>, p);
    };
    if (channels <= narrow_outputs) {
      launch.template operator()<NarrowForwardTile>();
    } else {
      choose_pixel_tile(context, blocks, launch);
    }
  }
}

}  // namespace cugad::cuda
