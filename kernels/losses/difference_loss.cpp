#include <algorithm>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/interleaved_sum.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/losses/terms.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int chunk = 64;  ///< columns; a multiple of 16

/// gradient = factor * slope, or added to it.
void put(float* gradient, const float* slope, int count, float factor, bool accumulate) {
  if (accumulate) {
    for (int i = 0; i < count; ++i) gradient[i] = multiply_add(factor, slope[i], gradient[i]);
  } else {
    for (int i = 0; i < count; ++i) gradient[i] = factor * slope[i];
  }
}

template <bool squared>
void run_model(const DifferenceLoss& args, std::int64_t model) {
  const MatrixView<const float> a = args.a.model(model), b = args.b.model(model);
  const MatrixView<const float> cell_weight = args.cell_weight.model(model);
  const MatrixView<float> da = args.da.model(model), db = args.db.model(model);
  const std::int64_t cells = a.rows * a.columns;
  const float factor = difference_slope(squared, args.weight, cells);
  InterleavedSum sum;
  for (std::int64_t r = 0; r < a.rows; ++r) {
    for (std::int64_t first = 0; first < a.columns; first += chunk) {
      const int count = static_cast<int>(std::min<std::int64_t>(chunk, a.columns - first));
      const float *x = a.row(r) + first, *y = b.row(r) + first;
      float slope[chunk];
      for (int i = 0; i < count; ++i) slope[i] = squared ? x[i] - y[i] : sign_of(x[i] - y[i]);
      const float* const weight = args.cell_weight ? cell_weight.row(r) + first : nullptr;
      for (int i = 0; i < count && weight != nullptr; ++i) slope[i] *= weight[i];
      if (args.da) put(da.row(r) + first, slope, count, factor, args.accumulate);
      if (args.db) put(db.row(r) + first, slope, count, -factor, args.accumulate);
      if (!args.loss) continue;
      double term[chunk];
      for (int i = 0; i < count; ++i) {
        const double difference = x[i] - y[i];
        term[i] = squared ? difference * difference : std::abs(difference);
        if (weight != nullptr) term[i] *= double{weight[i]};
      }
      sum.add(term, count);
    }
  }
  if (args.loss) *args.loss.model(model).data = mean_loss(args.weight, sum.total(), cells);
}

void run_difference_loss(Context& context, const DifferenceLoss& args) {
  if (args.a.rows == 0 || args.a.columns == 0) return;
  const double work = static_cast<double>(args.a.models * args.a.rows) * static_cast<double>(args.a.columns);
  parallel_ranges(worthwhile_threads(context.threads(), work), args.a.models,
                  [&](int, std::int64_t begin, std::int64_t end) {
                    const auto run = args.metric == Distance::l1 ? run_model<false> : run_model<true>;
                    for (std::int64_t m = begin; m < end; ++m) run(args, m);
                  });
}

}  // namespace

OpEntry<DifferenceLoss> difference_loss_entry() {
  return {run_difference_loss, [](const Context&, const DifferenceLoss&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
