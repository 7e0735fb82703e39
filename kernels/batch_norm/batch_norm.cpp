#include <algorithm>

#include "kernels/batch_norm/column_sums.hpp"
#include "kernels/batch_norm/normalise.hpp"
#include "kernels/cpu/dropout.hpp"
#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"

/// Blocks of neighbouring columns, each in three sweeps over the rows: mean, variance, output.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

struct Block {
  std::int64_t model, first;
  int columns;
};

void take_statistics(const BatchNorm& args, const Block& block, NormalisedBlock& normalised) {
  const MatrixView<const float> x = args.x.model(block.model);
  const std::int64_t rows = statistics_rows(x.rows, args.reference_rows);
  double mean[column_block] = {}, variance[column_block] = {};
  {
    ColumnSums sums;
    for (std::int64_t r = 0; r < rows; ++r) {
      const float* row = x.row(r) + block.first;
      double* sum = sums.row(r);
      for (int c = 0; c < block.columns; ++c) sum[c] += static_cast<double>(row[c]);
    }
    sums.total(mean);
    for (int c = 0; c < block.columns; ++c) mean[c] /= static_cast<double>(rows);
  }
  ColumnSums sums;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* row = x.row(r) + block.first;
    double* sum = sums.row(r);
    for (int c = 0; c < block.columns; ++c) {
      const double difference = static_cast<double>(row[c]) - mean[c];
      sum[c] += difference * difference;
    }
  }
  sums.total(variance);
  for (int c = 0; c < block.columns; ++c) {
    const double part = variance[c] / static_cast<double>(rows);
    const std::int64_t at = block.first + c;
    const auto center = static_cast<float>(mean[c]);
    const float inverse = inverse_deviation_of(part, args.epsilon);
    normalised.set(c, normalised_column(center, inverse, args.epsilon, args.reference_rows));
    args.mean.model(block.model).data[at] = center;
    args.inverse_deviation.model(block.model).data[at] = inverse;
    if (args.moving_mean) {
      float& moving = args.moving_mean.model(block.model).data[at];
      moving = moving_statistic(moving, mean[c], args.momentum);
    }
    if (args.moving_variance) {
      float& moving = args.moving_variance.model(block.model).data[at];
      moving = moving_statistic(moving, part, args.momentum);
    }
  }
}

void run_block(const BatchNorm& args, const Block& block) {
  NormalisedBlock normalised;
  take_statistics(args, block, normalised);
  const MatrixView<const float> x = args.x.model(block.model);
  const std::int64_t members = statistics_rows(x.rows, args.reference_rows);
  const float* scale = args.scale.model(block.model).data + block.first;
  const float* shift = args.shift.model(block.model).data + block.first;
  for (std::int64_t r = 0; r < x.rows; ++r) {
    const float* row = x.row(r) + block.first;
    float* y = args.y.model(block.model).row(r) + block.first;
    float value[column_block];
    if (r < members) {
      normalised.normalise_row(row, block.columns, value);
    } else {
      for (int c = 0; c < block.columns; ++c) value[c] = normalise_virtual(normalised.column[c], row[c]).value;
    }
    for (int c = 0; c < block.columns; ++c) value[c] = multiply_add(scale[c], value[c], shift[c]);
    for_vectors(block.columns, [&](std::int64_t c, int n) {
      store_some(y + c, activate(args.activation, args.slope, load_some(value + c, n)), n);
    });
    if (args.dropout.rate > 0.0f) {
      drop_units(args.dropout, block.model, r * x.columns + block.first, y, block.columns);
    }
  }
}

void run_batch_norm(Context& context, const BatchNorm& args) {
  for_column_blocks(context, args.y.models, args.y.rows, args.y.columns,
                    [&](std::int64_t model, std::int64_t first, int columns) {
                      run_block(args, {model, first, columns});
                    });
}

}  // namespace

OpEntry<BatchNorm> batch_norm_entry() {
  return {run_batch_norm, [](const Context&, const BatchNorm&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
