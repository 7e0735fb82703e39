#include <algorithm>

#include "kernels/latent_search/layers_state.hpp"
#include "kernels/latent_search/search_losses.cuh"

/// The small kernels of the layer-by-layer search: one thread per element, or half a warp per row.
namespace cugad::cuda {

struct AdamClock {
  device::AdamPowers powers;
  std::int64_t step;
  device::AdamStep now;
};
std::size_t adam_clock_bytes() { return sizeof(AdamClock); }

namespace {

constexpr int block_threads = 256;
constexpr int block_rows = block_threads / 16;
constexpr std::int64_t most_blocks_z = 65535;

struct GradientArguments {
  LayersState state;
  LayersGradient kind;
  bool add;
  std::int64_t width;
  float* out;
};
struct UpdateArguments {
  LayersState state;
  const float* gradient;
};

/// The element of this thread in a stack [models, rows, width]: its place in a dense buffer, its row and column.
struct Place {
  std::int64_t index, row, column;
  bool there;
};
__device__ Place place_of(const LayersState& state, std::int64_t model, std::int64_t width) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  return {model * state.rows * width + i, i / width, i % width, i < state.rows * width};
}

__device__ const float* query_of(const LayersState& state, std::int64_t model, std::int64_t row) {
  const StackView<const float>& x = state.search.x;
  return x.data + model * x.model_stride + (state.begin + row) / state.search.restarts * x.row_stride;
}
__device__ float* row_of(const LayersState& state, const StackView<float>& view, std::int64_t model, std::int64_t row) {
  return view.data + model * view.model_stride + (state.begin + row) * view.row_stride;
}
__device__ float residual_of(const LayersState& state, std::int64_t i) {
  const std::int64_t d = state.search.x.columns;
  return device::half_warp_distance(state.search.residual_distance, state.x + i * d, state.generated + i * d,
                                    static_cast<int>(d));
}
__device__ float feature_distance_of(const LayersState& state, std::int64_t i) {
  return device::half_warp_distance(feature_metric(state.search.discrimination_kind), state.wanted + i * state.features,
                                    state.judged + i * state.features, static_cast<int>(state.features));
}

__global__ void __launch_bounds__(block_threads) load_kernel(const __grid_constant__ LayersState state) {
  if (blockIdx.x == 0 && blockIdx.z == 0 && threadIdx.x == 0) *state.clock = AdamClock{};
  for (std::int64_t model = blockIdx.z; model < state.models; model += gridDim.z) {
    const Place cell = place_of(state, model, state.search.x.columns);
    if (cell.there) {
      const float value = query_of(state, model, cell.row)[cell.column];
      state.x[cell.index] = value == value ? value : 0.0f;
    }
    const Place coordinate = place_of(state, model, state.search.z.columns);
    if (coordinate.there) state.first_moment[coordinate.index] = state.second_moment[coordinate.index] = 0.0f;
  }
}

__global__ void __launch_bounds__(block_threads) fill_kernel(const __grid_constant__ LayersState state) {
  for (std::int64_t model = blockIdx.z; model < state.models; model += gridDim.z) {
    const Place cell = place_of(state, model, state.search.x.columns);
    if (!cell.there) continue;
    const float value = query_of(state, model, cell.row)[cell.column];
    if (value != value) state.x[cell.index] = state.generated[cell.index];
  }
}

__global__ void __launch_bounds__(block_threads) begin_step_kernel(const __grid_constant__ LayersState state) {
  const LatentSearch& search = state.search;
  if (blockIdx.x == 0 && blockIdx.z == 0 && threadIdx.x == 0) {
    AdamClock clock = *state.clock;
    clock.now = device::next_adam_step(search, clock.step, clock.powers);
    ++clock.step;
    *state.clock = clock;
  }
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * block_rows + threadIdx.x / 16;
  const bool there = row < state.rows;
  for (std::int64_t model = blockIdx.z; model < state.models; model += gridDim.z) {
    const std::int64_t i = model * state.rows + (there ? row : 0);
    const float residual = residual_of(state, i);
    const float discrimination = state.features > 0 ? feature_distance_of(state, i) : 0.0f;
    if (!there || threadIdx.x % 16 != 0) continue;
    state.row_scale[2 * i] = residual > 0.0f ? (1.0f - search.lambda) / residual : 0.0f;
    state.row_scale[2 * i + 1] = discrimination > 0.0f ? search.lambda / discrimination : 0.0f;
  }
}

__device__ float gradient_of(const LayersState& state, LayersGradient kind, std::int64_t index, std::int64_t row) {
  const LatentSearch& search = state.search;
  if (kind == LayersGradient::logit) return device::logit_gradient(search, state.logit[index]);
  if (kind == LayersGradient::residual) {
    // A missing cell holds G(z) itself, and has no gradient.
    return device::distance_gradient(search.residual_distance, state.generated[index] - state.x[index],
                                     1.0f - search.lambda, state.row_scale[2 * row]);
  }
  return device::distance_gradient(feature_metric(search.discrimination_kind),
                                   state.judged[index] - state.wanted[index], search.lambda,
                                   state.row_scale[2 * row + 1]);
}

__global__ void __launch_bounds__(block_threads) gradient_kernel(const __grid_constant__ GradientArguments args) {
  for (std::int64_t model = blockIdx.z; model < args.state.models; model += gridDim.z) {
    const Place at = place_of(args.state, model, args.width);
    if (!at.there) continue;
    const float gradient = gradient_of(args.state, args.kind, at.index, model * args.state.rows + at.row);
    args.out[at.index] = args.add ? args.out[at.index] + gradient : gradient;
  }
}

__global__ void __launch_bounds__(block_threads) update_kernel(const __grid_constant__ UpdateArguments args) {
  const LayersState& state = args.state;
  const LatentSearch& search = state.search;
  const device::AdamStep now = state.clock->now;
  for (std::int64_t model = blockIdx.z; model < state.models; model += gridDim.z) {
    const Place at = place_of(state, model, search.z.columns);
    if (!at.there || at.column >= free_columns(search)) continue;
    float& z = row_of(state, search.z, model, at.row)[at.column];
    float first = state.first_moment[at.index], second = state.second_moment[at.index];
    device::update_moments(search, args.gradient[at.index], z, first, second);
    state.first_moment[at.index] = first;
    state.second_moment[at.index] = second;
    z = device::stepped(search, now, z, first, second);
  }
}

__global__ void __launch_bounds__(block_threads) store_losses_kernel(const __grid_constant__ LayersState state) {
  const LatentSearch& search = state.search;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * block_rows + threadIdx.x / 16;
  const bool there = row < state.rows;
  for (std::int64_t model = blockIdx.z; model < state.models; model += gridDim.z) {
    const std::int64_t i = model * state.rows + (there ? row : 0);
    const float residual = residual_of(state, i);
    float discrimination = state.features > 0 ? feature_distance_of(state, i) : 0.0f;
    if (!there || threadIdx.x % 16 != 0) continue;
    const float logit = uses_logit(search) ? state.logit[i] : 0.0f;
    if (search.discrimination_kind == Discrimination::cross_entropy) discrimination = softplus(-logit);
    const float* z = row_of(state, search.z, model, row);
    float square = 0.0f;
    for (std::int64_t c = 0; c < free_columns(search); ++c) square = multiply_add(z[c], z[c], square);
    const float loss = device::total_loss(search, residual, discrimination, logit, square);
    if (state.row_losses != nullptr) {
      float* out = state.row_losses + (model * search.z.rows + state.begin + row) * 3;
      out[0] = loss;
      out[1] = residual;
      out[2] = discrimination;
      continue;
    }
    if (search.loss) *row_of(state, search.loss, model, row) = loss;
    if (search.residual) *row_of(state, search.residual, model, row) = residual;
    if (search.discrimination) *row_of(state, search.discrimination, model, row) = discrimination;
  }
}

__global__ void __launch_bounds__(block_threads) store_rows_kernel(const __grid_constant__ LayersState state) {
  const LatentSearch& search = state.search;
  for (std::int64_t model = blockIdx.z; model < state.models; model += gridDim.z) {
    const Place at = place_of(state, model, search.z.columns);
    if (at.there && search.best_z) {
      row_of(state, search.best_z, model, at.row)[at.column] = row_of(state, search.z, model, at.row)[at.column];
    }
    const Place cell = place_of(state, model, search.x.columns);
    if (!cell.there) continue;
    const float value = state.generated[cell.index];
    if (search.reconstruction) row_of(state, search.reconstruction, model, cell.row)[cell.column] = value;
    if (!search.feature_residual) continue;
    const float x = query_of(state, model, cell.row)[cell.column];
    row_of(state, search.feature_residual, model, cell.row)[cell.column] = x == x ? fabsf(x - value) : 0.0f;
  }
}

device::LaunchShape shape_of(const LayersState& state, unsigned blocks) {
  device::LaunchShape shape;
  shape.grid = dim3(blocks, 1, static_cast<unsigned>(std::min(state.models, most_blocks_z)));
  shape.block = dim3(block_threads);
  return shape;
}
/// A thread per element of rows of `width`.
device::LaunchShape by_element(const LayersState& state, std::int64_t width) {
  return shape_of(state, device::blocks_for(state.rows * width, block_threads));
}
device::LaunchShape by_row(const LayersState& state) {
  return shape_of(state, device::blocks_for(state.rows, block_rows));
}

}  // namespace

