#pragma once

#include <utility>

#include "host/detector/transform.hpp"
#include "host/model_file/safetensors.hpp"
#include "host/scores/cell_prediction.hpp"

namespace cugad {

class Reader;

/// What the Gaussians that G predicts for hidden cells are worth, column by column of the caller's rows: how cells of
/// rows that are new to the models lie about them, and which values the training rows have at all. It turns a Gaussian
/// of a transformed cell into a value and a band in the caller's units (split conformal prediction with residuals in
/// units of the predicted deviation; Lei 2018, section 5.2).
class CellCalibration {
 public:
  static constexpr int quantiles = 201;  ///< of the residuals, at probabilities 0, 1/200, ..., 1

  CellCalibration() = default;
  /// `residuals`: as hidden_cell_residuals() gives them, in the networks' order; `range` [columns, 2].
  CellCalibration(const std::vector<std::vector<float>>& residuals, const std::vector<std::int64_t>& order,
                  Matrix range);
  /// Models of other methods have none, nor have model files of older versions.
  explicit operator bool() const { return range_.rows > 0; }

  struct Cell {
    float mean, deviation;  ///< of the transformed cell
    std::int64_t column;    ///< of the caller's rows
  };
  /// The quantile of a transformed cell.
  float transformed_quantile(const Cell& cell, double probability) const;
  /// A transformed cell in the caller's units, within the range of the training rows.
  float value(const FeatureTransform& transform, std::int64_t column, double transformed) const;
  float quantile(const FeatureTransform& transform, const Cell& cell, double probability) const {
    return value(transform, cell.column, double{transformed_quantile(cell, probability)});
  }
  struct Band {
    float low, high;
    bool is_beyond = false;  ///< all of it lies outside the range of the training rows
  };
  /// The band that holds a share `coverage` of such cells, in the caller's units, within the range of the training
  /// rows. One that lies beyond it reaches from the range's end outwards, as it would be one point otherwise.
  Band band(const FeatureTransform& transform, const Cell& cell, double coverage) const;
  /// The mean of a cell's value in the caller's units, likewise: over its quantiles where the column is under log1p, as
  /// the mean does not pass through the logarithm (Duan 1983); else the Gaussian's.
  float mean(const FeatureTransform& transform, const Cell& cell) const;

  /// The lowest and the highest value of the caller's column in the training rows.
  std::pair<float, float> range(std::int64_t column) const { return {range_.row(column)[0], range_.row(column)[1]}; }

  void add_to(safetensors::File& file) const;
  static CellCalibration read(const Reader& reader, std::int64_t columns);

 private:
  Matrix residual_, range_;
};

}  // namespace cugad
