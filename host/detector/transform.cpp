#include "host/detector/transform.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cugad/error.hpp"
#include "host/backend/arena.hpp"
#include "host/text/nearest_name.hpp"
#include "kernels/columns/scaled_cell.hpp"

namespace cugad {
namespace {

constexpr double heavy_tail = 2.0;  ///< skewness above which "auto" takes log1p
enum Statistic { count, mean, deviation, skewness, minimum, maximum, statistics };

std::vector<double> column_statistics(Context& context, MatrixView<const float> rows) {
  Arena arena(context.backend());
  const auto out = arena.stack<double>("column statistics", 1, statistics, rows.columns);
  run(context, ColumnStatistics{.x = shared_by(1, rows), .out = out});
  std::vector<double> values(statistics * rows.columns);
  context.backend().copy(values.data(), out.data, sizeof(double) * values.size(), context.stream());
  context.synchronize();
  return values;
}

std::vector<std::uint8_t> choose_log1p(const DetectorOptions& options, const std::vector<std::string>& names,
                                       std::int64_t numeric_columns, const std::vector<double>& found,
                                       const std::function<void(const std::string&)>& on_message) {
  const auto columns = static_cast<std::int64_t>(names.size());
  std::vector<std::uint8_t> chosen(columns, 0);
  const auto value = [&](Statistic s, std::int64_t c) { return found[s * columns + c]; };
  const std::string rule = options.log1p.size() == 1 ? options.log1p[0] : "";
  if (rule == "none") return chosen;
  if (rule == "auto" || rule == "numeric") {
    for (std::int64_t c = 0; c < numeric_columns; ++c) {
      const bool possible = value(minimum, c) >= 0.0;
      chosen[c] = possible && (rule == "numeric" || value(skewness, c) > heavy_tail);
      if (rule == "numeric" && !possible && on_message) {
        on_message("column '" + names[c] + "' has negative values: no log1p");
      }
    }
    return chosen;
  }
  for (const std::string& name : options.log1p) {
    const auto at = std::find(names.begin(), names.begin() + numeric_columns, name);
    if (at == names.begin() + numeric_columns) {
      const std::string nearest = nearest_name(name, names);
      throw Error(ErrorCode::invalid_argument, "log1p names the column '" + name + "', which is no numeric feature" +
                                                   (nearest.empty() ? "" : "; nearest: '" + nearest + "'"));
    }
    if (value(minimum, at - names.begin()) < 0.0) {
      throw Error(ErrorCode::invalid_argument, "log1p names the column '" + name + "', whose smallest value is " +
                                                   std::to_string(value(minimum, at - names.begin())) +
                                                   ", expected values of at least 0");
    }
    chosen[at - names.begin()] = 1;
  }
  return chosen;
}

struct Range {
  double lowest = std::numeric_limits<double>::infinity(), highest = -std::numeric_limits<double>::infinity();
};

Range range_of_all(const std::vector<double>& found, std::int64_t columns, std::int64_t numeric_columns) {
  Range all;
  for (std::int64_t c = 0; c < numeric_columns; ++c) {
    all.lowest = std::min(all.lowest, found[minimum * columns + c]);
    all.highest = std::max(all.highest, found[maximum * columns + c]);
  }
  return all;
}

/// Median and interquartile range of one column's values.
std::pair<double, double> median_and_range(Context& context, MatrixView<const float> rows, std::int64_t column) {
  Arena arena(context.backend());
  auto values = arena.stack("column", 1, 1, rows.rows);
  values.columns = 0;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    if (!std::isnan(rows.row(r)[column])) values.data[values.columns++] = rows.row(r)[column];
  }
  const auto out = arena.stack("quantiles", 1, 1, 3);
  run(context, Quantile{.values = values, .count = 3, .probability = {0.25, 0.5, 0.75}, .out = out});
  return {out.data[1], static_cast<double>(out.data[2]) - out.data[0]};
}

/// Tells of a column whose differences single precision has hidden before the rows came here.
void warn_of_precision(MatrixView<const float> rows, std::int64_t column, const std::string& name, double lowest,
                       double highest, const std::function<void(const std::string&)>& on_message) {
  constexpr double fewest_steps = 1000, largest_exact_integer = 1 << 24;
  const double size = std::max(std::abs(lowest), std::abs(highest));
  const double step = size * std::numeric_limits<float>::epsilon();
  if (!(highest > lowest) || highest - lowest >= fewest_steps * step) return;
  bool are_integers = size <= largest_exact_integer;
  for (std::int64_t r = 0; are_integers && r < rows.rows; ++r) {
    const float value = rows.row(r)[column];
    are_integers = std::isnan(value) || value == std::trunc(value);
  }
  if (are_integers) return;
  on_message(
      fmt::format("column '{}' goes from {} to {}, which single precision resolves in steps of {:.2g} only: subtract "
                  "an offset in double before",
                  name, lowest, highest, step));
}

/// "a, b, c and 4 more".
std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t shown = 10;
  std::string text;
  for (std::size_t n = 0; n < std::min(names.size(), shown); ++n) text += (n == 0 ? "" : ", ") + names[n];
  return names.size() > shown ? fmt::format("{} and {} more", text, names.size() - shown) : text;
}

}  // namespace

