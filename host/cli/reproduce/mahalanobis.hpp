#pragma once

#include <cstdint>
#include <vector>

#include "host/cli/reproduce/protocol.hpp"

/// Mahalanobis's distance to the mean of the training rows.
namespace cugad::cli {

/// In float64, with the covariance shrunk towards a multiple of the identity (Ledoit, Wolf 2004): (1 - r) S + r m I,
/// m = trace(S) / columns, r estimated from the rows. Constant and collinear columns and fewer rows than columns
/// therefore need no special case.
class Mahalanobis {
 public:
  /// `rows`: at least one; no NaN.
  explicit Mahalanobis(const Matrix& rows);
  double distance(const float* row) const;
  double shrinkage() const { return shrinkage_; }  ///< r

 private:
  std::int64_t columns_;
  std::vector<double> mean_, factor_;  ///< Cholesky's lower triangle, row by row
  double shrinkage_ = 1;
};

Baseline mahalanobis_baseline();

}  // namespace cugad::cli
