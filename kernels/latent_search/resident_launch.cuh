#pragma once

#include <algorithm>

#include "kernels/device/limits.hpp"
#include "kernels/latent_search/place_layers.hpp"
#include "kernels/latent_search/resident_kernel.cuh"
#include "kernels/latent_search/search_terms.hpp"

/// The host's side of the resident search: padding of networks, tiles, scratch memory, launches.
namespace cugad::cuda {

/// Adam's factors of every step with the CPU's operations: a power is a chain of products in double.
struct ResidentScheduleArguments {
  StepSchedule learning_rate;
  double beta1 = 0, beta2 = 0;
  int steps = 0;
  float2* schedule = nullptr;
};

static __global__ void resident_schedule_kernel(const __grid_constant__ ResidentScheduleArguments args) {
  const int step = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (step >= args.steps) return;
  double power1 = args.beta1, power2 = args.beta2;
  for (int i = 0; i < step; ++i) {
    power1 *= args.beta1;
    power2 *= args.beta2;
  }
  int piece = 0;
  while (piece + 1 < args.learning_rate.pieces && step >= args.learning_rate.until[piece]) ++piece;
  args.schedule[step] = {args.learning_rate.rate[piece] / static_cast<float>(1.0 - power1),
                         static_cast<float>(1.0 / sqrt(1.0 - power2))};
}

/// The outputs of each query's best restart: one warp per query.
struct ResidentSelection {
  StackView<const float> x;
  StackView<float> z, reconstruction;  ///< of all restarts
  const float* losses = nullptr;
  int restarts = 1;
  StackView<float> loss, residual, discrimination, best_z, feature_residual, best_reconstruction;
};

static __global__ void resident_selection_kernel(const __grid_constant__ ResidentSelection args) {
  const int lane = static_cast<int>(threadIdx.x) % device::warp_lanes;
  const std::int64_t warps = blockDim.x / device::warp_lanes;
  const std::int64_t item = blockIdx.x * warps + threadIdx.x / device::warp_lanes;
  if (item >= args.x.rows * args.z.models) return;
  const std::int64_t model = item / args.x.rows, query = item % args.x.rows, first = query * args.restarts;
  const float* losses = args.losses + (model * args.z.rows + first) * 3;
  int best = 0;
  for (int i = 1; i < args.restarts; ++i) {
    if (losses[3 * i] < losses[3 * best]) best = i;
  }
  if (lane == 0) {
    if (args.loss) args.loss.model(model).row(query)[0] = losses[3 * best];
    if (args.residual) args.residual.model(model).row(query)[0] = losses[3 * best + 1];
    if (args.discrimination) args.discrimination.model(model).row(query)[0] = losses[3 * best + 2];
  }
  if (args.best_z) {
    for (int c = lane; c < args.z.columns; c += device::warp_lanes)
      args.best_z.model(model).row(query)[c] = args.z.model(model).row(first + best)[c];
  }
  if (!args.reconstruction) return;
  for (int c = lane; c < args.x.columns; c += device::warp_lanes) {
    const float x = args.x.model(model).row(query)[c], g = args.reconstruction.model(model).row(first + best)[c];
    if (args.feature_residual) args.feature_residual.model(model).row(query)[c] = x != x ? 0.0f : fabsf(x - g);
    if (args.best_reconstruction && args.restarts > 1) args.best_reconstruction.model(model).row(query)[c] = g;
  }
}

template <class N>
bool resident_networks_fit(const LatentSearch& args) {
  const NetworkView& generator = args.generator;
  if (args.z.rows > 1 << 30 || args.z.rows * args.z.models / 16 > 1 << 30) return false;
  if (!layers_fit(generator, generator.layers, {N::latent, N::g1, N::g2, N::columns})) return false;
  if (generator.layer[generator.layers - 1].activation != Activation::identity) return false;
  if (args.fixed_columns > 0) return false;  // the tile's Adam would pay for the question in every search
  if (!uses_features(args) && !uses_logit(args)) return false;  // no discriminator: half of the kernel would be idle
  return layers_fit(args.discriminator, args.discriminator.layers - 1, {N::columns, N::d1, N::d2, N::d3});
}

/// The tiles of a search and its scratch memory.
template <class N, class Element = Bfloat16Element>
struct ResidentPlan {
  int warps = 1, blocks = 0, tiles_per_model = 0, tiles = 0;
  std::int64_t rows = 0;             ///< of z, of all models
  std::int64_t reconstructions = 0;  ///< floats of G(z) of every row of z
  std::int64_t models = 0, steps = 0;

