#include <algorithm>
#include <cmath>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

/// numpy's rounding: from the nearer end, so that the result never leaves [a, b].
double interpolate(double a, double b, double t) {
  if (a == b) return a;
  return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1.0 - t);
}

/// Reorders `values`. A few quantiles are selected; more of them are cheaper from sorted values.
void run_row(const Quantile& args, float* values, std::int64_t n, float* out) {
  const bool sorted = args.count > 4;
  if (sorted) std::sort(values, values + n);
  for (int i = 0; i < args.count; ++i) {
    const double position = args.probability[i] * static_cast<double>(n - 1);
    const auto below = std::min(static_cast<std::int64_t>(position), n - 1);
    const bool last = below + 1 >= n;
    if (!sorted) std::nth_element(values, values + below, values + n);
    const float* above = values + below + (last ? 0 : 1);
    if (!sorted && !last) above = std::min_element(values + below + 1, values + n);
    out[i] = static_cast<float>(interpolate(static_cast<double>(values[below]), static_cast<double>(*above),
                                            position - static_cast<double>(below)));
  }
}

int threads_for(const Context& context, const Quantile& args) {
  const std::int64_t units = args.values.models * args.values.rows;
  const double work = 20.0 * static_cast<double>(units) * static_cast<double>(args.values.columns);
  const int threads = worthwhile_threads(context.threads(), work);
  return static_cast<int>(std::max<std::int64_t>(1, std::min<std::int64_t>(threads, units)));
}

/// One row of values for each thread.
std::size_t quantile_workspace(const Context& context, const Quantile& args) {
  return sizeof(float) * static_cast<std::size_t>(threads_for(context, args)) *
         static_cast<std::size_t>(args.values.columns);
}

void run_quantile(Context& context, const Quantile& args) {
  const std::int64_t rows = args.values.rows, n = args.values.columns, units = args.values.models * rows;
  if (units == 0) return;
  auto* scratch = static_cast<float*>(context.scratch(quantile_workspace(context, args)));
  parallel_ranges(threads_for(context, args), units, [&](int thread, std::int64_t begin, std::int64_t end) {
    float* values = scratch + thread * n;
    for (std::int64_t unit = begin; unit < end; ++unit) {
      std::copy_n(args.values.model(unit / rows).row(unit % rows), n, values);
      run_row(args, values, n, args.out.model(unit / rows).row(unit % rows));
    }
  });
}

}  // namespace

OpEntry<Quantile> quantile_entry() { return {run_quantile, quantile_workspace}; }

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
