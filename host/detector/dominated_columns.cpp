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

/// The values of one column, under log1p where that is taken.
class ColumnValues {
 public:
  ColumnValues(MatrixView<const float> rows, std::int64_t column, bool is_logged)
      : rows_(rows), column_(column), is_logged_(is_logged) {}

  double value(std::int64_t row) const { return logged(rows_.row(row)[column_]); }
  double logged(double cell) const { return is_logged_ ? std::copysign(std::log1p(std::abs(cell)), cell) : cell; }
  /// Calls visit(row, value) for all that are present but that of a row (-1: none).
  template <class Visit>
  void for_each(std::int64_t left_out, const Visit& visit) const {
    for (std::int64_t r = 0; r < rows_.rows; ++r) {
      if (r != left_out && !std::isnan(rows_.row(r)[column_])) visit(r, value(r));
    }
  }

 private:
  MatrixView<const float> rows_;
  std::int64_t column_;
  bool is_logged_;
};

/// The spread of values but that of row `left_out` (-1: of all): their standard deviation or their range.
double spread_of(const ColumnValues& values, std::int64_t left_out, Scale scale) {
  double sum = 0, squares = 0, count = 0;
  double lowest = std::numeric_limits<double>::infinity(), highest = -lowest;
  values.for_each(left_out, [&](std::int64_t, double value) {
    sum += value;
    ++count;
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  });
  if (!(highest > lowest)) return 0;
  if (scale == Scale::minmax) return highest - lowest;
  values.for_each(left_out,
                  [&](std::int64_t, double value) { squares += (value - sum / count) * (value - sum / count); });
  return std::sqrt(squares / count);
}

/// Whether one value may be most of the standard deviation: a value at t deviations from the mean of n takes the share
/// t^2 / (n - 1) of the variance, and nearly all of it if it is to dominate. Saves reading most columns again.
bool may_be_dominated(const ColumnValues& values, double present, const float* range, double mean,
                      double per_deviation) {
  constexpr double enough = 0.9;
  const double distance = std::max(values.logged(range[1]) - mean, mean - values.logged(range[0])) * per_deviation;
  return distance * distance > enough * (present - 1);
}

}  // namespace

ColumnRanges column_ranges(MatrixView<const float> rows) {
  ColumnRanges found{std::vector<std::int64_t>(static_cast<std::size_t>(rows.columns)), Matrix(rows.columns, 2)};
  for (std::int64_t c = 0; c < rows.columns; ++c) {
    found.range.row(c)[0] = std::numeric_limits<float>::infinity();
    found.range.row(c)[1] = -std::numeric_limits<float>::infinity();
  }
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < rows.columns; ++c) {
      const float value = rows.row(r)[c];
      float* range = found.range.row(c);
      found.present[c] += std::isnan(value) ? 0 : 1;
      range[0] = std::fmin(range[0], value);
      range[1] = std::fmax(range[1], value);
    }
  }
  return found;
}

std::vector<std::string> dominated_columns(MatrixView<const float> rows, const ColumnRanges& ranges,
                                           const std::vector<std::int64_t>& positions,
                                           const FeatureTransform& transform, const DetectorOptions& options,
                                           const std::vector<std::string>& names, std::int64_t numeric_columns) {
  std::vector<std::string> notes;
  if (options.scale != Scale::standard && options.scale != Scale::minmax) return notes;
  for (std::int64_t c = 0; c < numeric_columns && notes.size() < most_notes; ++c) {
    const ColumnValues values(rows, c, transform.log1p[c] != 0);
    if (options.scale == Scale::standard &&
        !may_be_dominated(values, static_cast<double>(ranges.present[c]), ranges.range.row(c), transform.shift[c],
                          transform.scale[c])) {
      continue;
    }
    std::int64_t farthest = -1;
    double distance = 0, sum = 0, count = 0;
    values.for_each(-1, [&](std::int64_t, double value) {
      sum += value;
      ++count;
    });
    values.for_each(-1, [&](std::int64_t r, double value) {
      if (!(std::abs(value - sum / count) > distance)) return;
      distance = std::abs(value - sum / count);
      farthest = r;
    });
    if (farthest < 0) continue;
    const double others = spread_of(values, farthest, options.scale);
    const double times = others > 0 ? spread_of(values, -1, options.scale) / others : 0;
    if (!(times > dominating)) continue;
    notes.push_back(fmt::format(
        "column '{}' has the value {:.6g} in training row {}, which makes its scale {:.2g} times that of the other "
        "rows: their differences hardly count; leave that row out, as a share of trim does, or set scale = robust",
        one_line(names[c], longest_name), rows.row(farthest)[c],
        positions.empty() ? farthest : positions[static_cast<std::size_t>(farthest)], times));
  }
  return notes;
}

}  // namespace cugad
