#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cugad/detector.hpp"
#include "host/backend/arena.hpp"

namespace cugad {

/// Per-column y = (f(x) - shift) * scale, f = log1p or identity, fitted on the training rows. NaN passes through.
struct FeatureTransform {
  std::vector<std::uint8_t> log1p;
  std::vector<double> shift, scale;
  /// Adjacent columns that stay adjacent: their first in the caller's rows and in transformed ones. None: all stay.
  struct Run {
    std::int64_t from, to, count;
  };
  std::vector<Run> runs;

  std::int64_t columns() const { return static_cast<std::int64_t>(shift.size()); }
  /// Learns from rows on the host, on a CPU context. Columns from `numeric_columns` on are 0/1: centred like the
  /// others, never scaled or logged. Throws Error{invalid_argument} for an unknown column in options.log1p, a column
  /// without any value, or an infinite cell. `scratch`: memory for as many rows, which is overwritten; if it is not
  /// given, it is taken.
  void fit(Context& context, MatrixView<const float> rows, const DetectorOptions& options,
           const std::vector<std::string>& names, std::int64_t numeric_columns,
           const std::function<void(const std::string&)>& on_message, MatrixView<float> scratch = {});
  /// Gives columns one transformed value, whatever theirs: their scale becomes 0.
  void freeze(const std::vector<std::int64_t>& columns) {
    for (const std::int64_t column : columns) scale[column] = 0.0;
  }
  /// Transformed rows get their columns in this order of the caller's columns; the fitted numbers keep the caller's.
  void reorder(const std::vector<std::int64_t>& order);
  /// The fitted numbers where a context's ops can read them.
  struct Constants {
    StackView<const double> shift, scale;
    StackView<const std::uint8_t> log1p;
    const std::vector<Run>* runs = nullptr;
  };
  /// Copies them into the arena's memory.
  Constants upload(Context& context, Arena& arena) const;
  static void apply(Context& context, const Constants& constants, MatrixView<const float> rows, MatrixView<float> out);
  /// The same for host memory, on a CPU context.
  void apply(Context& context, MatrixView<const float> rows, MatrixView<float> out) const;
  /// A value of a column on the host as networks see it.
  float transformed(std::int64_t column, float value) const;
  /// A column's value in the units of the training data.
  double inverse(std::int64_t column, double transformed) const;
  /// The same for rows on the host, in place; columns in the caller's order.
  void invert(MatrixView<float> rows) const;
};

}  // namespace cugad
