#pragma once

#include <cstdint>
#include <vector>

#include "cugad/table.hpp"

namespace cugad {

/// A partition of the training rows for cross-fitting: model m trains on all folds but one, and the rows of that one
/// are new to it. Depends on the contents of the rows alone, neither on their order nor on a seed; equal rows share a
/// fold, and folds are of about equal size.
struct Folds {
  std::vector<std::int64_t> order;  ///< positions of the rows, fold after fold, ascending within each
  std::vector<std::int64_t> begin;  ///< where each fold begins in `order`, and one more for the end

  std::int64_t count() const { return static_cast<std::int64_t>(begin.size()) - 1; }
  std::int64_t size(std::int64_t fold) const { return begin[fold + 1] - begin[fold]; }
  /// The fold that model m of a population leaves out.
  std::int64_t of_model(std::int64_t model, std::int64_t first_fold) const { return (first_fold + model) % count(); }
};

/// At most `wanted` folds: no more than there are distinct rows. One fold holds all rows in their order, and no model
/// leaves it out.
Folds make_folds(const Matrix& rows, std::int64_t wanted);

}  // namespace cugad
