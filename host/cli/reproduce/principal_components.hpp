#pragma once

#include "cugad/table.hpp"

/// Reconstruction by the directions of the largest variance.
namespace cugad::cli {

/// The first principal components of rows whose columns have the mean 0.
class PrincipalComponents {
 public:
  /// Simultaneous iteration on a block that is larger by 32 directions, then the block's own axes (Rayleigh and Ritz).
  /// At most as many components as there are rows or columns. Deterministic.
  PrincipalComponents(const Matrix& rows, std::int64_t components, int threads);
  /// The part of each row that the components do not have: x - V' V x.
  Matrix residuals(const Matrix& rows) const;
  const Matrix& components() const { return components_; }  ///< orthonormal, by falling variance; [components, columns]

 private:
  Matrix components_;
  int threads_;
};

}  // namespace cugad::cli
