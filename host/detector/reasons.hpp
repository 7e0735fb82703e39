#pragma once

#include <limits>
#include <span>
#include <vector>

#include "host/detector/column_roles.hpp"
#include "host/detector/novelty.hpp"

/// Which columns of a row explain its score. All in the caller's units and order.
namespace cugad {

/// A column, or the adjacent 0/1 columns of a category.
struct Place {
  std::int64_t first = 0, columns = 1;
  bool is_category = false;
  bool is_given = false;  ///< a condition, which is not judged
};
std::vector<Place> places_of(const Novelty& novelty, const ColumnRoles& roles);

/// What is known of a place in one row.
struct Reason {
  std::int64_t place = 0;
  int column = 0;  ///< as in Explanation
  Finding finding = Finding::residual;
  float residual = 0, drop = 0, share = 0;
  bool is_given = false, is_tried = false;
  ExpectedCell expected{unknown, unknown, -1, unknown, unknown, unknown};

  static constexpr float unknown = std::numeric_limits<float>::quiet_NaN();
};

/// All places of a row, of which those are to be tried that are missing or new against expectation, and the others of
/// the largest residuals, `tried` in all; they come first. `residual`, `finding`: of each column.
std::vector<Reason> reasons_of(std::span<const Place> places, const float* row, const float* residual,
                               const Finding* finding, std::int64_t tried);

/// Hides a place of a row.
void hide(const Place& place, float* row);
/// Puts the cells of another row there, as a category its largest.
void put(const Place& place, const float* value, float* row);

/// What is expected at a place, from rows of expected cells. `has_range`: they are means and bounds of a distribution.
ExpectedCell expected_at(const Place& place, const float* value, const float* low, const float* high, bool has_range);

/// Turns drops of the score into shares, and sorts: the first `count` explain the row.
Explanation explanation_of(std::vector<Reason> reasons, std::int64_t count);

}  // namespace cugad
