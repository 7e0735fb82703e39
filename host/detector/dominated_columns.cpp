#include "host/detector/dominated_columns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/text/cell.hpp"

namespace cugad {
namespace {

constexpr double dominating = 10.0;  ///< times the spread of the others
constexpr std::size_t most_notes = 10, longest_name = 100;

/// The spread of values but that at `left_out` (-1: of all): their standard deviation or their range. NaN is left out.
double spread_of(const std::vector<double>& values, std::int64_t left_out, Scale scale) {
  double sum = 0, squares = 0, count = 0;
  double lowest = std::numeric_limits<double>::infinity(), highest = -lowest;
  const auto for_each = [&](const auto& visit) {
    for (std::size_t r = 0; r < values.size(); ++r) {
      if (static_cast<std::int64_t>(r) != left_out && !std::isnan(values[r])) visit(values[r]);
    }
  };
  for_each([&](double value) {
    sum += value;
    ++count;
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  });
  if (!(highest > lowest)) return 0;
  if (scale == Scale::minmax) return highest - lowest;
  for_each([&](double value) { squares += (value - sum / count) * (value - sum / count); });
  return std::sqrt(squares / count);
}

}  // namespace

std::vector<std::string> dominated_columns(MatrixView<const float> rows, const std::vector<std::int64_t>& positions,
                                           const FeatureTransform& transform, const DetectorOptions& options,
                                           const std::vector<std::string>& names, std::int64_t numeric_columns) {
  std::vector<std::string> notes;
  if (options.scale != Scale::standard && options.scale != Scale::minmax) return notes;
  std::vector<double> values(static_cast<std::size_t>(rows.rows));
  for (std::int64_t c = 0; c < numeric_columns && notes.size() < most_notes; ++c) {
    std::int64_t farthest = -1;
    double distance = 0, sum = 0, count = 0;
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      const double cell = rows.row(r)[c];
      values[r] = transform.log1p[c] != 0 ? std::copysign(std::log1p(std::abs(cell)), cell) : cell;
      if (std::isnan(cell)) continue;
      sum += values[r];
      ++count;
    }
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      if (!(std::abs(values[r] - sum / count) > distance)) continue;
      distance = std::abs(values[r] - sum / count);
      farthest = r;
    }
    if (farthest < 0) continue;
    const double others = spread_of(values, farthest, options.scale);
    const double times = others > 0 ? spread_of(values, -1, options.scale) / others : 0;
    if (!(times > dominating)) continue;
    notes.push_back(fmt::format(
        "column '{}' has the value {:.6g} in training row {}, which makes its scale {:.2g} times that of the other "
        "rows: their differences hardly count; leave that row out, as a share of trim does, or set scale = robust",
        one_line(names[c], longest_name), rows.row(farthest)[c], positions[farthest], times));
  }
  return notes;
}

}  // namespace cugad
