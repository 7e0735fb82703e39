#pragma once

#include "cugad/ops/types.hpp"

/// Scores of rows, and how well they rank.
namespace cugad {

/// The surprise of a row's missing and unseen cells, and the residual expected of them.
/// Source s is `source` row s = {first column c, columns n, kind} of x, and its state in a row is
///   kind 0, a number (n = 1):             missing if x[c] is NaN, else usual;
///   kind 1, one number only (n = 1):      missing if x[c] is NaN, unseen if x[c] differs from constant[s], else usual;
///   kind 2, 0/1 columns of one category:  missing if one of x[c..c+n) is NaN, unseen if all are 0, else usual.
/// surprise[r] = sum over s of weight[s, 0] if missing, weight[s, 1] if unseen; NaN if every source is missing.
/// residual[r] = the same sum with `expected` instead of `weight`.
///   x [rows, columns]; source [sources, 3], constant [sources, 1], weight, expected [sources, 2]; surprise, residual
///   (optional) [rows, 1]. Sources in ascending order, in double, rounded once. Bound: eps |sum|.
struct CellSurprise {
  StackView<const float> x;
  StackView<const std::int32_t> source;
  StackView<const float> constant, weight, expected;
  StackView<float> surprise, residual;
};

/// The score of a population. Model m's residual and -logit are standardised, u = (value - median) / spread, and if
/// `compress` is set become sign(u) log1p(|u|);
///   score[r] = mean_m u_residual + discriminator_weight * max(mean_m u_discriminator, 0); NaN becomes +infinity.
///   residual, logit (optional: no second term) [rows, 1] per model; statistics [1, 4] per model: median and spread (>
///   0) of the residual, median and spread of -logit; score [rows, 1] of one model.
/// Cells that the residual excludes (optional): absent [rows, 1] of one model is the residual expected of them, added
/// as
///   residual + absent_weight absent or, if absent_squared, sqrt(residual^2 + absent_weight absent).
/// surprise [rows, 1] of one model (optional) is added to the score; if it is NaN, so is the score.
/// In double, models in ascending order, rounded once. Bound: 2 eps (|score| + |surprise|).
struct CombineScores {
  StackView<const float> residual, logit, statistics;
  bool compress = false;
  float discriminator_weight = 0.0f;
  StackView<float> score;
  StackView<const float> absent = {}, surprise = {};
  float absent_weight = 1.0f;
  bool absent_squared = false;
};

/// How well scores rank anomalies above normal rows, one pair of measures per row of scores:
///   out [rows, 2] = area under the ROC curve (ties count one half), average precision (tied scores enter together).
///   score [rows, n], n >= 1, no NaN, higher = more anomalous; label [rows, n], non-zero = anomaly. Counts are whole
///   numbers, so the area is rounded once; the terms of the average precision are summed in double in one fixed shape
///   (see kernels/ranking/ranking.cpp): bound (n + 4) 2^-53. The same bits on all backends. Without anomalies both are
///   NaN; without normal rows the area is.
struct RankingMetrics {
  StackView<const float> score;
  StackView<const std::uint8_t> label;
  StackView<double> out;
};

}  // namespace cugad
