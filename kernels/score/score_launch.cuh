#pragma once

#include "kernels/device/limits.hpp"
#include "kernels/latent_search/place_layers.hpp"
#include "kernels/score/score_search.hpp"
#include "kernels/score/score_tile.cuh"

/// The host's side of the score in registers: served arguments, tiles, scratch memory, launches.
namespace cugad::cuda {

template <class N>
bool score_networks_fit(const ReconstructionScore& args) {
  const NetworkView &encoder = args.encoder, &generator = args.generator;
  if (args.x.rows > 1 << 30 || args.x.rows * args.x.models / score_warp_rows > 1 << 30) return false;
  if (!layers_fit(encoder, encoder.layers, {N::columns, N::e1, N::e2, N::latent})) return false;
  if (!layers_fit(generator, generator.layers, {N::latent, N::g1, N::g2, N::columns})) return false;
  if (generator.layer[generator.layers - 1].activation != Activation::identity) return false;
  return args.discrimination_kind == Discrimination::none ||
         layers_fit(args.discriminator, args.discriminator.layers - 1, {N::columns, N::d1, N::d2, N::d3});
}

/// How rows are cut into tiles, and the scratch memory.
template <class N, class Element = Bfloat16Element>
struct ScorePlan {
  int warps = 1, blocks = 0, tiles_per_model = 0, tiles = 0;
  std::size_t panel_bytes = 0, lane_bytes = 0;

  /// With few rows, fewer warps per block: a row's result does not depend on it, and more multiprocessors work.
  ScorePlan(const DeviceLimits& limits, const ReconstructionScore& args) {
    const std::int64_t groups = (args.x.rows + score_warp_rows - 1) / score_warp_rows, models = args.x.models;
    while (warps < score_threads / device::warp_lanes && (groups + warps - 1) / warps * models > limits.multiprocessors)
      warps *= 2;
    tiles_per_model = static_cast<int>((groups + warps - 1) / warps);
    tiles = static_cast<int>(tiles_per_model * models);
    blocks = std::min(tiles, limits.multiprocessors);
    panel_bytes = sizeof(typename Element::Word) * N::panel_words * score_panels<N> * static_cast<std::size_t>(models);
    lane_bytes = sizeof(float4) * ScoreTile<Element, N>::quads * static_cast<std::size_t>(warps * blocks);
  }
  std::size_t bytes() const { return panel_bytes + lane_bytes; }
};

template <class Element, class N>
void run_resident_score(Context& context, const ReconstructionScore& args) {
  const ScorePlan<N, Element> plan(device_limits(context), args);
  if (plan.tiles == 0) return;
  ScoreArguments score;
  place_layers(args.encoder, args.encoder.layers, 3, score.layer + encoder_layers);
  place_layers(args.generator, args.generator.layers, 3, score.layer + generator_layers);
  const bool judges = args.discrimination_kind != Discrimination::none;
  score.cross_entropy = args.discrimination_kind == Discrimination::cross_entropy;
  score.features = judges && !score.cross_entropy;
  if (judges) {
    const int hidden = args.discriminator.layers - 1;
    place_layers(args.discriminator, hidden, 3, score.layer + discriminator_layers);
    if (score.cross_entropy) {
      const LayerView& logit = args.discriminator.layer[hidden];
      score.logit = {logit.weight, logit.bias, logit.model_stride, logit.in, logit.out};
    }
  }
  score.x = args.x;
  score.loss = args.loss;
  score.residual = args.residual;
  score.discrimination = args.discrimination;
  score.latent = args.latent;
  score.feature_residual = args.feature_residual;
  score.reconstruction = args.reconstruction;
  auto* memory = static_cast<unsigned char*>(context.scratch(plan.bytes()));
  score.panels = memory;
  score.lane_memory = reinterpret_cast<float4*>(memory + plan.panel_bytes);
  score.tiles_per_model = plan.tiles_per_model;
  score.tiles = plan.tiles;
  score.residual_distance = args.residual_distance;
  if (score.features) score.feature_distance = feature_metric(args.discrimination_kind);
  score.lambda = args.lambda;

  const auto panels = static_cast<unsigned>(judges ? score_panels<N> : score_features_panel);
  device::launch(context.stream(), "score_panels",
                 {.grid = dim3(panels, 1, device::model_blocks(args.x.models)), .block = dim3(score_threads)},
                 score_panels_kernel<Element, N>, score);
  device::launch(context.stream(), "resident_score",
                 {.grid = dim3(static_cast<unsigned>(plan.blocks)),
                  .block = dim3(static_cast<unsigned>(plan.warps * device::warp_lanes)),
                  .shared_bytes = ScoreShared<Element, N>::bytes()},
                 resident_score_kernel<Element, N>, score);
}

}  // namespace cugad::cuda
