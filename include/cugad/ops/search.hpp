#pragma once

#include "cugad/ops/types.hpp"

/// Frozen networks: searches and scores through them, and distances of rows.
namespace cugad {

/// One dense layer of frozen weights inside a flat buffer: weight [out, in] without padding, bias [out].
struct LayerView {
  const float* weight = nullptr;
  const float* bias = nullptr;
  std::int64_t model_stride = 0;  ///< from one model's layer to the next model's, in elements
  std::int32_t in = 0, out = 0;
  Activation activation = Activation::identity;
  float slope = 0.0f;
};

/// A stack of dense layers, without dropout.
struct NetworkView {
  static constexpr int max_layers = 8;
  std::int32_t layers = 0;
  LayerView layer[max_layers];
};

enum class Discrimination : std::int32_t {
  none,
  cross_entropy,    ///< softplus(-D(G(z))), sigmoid cross-entropy with label 1
  feature_l1,       ///< sum |f(x) - f(G(z))|, f = output of D's last hidden layer (Schlegl 2017)
  feature_l2,       ///< its Euclidean norm
  feature_squared,  ///< its square
};

/// A step schedule: rate[i] holds while step < until[i] (steps count from 0); the last rate holds for the rest.
struct StepSchedule {
  static constexpr int max_pieces = 4;
  std::int32_t pieces = 1;
  float rate[max_pieces] = {0.01f};
  std::int32_t until[max_pieces] = {0};
  constexpr float at(std::int64_t step) const {
    int piece = 0;
    while (piece + 1 < pieces && step >= until[piece]) ++piece;
    return rate[piece];
  }
};

/// The latent search of AnoGAN (Schlegl 2017): per query x and restart, `steps` Adam updates of z on
///   loss(z) = (1 - lambda) residual(x, G(z)) + lambda discrimination(x, G(z))
///             - prior_weight softplus(D(G(z))) + latent_weight |z|^2
/// (third term: log(1 - D(G(z))), Yeh 2017), then clipping of z to [-latent_clip, latent_clip] when that is > 0.
/// The last fixed_columns columns of z are constants (the condition of a conditional generator): the generator reads
/// them, but they are neither updated nor clipped, and excluded from |z|^2.
///   x [rows, d] (NaN marks a missing cell: excluded from the residual, and filled from G(z) in the input of D; the
///   filled cells count as constants of the step), z [rows * restarts, latent]: start on entry, final z on return;
///   the restarts of query r are rows r * restarts + i.
///   Outputs, each optional, all for the restart with the smallest final loss (ties: the first): loss, residual,
///   discrimination [rows, 1] (parts unweighted); best_z [rows, latent]; feature_residual [rows, d]: |x - G(z)| per
///   column (missing cells: 0); reconstruction [rows, d]: G(z).
///   Losses are those after the last update. steps may be 0. The search is per-row: batch-invariant, any order.
///   Bound: see tests/ops/latent_search.cpp (Adam's early steps amplify rounding if a sign flips).
struct LatentSearch {
  NetworkView generator, discriminator;
  StackView<const float> x;
  StackView<float> z;
  std::int32_t restarts = 1;
  std::int32_t steps = 0;
  StepSchedule learning_rate;
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  Distance residual_distance = Distance::l1;
  Discrimination discrimination_kind = Discrimination::feature_l1;
  float lambda = 0.1f;
  float prior_weight = 0.0f;
  float latent_weight = 0.0f;
  float latent_clip = 0.0f;
  StackView<float> loss, residual, discrimination, best_z, feature_residual, reconstruction;
  std::int32_t fixed_columns = 0;  ///< of z, from 0 to latent
};

/// Scores through an encoder, for whole batches in one pass: z = E(x), then the losses of LatentSearch at this z,
///   loss = (1 - lambda) residual(x, G(z)) + lambda discrimination(x, G(z)).
///   x [rows, d]: a missing cell (NaN) enters the encoder as 0; then as in LatentSearch it is excluded from the
///   residual and filled from G(z) in the input of D. The discriminator is used unless discrimination_kind is none.
///   column_scale [1, d], optional: the residual takes |x - G(z)| * column_scale instead of |x - G(z)|. limit >
///   0: bounds the part of each cell in the residual, after scaling. feature_residual is neither scaled nor
///   limited. A scale of ones without a limit changes no bit.
///   Outputs, each optional: loss, residual, discrimination [rows, 1] (parts unweighted); latent [rows, latent]: z;
///   feature_residual [rows, d]: |x - G(z)| per column (missing cells: 0); reconstruction [rows, d]: G(z).
///   Order of sums: as in DenseForward and LatentSearch. Batch-invariant. Bound: six times the effect on the result of
///   an error of 4 eps of its terms in every sum, see tests/ops/reconstruction_score.cpp.
struct ReconstructionScore {
  NetworkView encoder, generator, discriminator;
  StackView<const float> x;
  Distance residual_distance = Distance::l1;
  Discrimination discrimination_kind = Discrimination::feature_l1;
  float lambda = 0.1f;
  StackView<float> loss, residual, discrimination, latent, feature_residual, reconstruction;
  StackView<const float> column_scale;
  float limit = 0.0f;  ///< 0: none
};

/// distance[r] = |a_r - b_r| under `metric`; NaN cells of a are left out.
///   a, b [rows, columns], distance [rows, 1]. column_scale [1, columns] per model (optional, at least 0): each |a - b|
///   is multiplied by it; limit > 0: then clamped to at most limit; then summed or squared. Order: 16 interleaved
///   partial sums, then a fixed tree. Bound: (columns + 4) eps * the sum of |terms| (l2: of the result);
///   with column_scale (columns + 8) eps.
struct RowDistance {
  StackView<const float> a, b;
  Distance metric = Distance::l1;
  StackView<float> distance;
  StackView<const float> column_scale;
  float limit = 0.0f;  ///< 0: none
};

/// The k nearest rows of a bank for every query, nearest first, ties by the smaller index; NaN cells of a query are
/// left out.
///   query [rows, columns], bank [bank rows, columns], distance [rows, k], index [rows, k] (optional).
///   1 <= k <= min(bank rows, max_neighbours). Order of a distance's sum: columns ascending. Bound: (columns + 4) eps
///   times the result for each distance; indices are exact with respect to the computed distances.
struct NearestRows {
  static constexpr int max_neighbours = 64;
  StackView<const float> query, bank;
  std::int32_t neighbours = 1;
  Distance metric = Distance::l2;
  StackView<float> distance;
  StackView<std::int32_t> index;
};

}  // namespace cugad
