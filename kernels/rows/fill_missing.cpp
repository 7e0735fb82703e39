#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/simd.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void run_fill_missing(Context& context, const FillMissing& args) {
  const std::int64_t rows = args.out.rows, columns = args.out.columns;
  const auto is_gapless = [&](const auto& view) { return view.row_stride == columns; };
  const bool gapless = is_gapless(args.x) && is_gapless(args.replacement) && is_gapless(args.out);
  const int threads =
      worthwhile_threads(context.threads(), 0.3 * static_cast<double>(args.out.models * rows * columns));
  for (std::int64_t m = 0; m < args.out.models; ++m) {
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) {
      // Rows without gaps are one row, whose vectors straddle no cache lines.
      const std::int64_t step = gapless ? end - begin : 1;
      for (std::int64_t r = begin; r < end; r += step) {
        const float* x = args.x.model(m).row(r);
        const float* replacement = args.replacement.model(m).row(r);
        float* out = args.out.model(m).row(r);
        for_vectors(step * columns, [&](std::int64_t c, int n) {
          const Vec cell = load_some(x + c, n);
          store_some(out + c, select_number(cell, cell, load_some(replacement + c, n)), n);
        });
      }
    });
  }
}

}  // namespace

OpEntry<FillMissing> fill_missing_entry() {
  return {run_fill_missing, [](const Context&, const FillMissing&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
