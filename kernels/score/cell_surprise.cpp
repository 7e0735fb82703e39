#include "kernels/score/cell_surprise.hpp"

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void run_cell_surprise(Context& context, const CellSurprise& args) {
  const std::int64_t rows = args.x.rows;
  const int threads = worthwhile_threads(context.threads(), 1.5 * static_cast<double>(rows * args.x.columns));
  for (std::int64_t m = 0; m < args.x.models; ++m) {
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) write_cell_surprise(args, m, r);
    });
  }
}

}  // namespace

OpEntry<CellSurprise> cell_surprise_entry() {
  return {run_cell_surprise, [](const Context&, const CellSurprise&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
