#include <algorithm>

#include "kernels/convolution/geometry.hpp"
#include "kernels/dense/forward_ending.cuh"
#include "kernels/device/dropout.cuh"
#include "kernels/device/entries.hpp"
#include "kernels/elementary.hpp"

/// Convolutions, a thread per sum: the same chains as on the CPU.
namespace cugad::cuda {
namespace {

constexpr int threads = 256;

/// The chain of one target element over the taps that exist. weight(tap, channel of the source) is its weight.
template <class Weight>
__device__ float chain(const convolution::Pass& pass, const float* image, std::int32_t y, std::int32_t x, float sum,
                       const Weight& weight) {
  const Window& window = pass.window;
  for (std::int32_t ky = 0; ky < window.height; ++ky) {
    std::int32_t sy = pass.scatters ? y + window.pad_top - ky : y * window.stride - window.pad_top + ky;
    if (sy < 0 || (pass.scatters && sy % window.stride != 0)) continue;
    if (pass.scatters) sy /= window.stride;
    if (sy >= pass.source.height) continue;
    for (std::int32_t kx = 0; kx < window.width; ++kx) {
      std::int32_t sx = pass.scatters ? x + window.pad_left - kx : x * window.stride - window.pad_left + kx;
      if (sx < 0 || (pass.scatters && sx % window.stride != 0)) continue;
      if (pass.scatters) sx /= window.stride;
      if (sx >= pass.source.width) continue;
      const float* const pixel = image + (std::int64_t{sy} * pass.source.width + sx) * pass.source.channels;
      const std::int64_t tap = std::int64_t{ky} * window.width + kx;
      for (std::int32_t c = 0; c < pass.source.channels; ++c) sum = multiply_add(pixel[c], weight(tap, c), sum);
    }
  }
  return sum;
}

/// Element `at` of a stack of rows of images.
struct Place {
  std::int64_t row, column;
  std::int32_t y, x, channel;
  __device__ Place(std::int64_t at, const ImageShape& image) {
    const std::int64_t columns = std::int64_t{image.height} * image.width * image.channels;
    row = at / columns;
    column = at % columns;
    channel = static_cast<std::int32_t>(column % image.channels);
    y = static_cast<std::int32_t>(column / image.channels / image.width);
    x = static_cast<std::int32_t>(column / image.channels % image.width);
  }
};

struct ForwardArguments {
  ConvolutionForward op;
  convolution::Pass pass;
  ForwardEnding ending;
};

__global__ void __launch_bounds__(threads) forward_kernel(const __grid_constant__ ForwardArguments p) {
  device::wait_for_earlier_work();
  const std::int64_t at = std::int64_t{blockIdx.x} * threads + threadIdx.x, model = blockIdx.z;
  if (at >= p.op.y.rows * p.op.y.columns) return;
  const Place place(at, p.op.to);
  const bool has_bias = p.op.bias && !p.op.derivative_of;
  const float* const weight = p.op.weight.model(model).row(place.channel);
  const float sum = chain(p.pass, p.op.x.model(model).row(place.row), place.y, place.x,
                          has_bias ? p.op.bias.model(model).data[place.channel] : 0.0f,
                          [&](std::int64_t tap, std::int32_t c) { return weight[tap * p.op.from.channels + c]; });
  const float* const h = p.op.derivative_of ? p.op.derivative_of.model(model).row(place.row) + place.column : nullptr;
  finish_units<1>(p.ending, model, static_cast<std::uint64_t>(at), h, p.op.y.model(model).row(place.row) + place.column,
                  1, &sum);
}

struct BackwardArguments {
  ConvolutionBackward op;
  convolution::Pass pass;
};

__global__ void __launch_bounds__(threads) activation_kernel(const __grid_constant__ BackwardArguments p) {
  device::wait_for_earlier_work();
  const std::int64_t at = std::int64_t{blockIdx.x} * threads + threadIdx.x, model = blockIdx.z;
  if (at >= p.op.dy.rows * p.op.dy.columns) return;
  const std::int64_t row = at / p.op.dy.columns, column = at % p.op.dy.columns;
  float* const dy = p.op.dy.model(model).row(row) + column;
  *dy = device::activation_gradient(p.op.activation, p.op.slope, p.op.dropout_rate,
                                    p.op.y.model(model).row(row)[column], *dy);
}

__global__ void __launch_bounds__(threads) input_kernel(const __grid_constant__ BackwardArguments p) {
  device::wait_for_earlier_work();
  const std::int64_t at = std::int64_t{blockIdx.x} * threads + threadIdx.x, model = blockIdx.z;
  if (at >= p.op.dx.rows * p.op.dx.columns) return;
  const Place place(at, p.op.from);
  const MatrixView<const float> weight = p.op.weight.model(model);
  p.op.dx.model(model).row(place.row)[place.column] =
      chain(p.pass, p.op.dy.model(model).row(place.row), place.y, place.x, 0.0f,
            [&](std::int64_t tap, std::int32_t o) { return weight.row(o)[tap * p.op.from.channels + place.channel]; });
}

/// A thread per weight, and one per bias behind them.
__global__ void __launch_bounds__(threads) weight_kernel(const __grid_constant__ BackwardArguments p) {
  device::wait_for_earlier_work();
  const Window& window = p.op.window;
  const std::int64_t model = blockIdx.z, columns = p.op.weight.columns + 1;
  const std::int64_t at = std::int64_t{blockIdx.x} * threads + threadIdx.x, o = at / columns, k = at % columns;
  if (o >= p.op.to.channels) return;
  const bool is_bias = k == columns - 1;
  if (is_bias ? !p.op.dbias : !p.op.dweight) return;
  const ImageShape &smaller = window.transposed ? p.op.from : p.op.to,
                   &larger = window.transposed ? p.op.to : p.op.from;
  const std::int64_t chain_rows = convolution::rows_per_chain(p.op.dy.rows, convolution::pixels_of(smaller));
  const auto c = static_cast<std::int32_t>(k % p.op.from.channels);
  const auto ky = static_cast<std::int32_t>(k / p.op.from.channels / window.width),
             kx = static_cast<std::int32_t>(k / p.op.from.channels % window.width);
  float total = 0.0f;
  for (std::int64_t first = 0; first < p.op.dy.rows; first += chain_rows) {
    float sum = 0.0f;
    for (std::int64_t row = first; row < std::min(first + chain_rows, p.op.dy.rows); ++row) {
      const float* const dh = p.op.dy.model(model).row(row);
      if (is_bias) {
        for (std::int64_t i = 0; i < convolution::pixels_of(p.op.to); ++i) sum += dh[i * p.op.to.channels + o];
        continue;
      }
      const float* const x = p.op.x.model(model).row(row);
      for (std::int32_t y = 0; y < smaller.height; ++y) {
        const std::int32_t ly = y * window.stride - window.pad_top + ky;
        if (ly < 0 || ly >= larger.height) continue;
        for (std::int32_t q = 0; q < smaller.width; ++q) {
          const std::int32_t lx = q * window.stride - window.pad_left + kx;
          if (lx < 0 || lx >= larger.width) continue;
          const std::int64_t small = std::int64_t{y} * smaller.width + q, large = std::int64_t{ly} * larger.width + lx;
          sum = multiply_add(dh[(window.transposed ? large : small) * p.op.to.channels + o],
                             x[(window.transposed ? small : large) * p.op.from.channels + c], sum);
        }
      }
    }
    total = first == 0 ? sum : total + sum;
  }
  float* const to = is_bias ? p.op.dbias.model(model).data + o : p.op.dweight.model(model).row(o) + k;
  const float scaled = total * p.op.scale;
  *to = p.op.accumulate ? *to + scaled : scaled;
}

template <class Kernel, class Arguments>
void launch(Context& context, const char* name, Kernel kernel, const Arguments& p, std::int64_t work,
            std::int64_t models) {
  if (work == 0 || models == 0) return;
  device::launch(context.stream(), name,
                 {.grid = dim3(device::blocks_for(work, threads), 1, static_cast<unsigned>(models)),
                  .block = dim3(threads),
                  .waits = true},
                 kernel, p);
}

void forward(Context& context, const ConvolutionForward& args) {
  const ForwardArguments p = {args, convolution::forward_pass(args.from, args.to, args.window), forward_ending(args)};
  launch(context, "convolution_forward", forward_kernel, p, args.y.rows * args.y.columns, args.y.models);
}

void backward(Context& context, const ConvolutionBackward& args) {
  const BackwardArguments p = {args, convolution::backward_pass(args.from, args.to, args.window)};
  const std::int64_t models = args.dy.models;
  if (args.activation != Activation::identity || args.dropout_rate > 0.0f) {
    launch(context, "convolution_backward (activation)", activation_kernel, p, args.dy.rows * args.dy.columns, models);
  }
  if (args.dx) {
    launch(context, "convolution_backward (input)", input_kernel, p, args.dx.rows * args.dx.columns, models);
  }
  if (args.dweight || args.dbias) {
    launch(context, "convolution_backward (weights)", weight_kernel, p, args.to.channels * (args.weight.columns + 1),
           models);
  }
}

template <class Args>
std::size_t no_workspace(const Context&, const Args&) {
  return 0;
}

}  // namespace

OpEntry<ConvolutionForward> convolution_forward_entry() { return {forward, no_workspace<ConvolutionForward>}; }
OpEntry<ConvolutionBackward> convolution_backward_entry() { return {backward, no_workspace<ConvolutionBackward>}; }

}  // namespace cugad::cuda
