#pragma once

#include <vector>

#include "cugad/table.hpp"
#include "host/scores/anomaly_model.hpp"

namespace cugad {

/// A Gaussian for every cell: G's, averaged over the models as a mixture (its mean, and the root of its variance), in
/// transformed units and the networks' order [rows, columns that are judged]. In the columns of a category the mean is
/// the probability of the column's value, in [0, 1], also averaged, and the deviation that of a draw.
struct CellGaussians {
  Matrix mean, deviation;
};

/// The end of the columns that are one cell with column `first`, the first of them: first + 1 unless it is a category.
/// `group`: MethodNetworks::group.
std::int64_t end_of_cell(const std::vector<std::int32_t>& group, std::int64_t first);

/// What G of a method that judges cells (gain) makes of the hidden cells of rows, given their visible ones, all in one
/// pass. `rows`: on the host, transformed, in the networks' order (judged columns, then conditions); NaN = hidden, so
/// that each row hides cells of its own; cells that are not hidden have numbers without meaning. `generator`: the
/// weights of the models to ask, all or some of `networks.weights(Role::generator)`. Batch-invariant, the same bits for
/// any number of threads. Takes memory for a chunk of rows; waits.
CellGaussians predict_cells(ScoringNetworks& networks, StackView<const float> generator, MatrixView<const float> rows);

/// How far cells are from what the models make of them that were trained without their row: per judged column the
/// residuals (x - mean) / deviation of calibration rows whose cells are hidden at random (shares of .1 to .5), at least
/// some thousands of them where there are rows; none for the columns of categories. `rows` and `fold_begin` as
/// AnomalyModel::calibrate takes them; on the host. Ascending; empty for a column without any value.
std::vector<std::vector<float>> hidden_cell_residuals(AnomalyModel& model, MatrixView<const float> rows,
                                                      const std::vector<std::int64_t>& fold_begin);

}  // namespace cugad
