#pragma once

#include <cstddef>
#include <string>

#include "cugad/export.h"
#include "cugad/ops/convolution.hpp"
#include "cugad/ops/images.hpp"
#include "cugad/ops/masks.hpp"
#include "cugad/ops/normalisation.hpp"
#include "cugad/ops/rows.hpp"
#include "cugad/ops/scores.hpp"
#include "cugad/ops/search.hpp"
#include "cugad/ops/training.hpp"
#include "cugad/ops/types.hpp"

/// The op contracts: the lowest level of the library, usable on raw pointers and a stream.
///
/// Every op has four entries: can_run(context, args), workspace(context, args), run(context, args), and path(context,
/// args), the implementation that the backend would choose, empty if it has only one. The arguments
/// are trivially copyable structs of views into the context's device memory. run() validates (Error{invalid_argument}
/// naming the op and the field), then works asynchronously on the context's stream, allocating nothing but scratch.
///
/// For all ops: float32, row-major; `models` of all views agree (model_stride 0 shares an input among models); outputs
/// may not overlap inputs or each other unless the contract allows it; outputs are overwritten unless it states
/// "accumulate"; results do not depend on the number of threads or models, a row's result does not depend on the other
/// rows ("batch-invariant") unless the op is a reduction over rows, and reductions have one fixed order.
/// Zero models, rows or columns are allowed and do nothing, unless the contract states otherwise.
/// eps = 2^-24. Bounds are per element, for finite inputs without overflow. Numbers below 2^-126 in magnitude count as
/// 0 in arithmetic, on the CPU on x86 only; copies and rankings keep them. The caller's floating-point mode is
/// restored.
namespace cugad {

class Context;  // cugad/device.hpp

/// The ops: function name, argument struct. The table of ops and backends is generated from this list.
#define CUGAD_OPS(X)                                   \
  X(dense_forward, DenseForward)                       \
  X(dense_backward, DenseBackward)                     \
  X(convolution_forward, ConvolutionForward)           \
  X(convolution_backward, ConvolutionBackward)         \
  X(join_channels, JoinChannels)                       \
  X(split_channels, SplitChannels)                     \
  X(augment_images, AugmentImages)                     \
  X(sigmoid_cross_entropy, SigmoidCrossEntropy)        \
  X(difference_loss, DifferenceLoss)                   \
  X(feature_matching, FeatureMatching)                 \
  X(linear_loss, LinearLoss)                           \
  X(gradient_penalty, GradientPenalty)                 \
  X(adam, Adam)                                        \
  X(historical_average, HistoricalAverage)             \
  X(advance_step, AdvanceStep)                         \
  X(latent_search, LatentSearch)                       \
  X(reconstruction_score, ReconstructionScore)         \
  X(row_distance, RowDistance)                         \
  X(nearest_rows, NearestRows)                         \
  X(gather_rows, GatherRows)                           \
  X(add_rows, AddRows)                                 \
  X(interpolate_rows, InterpolateRows)                 \
  X(sample_rows, SampleRows)                           \
  X(fill_normal, FillNormal)                           \
  X(fill_uniform, FillUniform)                         \
  X(reparameterise, Reparameterise)                    \
  X(column_statistics, ColumnStatistics)               \
  X(scale_columns, ScaleColumns)                       \
  X(quantile, Quantile)                                \
  X(coverage, Coverage)                                \
  X(fence_rows, FenceRows)                             \
  X(fill_missing, FillMissing)                         \
  X(content_index, ContentIndex)                       \
  X(cell_surprise, CellSurprise)                       \
  X(combine_scores, CombineScores)                     \
  X(ranking_metrics, RankingMetrics)                   \
  X(mask_columns, MaskColumns)                         \
  X(gaussian_imputation, GaussianImputation)           \
  X(gaussian_likelihood, GaussianLikelihood)           \
  X(cell_cross_entropy, CellCrossEntropy)              \
  X(column_ranks, ColumnRanks)                         \
  X(batch_norm, BatchNorm)                             \
  X(batch_norm_backward, BatchNormBackward)            \
  X(layer_norm, LayerNorm)                             \
  X(layer_norm_backward, LayerNormBackward)            \
  X(spectral_norm, SpectralNorm)                       \
  X(spectral_norm_backward, SpectralNormBackward)      \
  X(minibatch_discrimination, MinibatchDiscrimination) \
  X(minibatch_discrimination_backward, MinibatchDiscriminationBackward)

#define CUGAD_DECLARE(name, Args)                                            \
  CUGAD_API Verdict can_run(const Context& context, const Args& args);       \
  CUGAD_API std::size_t workspace(const Context& context, const Args& args); \
  CUGAD_API std::string path(const Context& context, const Args& args);      \
  CUGAD_API void run(Context& context, const Args& args);
CUGAD_OPS(CUGAD_DECLARE)
#undef CUGAD_DECLARE

}  // namespace cugad
