#include "kernels/score/cell_surprise.hpp"

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

bool any_missing(const float* row, std::int64_t columns) {
  int missing = 0;
  for (std::int64_t c = 0; c < columns; ++c) missing |= row[c] != row[c] ? 1 : 0;
  return missing != 0;
}

void run_cell_surprise(Context& context, const CellSurprise& args) {
  const std::int64_t rows = args.x.rows;
  const int threads = worthwhile_threads(context.threads(), 1.5 * static_cast<double>(rows * args.x.columns));
  for (std::int64_t m = 0; m < args.x.models; ++m) {
    // Without a missing cell only sources in [first, last) can be unusual, of tables of numbers none.
    const MatrixView<const std::int32_t> source = args.source.model(m);
    const auto is_number = [&](std::int64_t s) {
      return static_cast<SourceKind>(source.row(s)[2]) == SourceKind::number;
    };
    std::int64_t first = 0, last = source.rows;
    while (first < last && is_number(first)) ++first;
    while (last > first && is_number(last - 1)) --last;
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        if (source.rows == 0 || any_missing(args.x.model(m).row(r), args.x.columns)) {
          write_cell_surprise(args, m, r, 0, source.rows);
        } else {
          write_cell_surprise(args, m, r, first, last, true);
        }
      }
    });
  }
}

}  // namespace

OpEntry<CellSurprise> cell_surprise_entry() {
  return {run_cell_surprise, [](const Context&, const CellSurprise&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
