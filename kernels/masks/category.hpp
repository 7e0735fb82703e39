#pragma once

#include <cstdint>

#include "kernels/elementary.hpp"

/// A generator's distribution over the values of a category, whose 0/1 columns are one cell: the softmax of its means
/// there. One thread works on a whole category, so that the order of sums is the same on every backend.
namespace cugad {

/// The end of the group that begins at column `first`.
CUGAD_INLINE std::int64_t group_end(const std::int32_t* group, std::int64_t first, std::int64_t columns) {
  std::int64_t end = first + 1;
  while (end < columns && group[end] == static_cast<std::int32_t>(first)) ++end;
  return end;
}

/// Columns [first, end), if column `first` begins a cell; none otherwise. Without groups every column is a cell.
CUGAD_INLINE std::int64_t cell_end(const std::int32_t* group, std::int64_t first, std::int64_t columns) {
  if (group == nullptr) return first + 1;
  return group[first] == static_cast<std::int32_t>(first) ? group_end(group, first, columns) : first;
}

/// The columns of one category in one row.
struct CategoryCell {
  const float *logit, *x;
  std::int64_t columns;
};

/// The column whose x is largest and above 0; -1 if there is none, which is a value without a column.
CUGAD_INLINE std::int64_t value_of(const CategoryCell& cell) {
  std::int64_t value = -1;
  float largest = 0.0f;
  for (std::int64_t c = 0; c < cell.columns; ++c) {
    if (!(cell.x[c] > largest)) continue;
    largest = cell.x[c];
    value = c;
  }
  return value;
}

/// The same; for a value without a column the least likely one.
CUGAD_INLINE std::int64_t judged_value(const CategoryCell& cell) {
  std::int64_t value = value_of(cell);
  for (std::int64_t c = 0, least = 0; value < 0 && c < cell.columns; ++c) {
    if (cell.logit[c] < cell.logit[least]) least = c;
    if (c + 1 == cell.columns) value = least;
  }
  return value;
}

struct Softmax {
  float highest, total;  ///< total of exp(logit - highest)
};

CUGAD_INLINE Softmax softmax_of(const CategoryCell& cell) {
  float highest = cell.logit[0];
  for (std::int64_t c = 1; c < cell.columns; ++c) highest = cell.logit[c] > highest ? cell.logit[c] : highest;
  double total = 0.0;
  for (std::int64_t c = 0; c < cell.columns; ++c) total += static_cast<double>(exp_negative(cell.logit[c] - highest));
  return {highest, static_cast<float>(total)};
}

CUGAD_INLINE float probability_of(const Softmax& softmax, float logit) {
  return exp_negative(logit - softmax.highest) / softmax.total;
}

/// -log of the probability of the cell's value.
CUGAD_INLINE float category_likelihood(const CategoryCell& cell) {
  const Softmax softmax = softmax_of(cell);
  if (softmax.total != softmax.total) return softmax.total;
  return softmax.highest - cell.logit[judged_value(cell)] + log_positive(softmax.total);
}

/// Writes `scale` times the gradient of category_likelihood, added to that through the probabilities in imputed
/// columns, whose gradient is `dimputed` (may be null).
CUGAD_INLINE void differentiate_category(const CategoryCell& cell, float scale, const float* dimputed,
                                         float* gradient) {
  const Softmax softmax = softmax_of(cell);
  const std::int64_t value = judged_value(cell);
  double mean = 0.0;
  for (std::int64_t c = 0; dimputed != nullptr && c < cell.columns; ++c) {
    mean += static_cast<double>(probability_of(softmax, cell.logit[c])) * static_cast<double>(dimputed[c]);
  }
  for (std::int64_t c = 0; c < cell.columns; ++c) {
    const float p = probability_of(softmax, cell.logit[c]);
    const float slope = scale * (c == value ? p - 1.0f : p);
    gradient[c] = dimputed == nullptr ? slope : multiply_add(p, dimputed[c] - static_cast<float>(mean), slope);
  }
}

/// Writes the row's columns with the probabilities of the values in place of the value.
CUGAD_INLINE void put_probabilities(const CategoryCell& cell, float* out) {
  const Softmax softmax = softmax_of(cell);
  const std::int64_t value = value_of(cell);
  for (std::int64_t c = 0; c < cell.columns; ++c) {
    const float absent = c == value ? cell.x[c] - 1.0f : cell.x[c];
    out[c] = absent + probability_of(softmax, cell.logit[c]);
  }
}

}  // namespace cugad
