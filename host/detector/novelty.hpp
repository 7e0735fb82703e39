#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cugad/tensor.hpp"
#include "host/backend/arena.hpp"
#include "host/detector/folds.hpp"
#include "kernels/score/cell_state.hpp"

namespace cugad {

/// What is surprising about a row beside its values: cells without a value where training rows had one, categories that
/// they did not have, and other values of columns in which they had but one. Reads rows in the caller's units and
/// order.
///
/// An event that training rows lead to expect with probability p (Good and Turing: the share of values that occur once
/// estimates the share of new ones) counts log(0.05 / p), or nothing if p is larger. Where such events are common
/// among new normal rows, as in images of which many pixels are nearly always 0, they count less.
class Novelty {
 public:
  /// A column, or the adjacent 0/1 columns "name=value" of one category.
  struct Source {
    std::int32_t first = 0, columns = 1;
    SourceKind kind = SourceKind::number;
    float constant = 0;             ///< of a single_number
    float missing = 0, unseen = 0;  ///< what the score rises by
    CellState state(const float* row) const { return cell_state(row, first, columns, kind, constant); }
  };
  /// The residual of a missing and of an unseen cell of each source, in the units of one method.
  struct Expected {
    std::vector<float> missing, unseen;
  };

  /// Learns from the training rows on the host. `calibration`: positions of the rows whose surprise is returned, as
  /// models see it that know the other folds only; in nats, until scale_by().
  std::vector<float> fit(MatrixView<const float> rows, const std::vector<std::string>& names,
                         std::int64_t numeric_columns, const Folds& folds,
                         const std::vector<std::int64_t>& calibration);
  /// Turns nats into units of the score.
  void scale_by(double unit);
  /// Learns the residual of absent cells in a method's units, from the share of each of the caller's columns in it.
  /// `new_value`: of a category's value that has no column.
  void add_method(const std::vector<double>& column_residual, double new_value);

  /// Whether there is anything to look at.
  explicit operator bool() const { return !sources_.empty(); }
  /// One of each column, then one of each category: their number follows from the columns' names alone.
  const std::vector<Source>& sources() const { return sources_; }
  const std::vector<Expected>& expected() const { return expected_; }
  /// Columns whose value never changed in the training rows.
  std::vector<std::int64_t> constant_columns() const;

  /// The tables of the op cell_surprise, one model per method. Waits.
  struct Tables {
    StackView<const std::int32_t> source;
    StackView<const float> constant, weight, expected;
  };
  Tables upload(Context& context, Arena& arena) const;

  Novelty() = default;
  Novelty(std::vector<Source> sources, std::vector<Expected> expected)
      : sources_(std::move(sources)), expected_(std::move(expected)) {}

 private:
  std::vector<Source> sources_;
  std::vector<bool> in_category_;  ///< of each column; while fitting
  std::vector<Expected> expected_;
};

}  // namespace cugad
