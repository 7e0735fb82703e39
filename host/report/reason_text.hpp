#pragma once

#include <string>
#include <vector>

#include "cugad/detector.hpp"
#include "cugad/table.hpp"

namespace cugad {

/// A reason of a row in words, for people and scripts.
struct ReasonText {
  std::string column, value, expectation;  ///< "load", "93.5", "12 to 14 expected"; without a value: "no value"
  float share = 0;

  bool empty() const { return column.empty(); }
  /// "load=93.5: 12 to 14 expected (62 %)"; empty if it is.
  std::string line() const;
};

/// Reason `index` of a row of the chunk. Its line is "load=93.5: 12 to 14 expected (62 %)", "load=250: 12 to 14
/// expected; at most 100 in training (90 %)", "state=idle: busy is 94 % likely (20 %)", "user=intruder: not seen in
/// training (15 %)", "version=4: always 3 in training (2 %)", "load: no value (1 %)". In front of the first '=' or ':'
/// is the column, at the end its share. Empty if the column explains less than half a percent. `features`: the
/// detector's columns; `encoder`: null if they are the table's; `values`: of the row, as the detector takes them.
ReasonText reason_text(const Explanation& explanation, std::size_t index, const std::vector<std::string>& features,
                       const TableEncoder* encoder, const Table& chunk, std::size_t row, const float* values);

}  // namespace cugad
