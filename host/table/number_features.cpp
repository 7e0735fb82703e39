#include "host/table/number_features.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cugad/error.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

constexpr double enough_steps = 65536;  ///< of single precision between the lowest and the highest number

/// The distance of two neighbours in single precision at the far end of a range.
double step_of(double lowest, double highest) {
  return std::max(std::abs(lowest), std::abs(highest)) * std::numeric_limits<float>::epsilon();
}

/// At least `decimals`, so many that the number is written by them; -1: more than 6.
int decimals_with(double number, int decimals) {
  constexpr std::array<double, 7> powers = {1, 10, 100, 1e3, 1e4, 1e5, 1e6};
  const auto is_enough = [&](double power) {
    return static_cast<float>(std::round(number * power) / power) == static_cast<float>(number);
  };
  auto place = static_cast<std::size_t>(decimals);
  while (place < powers.size() && !is_enough(powers[place])) ++place;
  return place == powers.size() ? -1 : static_cast<int>(place);
}

}  // namespace

void NumberFeatures::add(double number) {
  const std::int64_t row = rows_++;
  if (std::isnan(number)) return;  // a missing cell changes nothing
  if (number < lowest_.second) lowest_ = {row, number};
  if (number > highest_.second) highest_ = {row, number};
  if (is_exact_ && static_cast<double>(static_cast<float>(number)) != number) {
    is_exact_ = false;
    inexact_ = {row, number};
  }
  if (decimals_ < 0) return;
  const int decimals = decimals_with(number, decimals_);
  if (decimals != decimals_) more_decimals_.emplace_back(row, number);
  decimals_ = decimals;
}

double NumberFeatures::offset() const {
  const double lowest = lowest_.second, highest = highest_.second;
  if (is_exact_ || !std::isfinite(highest - lowest)) return 0;
  return highest - lowest >= enough_steps * step_of(lowest, highest) ? 0 : lowest + (highest - lowest) / 2;
}

bool NumberFeatures::may_need_offset() const {
  // The range grows at least as fast as its far end, so that it stays wide; the margin is for rounding.
  constexpr double margin = 1.001;
  const double lowest = lowest_.second, highest = highest_.second;
  return !(highest - lowest >= margin * enough_steps * step_of(lowest, highest)) || lowest > highest;
}

std::vector<double> NumberFeatures::digest() const {
  std::vector<Witness> witnesses = more_decimals_;
  if (lowest_.second <= highest_.second) witnesses.insert(witnesses.end(), {lowest_, highest_});
  if (!is_exact_) witnesses.push_back(inexact_);
  std::sort(witnesses.begin(), witnesses.end());
  std::vector<double> numbers;
  for (const auto& [row, number] : witnesses) numbers.push_back(number);
  return numbers;
}

float feature_value(double number, double offset, std::string_view column, std::int64_t row) {
  const float value = static_cast<float>(number - offset);
  if (!std::isinf(value)) return value;
  throw Error(ErrorCode::format, fmt::format("row {}, column '{}': found {}, expected a number of at most {}", row,
                                             one_line(column), number, std::numeric_limits<float>::max()));
}

}  // namespace cugad
