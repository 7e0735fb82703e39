#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/elementary.hpp"

/// The formulas of batch normalisation for one column, written once for all backends. With R reference rows, mean and
/// variance V of these, and d = x - mean, a row beyond them has by the contract's definition
///   x - mean_r = k d,  variance_r = k V + k / (R + 1) d^2,  k = R / (R + 1),
/// a form without the cancellation of "second moment - mean^2".
namespace cugad {

/// Sums over rows have one shape everywhere: row r belongs to partial sum r % row_partials; a tree adds the partials.
constexpr int row_partials = 16;

/// Rows that are normalised with statistics they belong to.
CUGAD_INLINE std::int64_t statistics_rows(std::int64_t rows, std::int32_t reference_rows) {
  return reference_rows > 0 ? reference_rows : rows;
}

struct NormalisedColumn {
  float mean, inverse_deviation;
  float share;       ///< k
  float spread;      ///< k / (R + 1)
  float smallest;    ///< variance_r + epsilon of a row at the mean
  float slope_part;  ///< share * smallest
};

CUGAD_INLINE NormalisedColumn normalised_column(float mean, float inverse_deviation, float epsilon,
                                                std::int32_t reference_rows) {
  const double count = static_cast<double>(reference_rows) + 1.0, share = static_cast<double>(reference_rows) / count;
  const double inverse = static_cast<double>(inverse_deviation);
  // k V + epsilon = k (V + epsilon) + epsilon / (R + 1)
  const double smallest = share / (inverse * inverse) + static_cast<double>(epsilon) / count;
  return {mean,
          inverse_deviation,
          static_cast<float>(share),
          static_cast<float>(share / count),
          static_cast<float>(smallest),
          static_cast<float>(share * smallest)};
}

/// h^ of a row that its statistics include.
CUGAD_INLINE float normalise_member(float mean, float inverse_deviation, float x) {
  return (x - mean) * inverse_deviation;
}

/// A row beyond the reference rows: h^ and the factors of its gradient.
struct VirtualRow {
  float value;
  float inverse_deviation;
};

CUGAD_INLINE VirtualRow normalise_virtual(const NormalisedColumn& column, float x) {
  const float difference = x - column.mean;
  const float variance = multiply_add(column.spread * difference, difference, column.smallest);
  const float inverse = 1.0f / square_root_exact(variance);
  return {column.share * difference * inverse, inverse};
}

/// d h^ / d x of such a row: k q (1 - k / (R + 1) d^2 q^2) with q its inverse deviation, and 1 - ... = smallest q^2.
CUGAD_INLINE float virtual_slope(const NormalisedColumn& column, const VirtualRow& row) {
  return column.slope_part * row.inverse_deviation * (row.inverse_deviation * row.inverse_deviation);
}

/// The contribution of a row beyond the reference rows to the sums in every reference row's gradient, per unit of dH,
/// with s = 1 / inverse_deviation: through the mean s dh^/dx, instead of dH; through the variance k s^2 h^ q^2, instead
/// of dH h^.
CUGAD_INLINE double through_mean(const NormalisedColumn& column, float slope) {
  return static_cast<double>(slope) / static_cast<double>(column.inverse_deviation);
}
CUGAD_INLINE double through_variance(const NormalisedColumn& column, const VirtualRow& row) {
  const double ratio = static_cast<double>(row.inverse_deviation) / static_cast<double>(column.inverse_deviation);
  return static_cast<double>(column.share) * static_cast<double>(row.value) * (ratio * ratio);
}

CUGAD_INLINE float inverse_deviation_of(double variance, float epsilon) {
  return static_cast<float>(1.0 / std::sqrt(variance + static_cast<double>(epsilon)));
}

CUGAD_INLINE float moving_statistic(float before, double now, float momentum) {
  const double keep = static_cast<double>(momentum);
  return static_cast<float>(keep * static_cast<double>(before) + (1.0 - keep) * now);
}

}  // namespace cugad
