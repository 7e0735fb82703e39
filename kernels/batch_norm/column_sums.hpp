#pragma once

#include <algorithm>
#include <cstdint>

#include "cugad/device.hpp"
#include "kernels/batch_norm/normalise.hpp"
#include "kernels/cpu/parallel.hpp"

/// The CPU's blocks of columns and their sums over rows.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

/// Columns whose sums stay in the first cache level; also the unit of parallelism.
constexpr int column_block = 64;

/// A sum over rows per column, in the shape that normalise.hpp states.
class ColumnSums {
 public:
  /// The partial sums that row r belongs to.
  double* row(std::int64_t r) { return partial_[r % row_partials]; }
  void total(double* out) {
    for (int half = row_partials / 2; half > 0; half /= 2) {
      for (int p = 0; p < half; ++p) {
        for (int c = 0; c < column_block; ++c) partial_[p][c] += partial_[p + half][c];
      }
    }
    std::copy_n(partial_[0], column_block, out);
  }

 private:
  double partial_[row_partials][column_block] = {};
};

/// The columns of a block. Rows of the statistics, the usual case, need two numbers per column: they have vectors of
/// their own.
struct NormalisedBlock {
  NormalisedColumn column[column_block];
  float mean[column_block], inverse_deviation[column_block];

  void set(int c, const NormalisedColumn& normalised) {
    column[c] = normalised;
    mean[c] = normalised.mean;
    inverse_deviation[c] = normalised.inverse_deviation;
  }
  /// h^ of a row of the statistics.
  void normalise_row(const float* x, int columns, float* value) const {
    for (int c = 0; c < columns; ++c) value[c] = normalise_member(mean[c], inverse_deviation[c], x[c]);
  }
};

/// Calls body(model, first column, columns) for the blocks of all models.
template <class Body>
void for_column_blocks(const Context& context, std::int64_t models, std::int64_t rows, std::int64_t columns,
                       Body&& body) {
  const std::int64_t blocks = (columns + column_block - 1) / column_block;
  const double nanoseconds = 3.0 * static_cast<double>(models * rows) * static_cast<double>(columns);
  parallel_ranges(worthwhile_threads(context.threads(), nanoseconds), models * blocks,
                  [&](int, std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin; i < end; ++i) {
                      const std::int64_t first = i % blocks * column_block;
                      body(i / blocks, first, static_cast<int>(std::min<std::int64_t>(column_block, columns - first)));
                    }
                  });
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