  /// With few rows, fewer warps per block: a row's result does not depend on it, and more multiprocessors work.
  ResidentPlan(const DeviceLimits& limits, const LatentSearch& args, int fewest_warps = 1, int most_warps = 8)
      : warps(fewest_warps), rows(args.z.rows * args.z.models), models(args.z.models), steps(args.steps) {
    const std::int64_t groups = (args.z.rows + 15) / 16;
    while (warps < most_warps && (groups + warps - 1) / warps * args.z.models > limits.multiprocessors) warps *= 2;
    tiles_per_model = static_cast<int>((groups + warps - 1) / warps);
    tiles = static_cast<int>(tiles_per_model * args.z.models);
    blocks = std::min(tiles, limits.multiprocessors);
    if (args.feature_residual || (args.reconstruction && args.restarts > 1)) reconstructions = rows * args.x.columns;
  }
  std::size_t lane_memory_bytes() const { return sizeof(float4) * ResidentMemory<N>::quads * warps * blocks; }
  std::size_t panel_bytes() const {
    return N::streamed ? sizeof(typename Element::Word) * N::panel_words * resident_panels<N> * models : 0;
  }
  std::size_t schedule_bytes() const { return (sizeof(float2) * steps + 15) / 16 * 16; }
  std::size_t bytes() const {
    return lane_memory_bytes() + panel_bytes() + schedule_bytes() + sizeof(float) * (3 * rows + reconstructions);
  }
};

template <class Element, class N, int team = 1>
void run_resident_search(Context& context, const LatentSearch& args) {
  const ResidentPlan<N, Element> plan(device_limits(context), args, team == 1 && warps_meet<Element, N, team> ? 8 : 1,
                                      team > 1 ? 1 : 8);
  if (plan.tiles == 0) return;
  ResidentArguments search;
  place_layers(args.generator, args.generator.layers, 3, search.layer);
  const int hidden = args.discriminator.layers - 1;
  place_layers(args.discriminator, hidden, 3, search.layer + 3);
  if (uses_logit(args)) {
    const LayerView& logit = args.discriminator.layer[hidden];
    search.logit = {logit.weight, logit.bias, logit.model_stride, logit.in, logit.out};
  }
  auto* memory = static_cast<unsigned char*>(context.scratch(plan.bytes()));
  search.lane_memory = reinterpret_cast<float4*>(memory);
  memory += plan.lane_memory_bytes();
  search.panels = memory;
  memory += plan.panel_bytes();
  auto* schedule = reinterpret_cast<float2*>(memory);
  search.schedule = schedule;
  search.losses = reinterpret_cast<float*>(memory + plan.schedule_bytes());
  search.reconstruction = args.restarts == 1 ? args.reconstruction : StackView<float>();
  if (plan.reconstructions > 0 && !search.reconstruction) {
    search.reconstruction = {search.losses + 3 * plan.rows, args.z.models, args.z.rows, args.x.columns};
  }
  search.x = args.x;
  search.z = args.z;
  search.tiles_per_model = plan.tiles_per_model;
  search.tiles = plan.tiles;
  search.warps = plan.warps;
  search.restarts = args.restarts;
  search.steps = args.steps;
  search.beta1 = args.beta1;
  search.beta2 = args.beta2;
  search.epsilon = args.epsilon;
  search.residual_distance = args.residual_distance;
  search.feature_distance = feature_metric(args.discrimination_kind);
  search.features = uses_features(args);
  search.cross_entropy = args.discrimination_kind == Discrimination::cross_entropy;
  search.lambda = args.lambda;
  search.prior_weight = args.prior_weight;
  search.latent_weight = args.latent_weight;
  search.latent_clip = args.latent_clip;

  if (args.steps > 0) {
    const ResidentScheduleArguments table = {args.learning_rate, args.beta1, args.beta2, args.steps, schedule};
    device::launch(context.stream(), "resident_schedule",
                   {.grid = dim3(device::blocks_for(args.steps, 128)), .block = dim3(128)}, resident_schedule_kernel,
                   table);
  }
  if constexpr (N::streamed) {
    device::launch(
        context.stream(), "resident_panels",
        {.grid = dim3(resident_panels<N>, 1, device::model_blocks(args.z.models)), .block = dim3(resident_threads(1))},
        resident_panels_kernel<Element, N>, search);
  }
  const bool l1_only = args.residual_distance == Distance::l1 &&
                       args.discrimination_kind == Discrimination::feature_l1 && !uses_logit(args);
  const device::LaunchShape shape = {.grid = dim3(static_cast<unsigned>(plan.blocks)),
                                     .block = dim3(resident_threads(team)),
                                     .shared_bytes = ResidentShared<Element, N, team>::bytes()};
  if (l1_only) {
    device::launch(context.stream(), "resident_search", shape, resident_search_kernel<Element, N, false, team>, search);
  } else {
    device::launch(context.stream(), "resident_search", shape, resident_search_kernel<Element, N, true, team>, search);
  }
  if (!args.loss && !args.residual && !args.discrimination && !args.best_z && !search.reconstruction) return;
  const ResidentSelection selection = {args.x,
                                       args.z,
                                       search.reconstruction,
                                       search.losses,
                                       args.restarts,
                                       args.loss,
                                       args.residual,
                                       args.discrimination,
                                       args.best_z,
                                       args.feature_residual,
                                       args.reconstruction};
  device::launch(context.stream(), "resident_selection",
                 {.grid = dim3(device::blocks_for(args.x.rows * args.z.models, 8)), .block = dim3(256)},
                 resident_selection_kernel, selection);
}

}  // namespace cugad::cuda
