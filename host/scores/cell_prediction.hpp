#pragma once

#include <vector>

#include "cugad/table.hpp"
#include "host/scores/anomaly_model.hpp"

namespace cugad {

/// A Gaussian per cell, the mixture of the models'. In a category's columns the mean is the probability of the value.
struct CellGaussians {
  Matrix mean, deviation;  ///< [rows, columns that are judged], in transformed units and the networks' order
};

/// What G of a method that judges cells (gain) makes of the hidden cells of rows, given their visible ones, all in one
/// pass. `rows`: on the host, transformed, in the networks' order (judged columns, then conditions); NaN = hidden, so
/// that each row hides cells of its own; cells that are not hidden have numbers without meaning. `generator`: the
/// weights of the models that predict, all or some of `networks.weights(Role::generator)`. Batch-invariant, the same
/// bits for any number of threads. Takes memory for a chunk of rows; waits.
CellGaussians predict_cells(ScoringNetworks& networks, StackView<const float> generator, MatrixView<const float> rows);

/// How far cells are from what the models make of them that were trained without their row: per judged column the
/// residuals (x - mean) / deviation of calibration rows whose cells are hidden at random (shares of .1 to .5), at least
/// some thousands of them where there are rows. `rows` and `fold_begin` as AnomalyModel::calibrate takes them; on the
/// host. Ascending; empty for a column without any value, or of a category.
std::vector<std::vector<float>> hidden_cell_residuals(AnomalyModel& model, MatrixView<const float> rows,
                                                      const std::vector<std::int64_t>& fold_begin);

}  // namespace cugad
