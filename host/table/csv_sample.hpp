#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "host/table/number_format.hpp"
#include "host/text/cell.hpp"

namespace cugad {

/// The properties of one column, inferred from the first rows.
struct ColumnSample {
  std::int64_t numbers = 0, texts = 0, dashes = 0;
  std::int64_t fractions = 0;                            ///< numbers written with a decimal point or comma
  double least = 0, most = 0;                            ///< of the numbers
  NumberStyle style;                                     ///< of all cells that have a value
  std::unordered_map<std::string, std::int64_t> counts;  ///< of the texts

  void add(std::string_view cell, CellKind kind, double number);
  /// Whether the column holds numbers in any format. A dash is then a missing one.
  bool is_number() const { return texts == 0 ? numbers > 0 || dashes == 0 : style.is_number(); }
};

/// The first line of a table, and the contents of the columns below it.
struct FirstLine {
  std::vector<std::string> cells;
  std::vector<CellKind> kinds;
};

struct HeaderGuess {
  bool is_header = false;
  bool is_weak = false;          ///< the other answer is nearly as likely
  bool is_over_numbers = false;  ///< some text is above numbers
};

/// Whether the first line names the columns. It does if a text is above numbers, or above texts that repeat themselves
/// and never include it; it does not if a text occurs below itself. Numbers are names if they count up (2019, 2020,
/// 2021) above numbers with decimals.
HeaderGuess guess_header(const FirstLine& first, const std::vector<ColumnSample>& below);

}  // namespace cugad
