#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cugad/export.h"

/// Measures of a ranking by scores (higher = more anomalous) against labels (non-zero = anomaly). Ties are exact.
/// All throw Error{invalid_argument} if sizes differ, a score is NaN, or a required class is missing.
namespace cugad::metrics {

/// Area under the ROC curve: the probability that an anomaly scores above a normal row, ties counting one half.
CUGAD_API double auroc(std::span<const std::uint8_t> label, std::span<const float> score);

/// Average precision: sum over distinct thresholds of (R_n - R_(n-1)) P_n.
CUGAD_API double average_precision(std::span<const std::uint8_t> label, std::span<const float> score);

/// numpy.percentile with linear interpolation, in double; percent in [0, 100].
CUGAD_API double percentile(std::span<const float> values, double percent);

/// Counts and ratios of the decision "score >= threshold"; a ratio with an empty denominator is 0.
struct Decision {
  double threshold = 0;
  std::int64_t flagged = 0, true_positives = 0;
  double precision = 0, recall = 0, f1 = 0;
};
CUGAD_API Decision decide(std::span<const std::uint8_t> label, std::span<const float> score, double threshold);

/// decide() at the (100 - percent)-th percentile of the scores; ties at the threshold are all flagged.
CUGAD_API Decision decide_top_percent(std::span<const std::uint8_t> label, std::span<const float> score,
                                      double percent);

/// Numbers the regions of a mask whose lines have `width` pixels: anomalous (non-zero) pixels that touch, also at
/// corners, are one. region gets a number per pixel, 0 for normal ones, from `first` (at least 1) on. Returns the next
/// number.
CUGAD_API std::int32_t label_regions(std::span<const std::uint8_t> mask, std::int64_t width, std::int32_t first,
                                     std::span<std::int32_t> region);

/// Per-region overlap (PRO; Bergmann et al., "The MVTec Anomaly Detection Dataset", 2021): the share of each anomalous
/// region that a threshold finds, mean over the regions of all images, integrated over the share of the normal pixels
/// that it finds, from 0 to `limit`, and divided by limit. region: a number per pixel, 0 for normal ones. 1 is perfect;
/// chance gives limit / 2.
CUGAD_API double region_overlap(std::span<const std::int32_t> region, std::span<const float> score, double limit = 0.3);

}  // namespace cugad::metrics