void load_layers(void* stream, const LayersState& state) {
  const std::int64_t width = std::max(state.search.x.columns, state.search.z.columns);
  device::launch(stream, "load_layers", by_element(state, width), load_kernel, state);
}

void fill_layers(void* stream, const LayersState& state) {
  device::launch(stream, "fill_layers", by_element(state, state.search.x.columns), fill_kernel, state);
}

void begin_layers_step(void* stream, const LayersState& state) {
  device::launch(stream, "begin_layers_step", by_row(state), begin_step_kernel, state);
}

void gradient_layers(void* stream, const LayersState& state, LayersGradient kind, bool add, float* out) {
  const std::int64_t width = kind == LayersGradient::logit     ? 1
                             : kind == LayersGradient::feature ? state.features
                                                               : state.search.x.columns;
  device::launch(stream, "gradient_layers", by_element(state, width), gradient_kernel,
                 GradientArguments{state, kind, add, width, out});
}

void update_layers(void* stream, const LayersState& state, const float* gradient) {
  device::launch(stream, "update_layers", by_element(state, state.search.z.columns), update_kernel,
                 UpdateArguments{state, gradient});
}

void store_layers(void* stream, const LayersState& state) {
  device::launch(stream, "store_layers", by_row(state), store_losses_kernel, state);
  if (state.row_losses != nullptr) return;
  const std::int64_t width = std::max(state.search.x.columns, state.search.z.columns);
  device::launch(stream, "store_layers", by_element(state, width), store_rows_kernel, state);
}

}  // namespace cugad::cuda
