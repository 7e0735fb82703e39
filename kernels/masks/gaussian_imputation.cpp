#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/masks/category.hpp"
#include "kernels/masks/gaussian_cell.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void run_rows(const GaussianImputation& args, std::int64_t model, std::int64_t begin, std::int64_t end) {
  const std::int64_t k = args.mask.columns, width = args.x.columns;
  for (std::int64_t r = begin; r < end; ++r) {
    const float *statistics = args.statistics.model(model).row(r), *x = args.x.model(model).row(r),
                *mask = args.mask.model(model).row(r), *noise = args.noise.model(model).row(r);
    float* out = args.out.model(model).row(r);
    for (std::int64_t c = 0; c < k; ++c) {
      const float drawn = multiply_add(imputed_deviation(statistics[k + c]), noise[c], statistics[c]);
      const float given = x[c] == x[c] ? x[c] : 0.0f;
      out[c] = mask[c] != 0.0f && x[c] == x[c] ? drawn : given;
    }
    for (std::int64_t c = k; c < width; ++c) out[c] = x[c] == x[c] ? x[c] : 0.0f;
    if (!args.group) continue;
    const std::int32_t* group = args.group.model(model).data;
    for (std::int64_t c = 0, last = 0; c < k; c = last) {
      last = group_end(group, c, k);
      if (last == c + 1 || mask[c] == 0.0f || x[c] != x[c]) continue;
      const CategoryCell cell = {statistics + c, x + c, last - c};
      put_probabilities(cell, out + c);
    }
  }
}

void run_gaussian_imputation(Context& context, const GaussianImputation& args) {
  const std::int64_t rows = args.mask.rows;
  const double work =
      static_cast<double>(args.mask.models * rows) * (10.0 + 4.0 * static_cast<double>(args.mask.columns));
  const int threads = worthwhile_threads(context.threads(), work);
  for (std::int64_t m = 0; m < args.mask.models; ++m) {
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) { run_rows(args, m, begin, end); });
  }
}

}  // namespace

OpEntry<GaussianImputation> gaussian_imputation_entry() {
  return {run_gaussian_imputation, [](const Context&, const GaussianImputation&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
