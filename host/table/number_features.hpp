#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace cugad {

/// What an encoder has to know of a column of numbers, learnt cell by cell.
class NumberFeatures {
 public:
  void add(double number);

  /// The offset to subtract so that single precision keeps the differences; 0 if it is not needed.
  double offset() const;
  /// The decimals that the numbers have; -1: more than 6.
  int decimals() const { return decimals_; }

  /// Whether single precision holds every number so far.
  bool is_exact() const { return is_exact_; }
  /// Whether an offset may be needed once a number is not exact; if not, no further number changes that.
  bool may_need_offset() const;
  /// Few of the numbers, in their order, from which the same offset and decimals are learnt as from all.
  std::vector<double> digest() const;

 private:
  using Witness = std::pair<std::int64_t, double>;  ///< a row and its number

  std::int64_t rows_ = 0;
  Witness lowest_ = {0, std::numeric_limits<double>::infinity()};
  Witness highest_ = {0, -std::numeric_limits<double>::infinity()};
  Witness inexact_ = {};
  std::vector<Witness> more_decimals_;
  bool is_exact_ = true;
  int decimals_ = 0;
};

/// The feature of a number. Throws Error{format} for one that single precision cannot hold; `row` and `column` are for
/// the message.
float feature_value(double number, double offset, std::string_view column, std::int64_t row);

}  // namespace cugad
