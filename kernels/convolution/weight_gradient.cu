#include <algorithm>

#include "kernels/convolution/pixel_load.cuh"
#include "kernels/convolution/weight_gradient.cuh"

/// dW as an implicit matrix product, k running over the pixels of the smaller image: rows are the taps and channels of
/// the larger image, columns the channels of the smaller one, one block per tile, chunk of rows and model.
///
///   larger image, by pixels and taps --+
///                                      +--> sums of a chunk --> added over the chunks, scaled --> dW
///   smaller image, by pixels ----------+
///
/// db: a thread per row and channel adds its pixels, then a thread per channel those sums.
namespace cugad::cuda {
namespace {

constexpr int pass_threads = 256;

/// The division of the work.
struct Shape {
  ImageShape larger, smaller;
  std::int64_t chain, chunks, elements, columns;

  explicit Shape(const ConvolutionBackward& args)
      : larger(args.window.transposed ? args.to : args.from), smaller(args.window.transposed ? args.from : args.to) {
    chain = convolution::rows_per_chain(args.dy.rows, convolution::pixels_of(smaller));
    chunks = (args.dy.rows + chain - 1) / chain;
    elements = std::int64_t{args.window.height} * args.window.width * larger.channels;
    columns = smaller.channels;
  }
  constexpr std::int64_t weight_floats() const { return chunks * elements * columns; }
};

struct GradientArguments {
  ConvolutionBackward op;
  Shape shape;
  float* sums;      ///< [model][chunk][tap, channel of the larger image][channel of the smaller one]
  float* row_sums;  ///< [model][row][channel of `to`]
  std::int64_t first_model;
  unsigned column_tiles;
  bool larger_vectors, smaller_vectors;
};

template <class Tile>
__global__ void __launch_bounds__(Tile::threads, resident_blocks<Tile>)
    convolution_weight_kernel(const __grid_constant__ GradientArguments p) {
  device::wait_for_earlier_work();
  constexpr Order order = Order::k_strided;
  const Window& window = p.op.window;
  const Shape& shape = p.shape;
  const std::int64_t model = p.first_model + blockIdx.z, first_row = blockIdx.y * shape.chain;
  const std::int64_t element = std::int64_t{blockIdx.x / p.column_tiles} * Tile::rows;
  const std::int64_t column = std::int64_t{blockIdx.x % p.column_tiles} * Tile::columns;
  const int rows = existing(shape.elements - element, Tile::rows);
  const int columns = existing(shape.columns - column, Tile::columns);
  const MatrixView<const float> x = p.op.x.model(model), dh = p.op.dy.model(model);
  const MatrixView<const float>&of_larger = window.transposed ? dh : x, &of_smaller = window.transposed ? x : dh;
  const PixelOperand larger = {
      of_larger.data,
      of_larger.row_stride,
      shape.larger,
      convolution::gathering_axis(shape.smaller.height, window.height, window.stride, window.pad_top),
      convolution::gathering_axis(shape.smaller.width, window.width, window.stride, window.pad_left),
      first_row,
      p.larger_vectors};
  const PixelOperand smaller = {of_smaller.data,
                                of_smaller.row_stride,
                                shape.smaller,
                                convolution::gathering_axis(shape.smaller.height, 1, 1, 0),
                                convolution::gathering_axis(shape.smaller.width, 1, 1, 0),
                                first_row,
                                p.smaller_vectors};
  const std::int64_t some = shape.chain < dh.rows - first_row ? shape.chain : dh.rows - first_row;
  const auto k_count = static_cast<int>(some * convolution::pixels_of(shape.smaller));
  float* const shared = device::SharedMemory().take<float>(product_floats<Tile, order, order>());
  using Left = LeftPanel<Tile, order>;
  using Right = RightPanel<Tile, order>;
  Tile tile;
  tile.begin(nullptr, 0);
  if constexpr (std::is_same_v<typename Tile::Element, float>) {
    PixelLoad<Tile, order, Left, 1> load_a(shared, larger, element, rows);
    PixelLoad<Tile, order, Right, 1> load_b(shared + Left::elements, smaller, column, columns);
    add_products<order, order>(tile, load_a, load_b, k_count, shared);
  } else {
    RoundedPixelLoad<Tile, order, Left> load_a(larger, element, rows);
    RoundedPixelLoad<Tile, order, Right> load_b(smaller, column, columns);
    add_products<order, order>(tile, load_a, load_b, k_count, shared);
  }
  publish(tile, shared);
  float* const sums =
      p.sums + ((blockIdx.z * shape.chunks + blockIdx.y) * shape.elements + element) * shape.columns + column;
  hand_out<1, Tile>(shared, rows, columns,
                    [&](int r, int c, int, const float* sum) { sums[r * shape.columns + c] = *sum; });
}

__device__ inline void keep_scaled(const ConvolutionBackward& op, float* gradient, float sum) {
  const float scaled = sum * op.scale;
  *gradient = op.accumulate ? *gradient + scaled : scaled;
}

/// One thread per weight. The chunks' sums are added in ascending order.
__global__ void __launch_bounds__(pass_threads) convolution_chunks_kernel(const __grid_constant__ GradientArguments p) {
  device::wait_for_earlier_work();
  const std::int64_t at = std::int64_t{blockIdx.x} * pass_threads + threadIdx.x, model = p.first_model + blockIdx.z;
  const std::int64_t in = p.op.from.channels, out = p.op.to.channels, fan_in = p.op.weight.columns;
  const std::int64_t o = at / fan_in, k = at % fan_in;
  if (o >= out) return;
  const std::int64_t place = p.op.window.transposed ? (k / in * out + o) * in + k % in : k * out + o;
  const float* const sums = p.sums + blockIdx.z * p.shape.weight_floats() + place;
  float sum = p.shape.chunks > 0 ? *sums : 0.0f;
  for (std::int64_t c = 1; c < p.shape.chunks; ++c) sum += sums[c * p.shape.elements * p.shape.columns];
  keep_scaled(p.op, p.op.dweight.model(model).row(o) + k, sum);
}

/// One thread per row and channel.
__global__ void __launch_bounds__(pass_threads) convolution_rows_kernel(const __grid_constant__ GradientArguments p) {
  device::wait_for_earlier_work();
  const std::int64_t at = std::int64_t{blockIdx.x} * pass_threads + threadIdx.x, model = p.first_model + blockIdx.z;
  const std::int64_t out = p.op.to.channels, row = at / out, o = at % out, pixels = convolution::pixels_of(p.op.to);
  if (row >= p.op.dy.rows) return;
  const float* const dh = p.op.dy.model(model).row(row) + o;
  float sum = 0.0f;
#pragma unroll 4
  for (std::int64_t i = 0; i < pixels; ++i) sum += dh[i * out];
  p.row_sums[blockIdx.z * p.op.dy.rows * out + at] = sum;
}

/// One thread per channel.
__global__ void __launch_bounds__(pass_threads) convolution_bias_kernel(const __grid_constant__ GradientArguments p) {
  device::wait_for_earlier_work();
  const std::int64_t o = std::int64_t{blockIdx.x} * pass_threads + threadIdx.x, model = p.first_model + blockIdx.z;
  const std::int64_t out = p.op.to.channels, rows = p.op.dy.rows;
  if (o >= out) return;
  const float* const row_sums = p.row_sums + blockIdx.z * rows * out + o;
  float total = 0.0f;
  for (std::int64_t first = 0; first < rows; first += p.shape.chain) {
    const std::int64_t end = first + p.shape.chain < rows ? first + p.shape.chain : rows;
    float sum = 0.0f;
    for (std::int64_t row = first; row < end; ++row) sum += row_sums[row * out];
    total += sum;
  }
  keep_scaled(p.op, p.op.dbias.model(model).data + o, total);
}

/// Scratch memory of one model, in floats.
std::int64_t weight_floats(const ConvolutionBackward& args) { return args.dweight ? Shape(args).weight_floats() : 0; }
std::int64_t bias_floats(const ConvolutionBackward& args) { return args.dbias ? args.dy.rows * args.to.channels : 0; }

/// Models per launch: bounded by the grid, and by the memory of their sums.
std::int64_t models_at_once(const ConvolutionBackward& args) {
  constexpr std::int64_t floats_at_once = std::int64_t{64} << 20;
  const std::int64_t floats = std::max<std::int64_t>(1, weight_floats(args) + bias_floats(args));
  return std::min({args.dy.models, std::max<std::int64_t>(1, floats_at_once / floats), device::max_grid_z});
}

}  // namespace

std::size_t parameter_workspace(const ConvolutionBackward& args) {
  return sizeof(float) * static_cast<std::size_t>(models_at_once(args) * (weight_floats(args) + bias_floats(args)));
}

void launch_parameters(Context& context, const ConvolutionBackward& args, float* scratch) {
  GradientArguments p = {args, Shape(args), scratch, nullptr, 0, 0, false, false};
  const auto vectors = [](const auto& view, const ImageShape& image) {
    return image.channels % 4 == 0 && device::rows_are_vectors(view);
  };
  const bool x_vectors = vectors(args.x, args.from), dy_vectors = vectors(args.dy, args.to);
  p.larger_vectors = args.window.transposed ? dy_vectors : x_vectors;
  p.smaller_vectors = args.window.transposed ? x_vectors : dy_vectors;
  const std::int64_t at_once = models_at_once(args);
  p.row_sums = scratch + at_once * weight_floats(args);
  const auto blocks = [&]<class Tile>() {
    return args.dy.models * p.shape.chunks * tile_count<Tile>(p.shape.elements, p.shape.columns);
  };
  for (; p.first_model < args.dy.models; p.first_model += at_once) {
    const auto models = static_cast<unsigned>(std::min(at_once, args.dy.models - p.first_model));
    const auto launch = [&](const char* name, auto* kernel, std::int64_t work) {
      if (work == 0) return;
      device::launch(
          context.stream(), name,
          {.grid = dim3(device::blocks_for(work, pass_threads), 1, models), .block = dim3(pass_threads), .waits = true},
          kernel, p);
    };
    const auto multiply = [&]<class Tile>() {
      constexpr std::size_t bytes =
          device::SharedLayout().add<float>(product_floats<Tile, Order::k_strided, Order::k_strided>()).bytes();
      p.column_tiles = device::blocks_for(p.shape.columns, Tile::columns);
      device::launch(context.stream(), "convolution_backward",
                     {.grid = dim3(static_cast<unsigned>(tile_count<Tile>(p.shape.elements, p.shape.columns)),
                                   static_cast<unsigned>(p.shape.chunks), models),
                      .block = dim3(Tile::threads),
                      .shared_bytes = bytes,
                      .waits = true},
                     convolution_weight_kernel<Tile>, p);
    };
    if (args.dweight) {
      if (p.shape.chunks == 0) {
        // the sums of no rows
      } else if (p.shape.columns <= narrow_outputs) {
        multiply.template operator()<NarrowForwardTile>();
      } else {
        choose_pixel_tile(context, blocks, multiply);
      }
      launch("convolution_backward (sum of chunks)", convolution_chunks_kernel, args.to.channels * args.weight.columns);
    }
    if (args.dbias) {
      launch("convolution_backward (rows)", convolution_rows_kernel, args.dy.rows * args.to.channels);
      launch("convolution_backward (bias)", convolution_bias_kernel, args.to.channels);
    }
  }
}

}  // namespace cugad::cuda
