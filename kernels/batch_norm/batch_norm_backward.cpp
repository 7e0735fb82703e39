#include "kernels/batch_norm/column_sums.hpp"
#include "kernels/batch_norm/normalise.hpp"
#include "kernels/cpu/dropout.hpp"
#include "kernels/cpu/entries.hpp"

/// Blocks of neighbouring columns, each in two sweeps over the rows: dH and the sums, then dX.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

/// Per column: sums of dH and of dH h^, over all rows (these are dshift and dscale) and as a row of the statistics sees
/// them. Where all rows are of the statistics, the two are the same.
struct Sums {
  ColumnSums shift, scale, carried_shift, carried_scale;
};

struct Job {
  const BatchNormBackward& args;
  std::int64_t model, first;
  int columns;
  std::int64_t members;  ///< rows that belong to the statistics
  NormalisedBlock normalised;
  float mean_gradient[column_block], mean_product[column_block], factor[column_block];
};

void add_member(const Job& job, std::int64_t r, const float* x, const float* dh, Sums& sums) {
  float value[column_block];
  job.normalised.normalise_row(x, job.columns, value);
  const auto add = [&](double* shift, double* scale) {
    for (int c = 0; c < job.columns; ++c) {
      shift[c] += static_cast<double>(dh[c]);
      scale[c] += static_cast<double>(dh[c]) * static_cast<double>(value[c]);
    }
  };
  add(sums.shift.row(r), sums.scale.row(r));
  if (job.members < job.args.dy.rows) add(sums.carried_shift.row(r), sums.carried_scale.row(r));
}

void add_virtual(const Job& job, std::int64_t r, const float* x, const float* dh, Sums& sums) {
  double *shift = sums.shift.row(r), *scale = sums.scale.row(r);
  double *carried_shift = sums.carried_shift.row(r), *carried_scale = sums.carried_scale.row(r);
  for (int c = 0; c < job.columns; ++c) {
    const NormalisedColumn& column = job.normalised.column[c];
    const VirtualRow row = normalise_virtual(column, x[c]);
    const auto gradient = static_cast<double>(dh[c]);
    shift[c] += gradient;
    scale[c] += gradient * static_cast<double>(row.value);
    carried_shift[c] += gradient * through_mean(column, virtual_slope(column, row));
    carried_scale[c] += gradient * through_variance(column, row);
  }
}

/// dH in place, and its sums.
void sum_gradients(const Job& job, Sums& sums) {
  const BatchNormBackward& args = job.args;
  for (std::int64_t r = 0; r < args.dy.rows; ++r) {
    float* dh = args.dy.model(job.model).row(r) + job.first;
    const float* y = args.y ? args.y.model(job.model).row(r) + job.first : nullptr;
    activation_gradient(args.activation, args.slope, args.dropout_rate, y, dh, job.columns);
    const float* x = args.x.model(job.model).row(r) + job.first;
    if (r < job.members) {
      add_member(job, r, x, dh, sums);
    } else {
      add_virtual(job, r, x, dh, sums);
    }
  }
}

void store_sum(const Job& job, const StackView<float>& out, const double* sum) {
  if (!out) return;
  float* at = out.model(job.model).data + job.first;
  for (int c = 0; c < job.columns; ++c) {
    at[c] = static_cast<float>(job.args.accumulate ? static_cast<double>(at[c]) + sum[c] : sum[c]);
  }
}

void input_gradient(const Job& job) {
  const BatchNormBackward& args = job.args;
  const float* scale = args.scale.model(job.model).data + job.first;
  for (std::int64_t r = 0; r < args.dx.rows; ++r) {
    const float* x = args.x.model(job.model).row(r) + job.first;
    const float* dh = args.dy.model(job.model).row(r) + job.first;
    float* dx = args.dx.model(job.model).row(r) + job.first;
    if (r < job.members) {
      float value[column_block];
      job.normalised.normalise_row(x, job.columns, value);
      for (int c = 0; c < job.columns; ++c) {
        dx[c] = job.factor[c] * multiply_add(-value[c], job.mean_product[c], dh[c] - job.mean_gradient[c]);
      }
    } else {
      for (int c = 0; c < job.columns; ++c) {
        const VirtualRow row = normalise_virtual(job.normalised.column[c], x[c]);
        dx[c] = scale[c] * dh[c] * virtual_slope(job.normalised.column[c], row);
      }
    }
  }
}

void run_block(const BatchNormBackward& args, std::int64_t model, std::int64_t first, int columns) {
  Job job = {args, model, first, columns, statistics_rows(args.dy.rows, args.reference_rows), {}, {}, {}, {}};
  const float* scale = args.scale.model(model).data + first;
  for (int c = 0; c < columns; ++c) {
    const float mean = args.mean.model(model).data[first + c];
    const float inverse = args.inverse_deviation.model(model).data[first + c];
    job.normalised.set(c, normalised_column(mean, inverse, args.epsilon, args.reference_rows));
    job.factor[c] = scale[c] * inverse;
  }
  Sums sums;
  sum_gradients(job, sums);
  double shift_sum[column_block], scale_sum[column_block];
  sums.shift.total(shift_sum);
  sums.scale.total(scale_sum);
  store_sum(job, args.dshift, shift_sum);
  store_sum(job, args.dscale, scale_sum);
  if (job.members < args.dy.rows) {
    sums.carried_shift.total(shift_sum);
    sums.carried_scale.total(scale_sum);
  }
  for (int c = 0; c < columns; ++c) {
    job.mean_gradient[c] = static_cast<float>(shift_sum[c] / static_cast<double>(job.members));
    job.mean_product[c] = static_cast<float>(scale_sum[c] / static_cast<double>(job.members));
  }
  input_gradient(job);
}

void run_batch_norm_backward(Context& context, const BatchNormBackward& args) {
  for_column_blocks(
      context, args.dy.models, args.dy.rows, args.dy.columns,
      [&](std::int64_t model, std::int64_t first, int columns) { run_block(args, model, first, columns); });
}

}  // namespace

OpEntry<BatchNormBackward> batch_norm_backward_entry() {
  return {run_batch_norm_backward, [](const Context&, const BatchNormBackward&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
