#pragma once

#include "kernels/batch_norm/normalise.hpp"

/// The formulas of layer normalisation for one row, written once for all backends; normalise_member() of
/// kernels/batch_norm/normalise.hpp gives h^.
namespace cugad {

/// Sums over a row have one shape everywhere: column c belongs to partial sum c % column_partials; a tree adds the
/// partials.
constexpr int column_partials = 128;

struct RowStatistics {
  float mean, inverse_deviation;
  float tangent_mean, tangent_product;  ///< means of the tangent, and of h^ times the tangent
};

/// The derivative of h^ in the direction whose element here is t.
CUGAD_INLINE float normalised_tangent(const RowStatistics& row, float normal, float t) {
  return row.inverse_deviation * multiply_add(-normal, row.tangent_product, t - row.tangent_mean);
}

/// Sums over a row, in double: of u and u h^, of w, w h^ and w (t - mean of t), as in LayerNormBackward.
struct RowSums {
  double gradient, product, signal, signal_product, covariance;
};

/// What the gradient of a row's elements needs of its sums.
struct RowGradient {
  RowStatistics row;
  float mean_gradient, mean_product;          ///< of u and u h^
  float signal_mean, signal_product, normal;  ///< means of w and w h^; the factor of h^
};

CUGAD_INLINE RowGradient row_gradient(const RowStatistics& row, const RowSums& sums, std::int64_t columns) {
  const auto count = static_cast<double>(columns);
  const double a = sums.signal_product / count, b = static_cast<double>(row.tangent_product);
  return {row,
          static_cast<float>(sums.gradient / count),
          static_cast<float>(sums.product / count),
          static_cast<float>(sums.signal / count),
          static_cast<float>(a),
          static_cast<float>(sums.covariance / count - 3.0 * a * b)};
}

CUGAD_INLINE float input_gradient(const RowGradient& of, float normal, float u) {
  return of.row.inverse_deviation * multiply_add(-normal, of.mean_product, u - of.mean_gradient);
}

/// What the second derivative adds to it, for a tangent t and a signal w.
CUGAD_INLINE float curvature(const RowGradient& of, float normal, float t, float w) {
  const float factor = of.row.inverse_deviation * of.row.inverse_deviation;
  const float along_signal = multiply_add(of.row.tangent_product, w - of.signal_mean, normal * of.normal);
  return -factor * multiply_add(of.signal_product, t - of.row.tangent_mean, along_signal);
}

/// dscale or dshift from its sum.
CUGAD_INLINE float parameter_gradient(float before, double sum, float weight, bool accumulate) {
  const double weighted = static_cast<double>(weight) * sum;
  return static_cast<float>(accumulate ? static_cast<double>(before) + weighted : weighted);
}

}  // namespace cugad
