#pragma once

#include <cstdint>
#include <vector>

#include "cugad/table.hpp"

namespace cugad {

/// A partition of the training rows for cross-fitting: model m trains on all folds but one, and the rows of that one
/// are new to it. Depends on the contents of the rows alone, neither on their order nor on a seed; equal rows share a
/// fold, and folds are of about equal size.
struct Folds {
  static constexpr std::int64_t most = 255;

  std::vector<std::uint8_t> of_row;
  std::vector<std::int64_t> begin;  ///< where each fold begins if rows lie fold after fold, and one more for the end

  std::int64_t count() const { return static_cast<std::int64_t>(begin.size()) - 1; }
  std::int64_t size(std::int64_t fold) const { return begin[fold + 1] - begin[fold]; }
  /// The fold that model m of a population leaves out.
  std::int64_t of_model(std::int64_t model, std::int64_t first_fold) const { return (first_fold + model) % count(); }
  /// Positions of the rows, fold after fold, ascending within each.
  std::vector<std::int64_t> order() const;
};

/// At most `wanted` folds: no more than there are distinct rows. With one fold no model leaves it out.
Folds make_folds(MatrixView<const float> rows, std::int64_t wanted);
/// The same of the content_hash() of each row. Takes memory of one byte for each row, and some MB.
Folds make_folds(std::span<const std::uint32_t> hashes, std::int64_t wanted);

}  // namespace cugad