void FeatureTransform::fit(Context& context, MatrixView<const float> rows, const DetectorOptions& options,
                           const std::vector<std::string>& names, std::int64_t numeric_columns,
                           const std::function<void(const std::string&)>& on_message, MatrixView<float> scratch) {
  const std::int64_t columns = rows.columns;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      if (!std::isinf(rows.row(r)[c])) continue;
      throw Error(ErrorCode::invalid_argument, "training row " + std::to_string(r) + ", column '" + names[c] +
                                                   "' is infinite, expected a finite number or NaN (missing)");
    }
  }
  const std::vector<double> raw = column_statistics(context, rows);
  for (std::int64_t c = 0; c < columns; ++c) {
    if (raw[c] == 0.0) {
      throw Error(ErrorCode::invalid_argument, "column '" + names[c] + "' has no value in any training row");
    }
  }
  log1p = choose_log1p(options, names, numeric_columns, raw, on_message);
  shift.assign(columns, 0.0);
  scale.assign(columns, 1.0);
  std::vector<float> own;
  MatrixView<const float> view = rows;
  std::vector<double> found = raw;
  if (std::find(log1p.begin(), log1p.end(), 1) != log1p.end()) {
    if (scratch.data == nullptr) {
      own.resize(static_cast<std::size_t>(rows.rows * columns));
      scratch = {own.data(), rows.rows, columns};
    }
    apply(context, rows, scratch);
    view = scratch;
    found = column_statistics(context, view);
  }
  std::vector<std::string> constants;
  const Range all = range_of_all(found, columns, numeric_columns);
  for (std::int64_t c = 0; c < columns; ++c) {
    const auto value = [&](Statistic s) { return found[s * columns + c]; };
    const bool is_numeric = c < numeric_columns;
    const bool is_constant = !(value(maximum) > value(minimum));
    if (is_constant) constants.push_back(names[c]);
    double range = 1.0;
    switch (options.scale) {
      case Scale::none:
        shift[c] = options.center ? value(mean) : 0.0;
        break;
      case Scale::minmax:
        shift[c] = value(minimum);
        range = value(maximum) - value(minimum);
        break;
      case Scale::standard:
        shift[c] = value(mean);
        range = value(deviation);
        break;
      case Scale::range:
        shift[c] = is_numeric ? (all.lowest + all.highest) / 2.0 : value(mean);
        range = (all.highest - all.lowest) / 2.0;
        break;
      case Scale::robust: {
        if (!is_numeric) {
          shift[c] = value(mean);
          break;
        }
        const auto [median, interquartile] = median_and_range(context, view, c);
        shift[c] = median;
        // 1.349: the interquartile range of a unit normal. Half the values equal: fall back to the deviation.
        range = interquartile > 0.0 ? interquartile / 1.349 : value(deviation);
        break;
      }
    }
    const bool is_scaled = is_numeric && (!is_constant || options.scale == Scale::range);
    scale[c] = is_scaled && range > 0.0 && std::isfinite(1.0 / range) ? 1.0 / range : 1.0;
  }
  if (!on_message) return;
  for (std::int64_t c = 0; c < numeric_columns; ++c) {
    warn_of_precision(rows, c, names[c], raw[minimum * columns + c], raw[maximum * columns + c], on_message);
  }
  if (!constants.empty() && !options.image) {
    on_message(fmt::format("constant in the training rows, {} of {} features: {}", constants.size(), columns,
                           listed(constants)));
  }
}

FeatureTransform::Constants FeatureTransform::upload(Context& context, Arena& arena) const {
  const auto copy = [&]<class T>(const std::vector<T>& values, const char* name) {
    const StackView<T> view = arena.stack<T>(name, 1, 1, columns());
    context.backend().copy(view.data, values.data(), sizeof(T) * values.size(), context.stream());
    return view;
  };
  const Constants constants{copy(shift, "shift of each column"), copy(scale, "scale of each column"),
                            copy(log1p, "columns under log1p"), &runs};
  context.synchronize();
  return constants;
}

void FeatureTransform::apply(Context& context, const Constants& constants, MatrixView<const float> rows,
                             MatrixView<float> out) {
  const StackView<const float> x = shared_by(1, rows);
  const StackView<float> y(out.data, 1, out.rows, out.columns, out.rows * out.row_stride, out.row_stride);
  const auto scale_run = [&](const Run& part) {
    run(context, ScaleColumns{.x = x.slice_columns(part.from, part.count),
                              .shift = constants.shift.slice_columns(part.from, part.count),
                              .scale = constants.scale.slice_columns(part.from, part.count),
                              .log1p = constants.log1p.slice_columns(part.from, part.count),
                              .y = y.slice_columns(part.to, part.count)});
  };
  if (constants.runs->empty()) return scale_run({0, 0, x.columns});
  for (const Run& part : *constants.runs) scale_run(part);
}

void FeatureTransform::reorder(const std::vector<std::int64_t>& order) {
  runs.clear();
  for (std::size_t c = 0; c < order.size(); ++c) {
    if (c > 0 && order[c] == order[c - 1] + 1) {
      ++runs.back().count;
    } else {
      runs.push_back({order[c], static_cast<std::int64_t>(c), 1});
    }
  }
}

void FeatureTransform::apply(Context& context, MatrixView<const float> rows, MatrixView<float> out) const {
  const Constants constants{
      {shift.data(), 1, 1, columns()}, {scale.data(), 1, 1, columns()}, {log1p.data(), 1, 1, columns()}, &runs};
  apply(context, constants, rows, out);
}

float FeatureTransform::transformed(std::int64_t column, float value) const {
  const double x = log1p[column] != 0 ? std::copysign(std::log1p(std::abs(double{value})), value) : value;
  return scaled_cell((x - shift[column]) * scale[column]);
}

double FeatureTransform::inverse(std::int64_t column, double transformed) const {
  const double value = (scale[column] > 0.0 ? transformed / scale[column] : 0.0) + shift[column];
  return log1p[column] != 0 ? std::copysign(std::expm1(std::abs(value)), value) : value;
}

void FeatureTransform::invert(MatrixView<float> rows) const {
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < rows.columns; ++c) {
      rows.row(r)[c] = static_cast<float>(inverse(c, double{rows.row(r)[c]}));
    }
  }
}

}  // namespace cugad
