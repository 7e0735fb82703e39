#include "host/detector/cell_calibration.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "host/detector/model_reader.hpp"

namespace cugad {
namespace {

constexpr const char* residuals_name = "cell_residuals";
constexpr const char* ranges_name = "cell_ranges";
constexpr int mean_points = 40;  ///< quantiles that a mean is taken over

/// The conformal quantile of ascending values: the p (n + 1)-th, linear between two, within the smallest and the
/// largest.
double quantile_of(const std::vector<float>& values, double probability) {
  const auto count = static_cast<double>(values.size());
  const double place = std::clamp(probability * (count + 1.0) - 1.0, 0.0, count - 1.0);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return std::lerp(double{values[below]}, double{values[above]}, place - static_cast<double>(below));
}

}  // namespace

CellCalibration::CellCalibration(const std::vector<std::vector<float>>& residuals,
                                 const std::vector<std::int64_t>& order, Matrix range)
    : residual_(range.rows, quantiles), range_(std::move(range)) {
  for (std::size_t c = 0; c < residuals.size(); ++c) {
    for (int k = 0; k < quantiles && !residuals[c].empty(); ++k) {
      residual_.row(order[c])[k] =
          static_cast<float>(quantile_of(residuals[c], static_cast<double>(k) / (quantiles - 1)));
    }
  }
}

float CellCalibration::transformed_quantile(const Cell& cell, double probability) const {
  const double place = probability * (quantiles - 1);
  const int below = std::min(static_cast<int>(place), quantiles - 2);
  const float* row = residual_.row(cell.column);
  const double residual = std::lerp(double{row[below]}, double{row[below + 1]}, place - below);
  return static_cast<float>(double{cell.mean} + double{cell.deviation} * residual);
}

float CellCalibration::value(const FeatureTransform& transform, std::int64_t column, double transformed) const {
  const auto value = static_cast<float>(transform.inverse(column, transformed));
  return std::clamp(value, range_.row(column)[0], range_.row(column)[1]);
}

CellCalibration::Band CellCalibration::band(const FeatureTransform& transform, const Cell& cell,
                                            double coverage) const {
  const auto end = [&](double probability) {
    const auto value =
        static_cast<float>(transform.inverse(cell.column, double{transformed_quantile(cell, probability)}));
    return std::clamp(value, std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max());
  };
  const float low = end(0.5 - 0.5 * coverage), high = end(0.5 + 0.5 * coverage);
  const auto [least, most] = range(cell.column);
  if (low > most) return {most, high, true};
  if (high < least) return {low, least, true};
  return {std::max(low, least), std::min(high, most)};
}

float CellCalibration::mean(const FeatureTransform& transform, const Cell& cell) const {
  if (transform.log1p[cell.column] == 0) return value(transform, cell.column, double{cell.mean});
  double sum = 0.0;
  for (int i = 0; i < mean_points; ++i) sum += double{quantile(transform, cell, (i + 0.5) / mean_points)};
  return static_cast<float>(sum / mean_points);
}

void CellCalibration::add_to(safetensors::File& file) const {
  if (!*this) return;
  file.tensors[residuals_name] = {.shape = {residual_.rows, residual_.columns}, .f32 = residual_.data, .f64 = {}};
  file.tensors[ranges_name] = {.shape = {range_.rows, range_.columns}, .f32 = range_.data, .f64 = {}};
}

CellCalibration CellCalibration::read(const Reader& reader, std::int64_t columns) {
  CellCalibration calibration;
  if (!reader.has_tensor(residuals_name)) return calibration;
  const auto rows_of = [&](const char* name, std::int64_t width, Matrix& matrix) {
    reader.check_shape(name, {columns, width});
    matrix = Matrix(columns, width);
    matrix.data = reader.tensor(name).f32;
    for (std::int64_t c = 0; c < columns; ++c) {
      if (!std::is_sorted(matrix.row(c), matrix.row(c) + width)) {
        reader.refuse("tensor '" + std::string(name) + "' does not ascend");
      }
    }
  };
  rows_of(residuals_name, quantiles, calibration.residual_);
  rows_of(ranges_name, 2, calibration.range_);
  return calibration;
}

}  // namespace cugad
