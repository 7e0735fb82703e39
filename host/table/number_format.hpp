#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cugad/table.hpp"
#include "host/text/cell.hpp"

/// Numbers that are written otherwise than in C: decimal commas, groups of three digits, currencies, units.
namespace cugad {

/// Reads a cell in the given format; `number` is set if the kind is `number`. Dashes are missing.
CellKind parse_number(std::string_view cell, const NumberFormat& format, double& number);

/// The number format of one column, inferred from its cells.
class NumberStyle {
 public:
  void add(std::string_view cell);

  /// Whether every cell is a number with the same currency or unit, and none contradicts the others.
  bool is_number() const { return cells_ > 0 && numbers_ == cells_ && same_affixes_ && !(points_ > 0 && commas_ > 0); }
  /// '.' or ',' if some cell is a number with that one alone.
  std::optional<char> decimal() const;
  /// Whether cells such as 1,234 or 1.234 are all there is: thousands or thousandths.
  bool is_ambiguous_comma() const { return points_ == 0 && commas_ == 0 && open_commas_ > 0; }
  bool is_ambiguous_point() const { return points_ == 0 && commas_ == 0 && open_points_ > 0 && open_commas_ == 0; }
  /// The format of the column, given its inferred `decimal`.
  NumberFormat format(char decimal) const;
  /// One of the cells that leave the decimal open.
  const std::string& open_example() const { return open_example_; }

 private:
  std::int64_t cells_ = 0, numbers_ = 0;
  std::int64_t points_ = 0, commas_ = 0;            ///< cells that determine the decimal
  std::int64_t open_points_ = 0, open_commas_ = 0;  ///< cells such as 1.234 and 1,234
  bool grouped_ = false, same_affixes_ = true;
  std::string prefix_, suffix_, open_example_;
};

/// Whether the cell is a number in some way of writing, with any currency or unit.
bool looks_like_number(std::string_view cell);

}  // namespace cugad
