#pragma once

#include <algorithm>
#include <cstdint>

#include "cugad/device.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/layer_norm/row_terms.hpp"

/// The CPU's blocks of columns of a row: as many as a row's sums have partials.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

/// A sum over a row, in the shape that row_terms.hpp states.
class RowSum {
 public:
  /// The partial sums that the columns of a block belong to.
  double* partials() { return partial_; }
  double total() {
    for (int half = column_partials / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) partial_[i] += partial_[i + half];
    }
    return partial_[0];
  }

 private:
  double partial_[column_partials] = {};
};

/// Calls body(first column, columns) for the blocks of a row.
template <class Body>
void for_row_blocks(std::int64_t columns, Body&& body) {
  for (std::int64_t first = 0; first < columns; first += column_partials) {
    body(first, static_cast<int>(std::min<std::int64_t>(column_partials, columns - first)));
  }
}

/// The numbers that belong to the columns of a block, which share one for each channel.
class ChannelNumbers {
 public:
  ChannelNumbers(const float* numbers, std::int64_t channels) : numbers_(numbers), channels_(channels) {}
  const float* block(std::int64_t first, int columns) {
    std::int64_t channel = first % channels_;
    if (channel + columns <= channels_) return numbers_ + channel;
    for (std::int64_t at = 0; at < columns; channel = 0) {
      const std::int64_t count = std::min(channels_ - channel, columns - at);
      std::copy_n(numbers_ + channel, count, buffer_ + at);
      at += count;
    }
    return buffer_;
  }

 private:
  const float* numbers_;
  std::int64_t channels_;
  float buffer_[column_partials];
};

/// Mean and inverse deviation of a row.
inline RowStatistics row_statistics(const float* x, std::int64_t columns, float epsilon) {
  const auto count = static_cast<double>(columns);
  RowSum sum, squares;
  for_row_blocks(columns, [&](std::int64_t first, int block) {
    double* partial = sum.partials();
    for (int c = 0; c < block; ++c) partial[c] += static_cast<double>(x[first + c]);
  });
  const double mean = sum.total() / count;
  for_row_blocks(columns, [&](std::int64_t first, int block) {
    double* partial = squares.partials();
    for (int c = 0; c < block; ++c) {
      const double difference = static_cast<double>(x[first + c]) - mean;
      partial[c] += difference * difference;
    }
  });
  return {static_cast<float>(mean), inverse_deviation_of(squares.total() / count, epsilon), 0.0f, 0.0f};
}

/// Adds the means of the tangent, and of h^ times the tangent.
inline void add_tangent_statistics(const float* x, const float* tangent, std::int64_t columns, RowStatistics& row) {
  RowSum sum, products;
  for_row_blocks(columns, [&](std::int64_t first, int block) {
    double *partial = sum.partials(), *product = products.partials();
    for (int c = 0; c < block; ++c) {
      const auto t = static_cast<double>(tangent[first + c]);
      partial[c] += t;
      product[c] += t * static_cast<double>(normalise_member(row.mean, row.inverse_deviation, x[first + c]));
    }
  });
  row.tangent_mean = static_cast<float>(sum.total() / static_cast<double>(columns));
  row.tangent_product = static_cast<float>(products.total() / static_cast<double>(columns));
}

/// Calls body(model, row) for all rows of all models.
template <class Body>
void for_rows(const Context& context, std::int64_t models, std::int64_t rows, std::int64_t columns, Body&& body) {
  const double nanoseconds = 2.0 * static_cast<double>(models * rows) * static_cast<double>(columns);
  parallel_ranges(worthwhile_threads(context.threads(), nanoseconds), models * rows,
                  [&](int, std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin; i < end; ++i) body(i / rows, i % rows);
                  });
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
