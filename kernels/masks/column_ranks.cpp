#include <algorithm>
#include <limits>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/interleaved_sum.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/masks/category.hpp"
#include "kernels/masks/rank.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void run_row(const ColumnRanks& args, std::int64_t r) {
  const float* x = args.x.model(0).row(r);
  const std::int32_t* group = args.group ? args.group.model(0).data : nullptr;
  InterleavedSum total;
  std::int64_t cells = 0;
  constexpr std::int64_t chunk = 16;  // the partial sums
  for (std::int64_t first = 0; first < args.x.columns; first += chunk) {
    double ranks[chunk] = {};
    for (std::int64_t c = first; c < std::min(first + chunk, args.x.columns); ++c) {
      const std::int64_t end = cell_end(group, c, args.x.columns);
      const bool counts = end > c && x[c] == x[c];
      const float mean = counts ? mean_over_models(args.value, r, c, end) : std::numeric_limits<float>::quiet_NaN();
      const std::int32_t count = *args.count.model(0).row(c);
      const float rank = counts ? rank_of(args.table.model(0).row(c), count, mean, args.leave_one_out) : 0.0f;
      if (args.mean) std::fill(args.mean.model(0).row(r) + c, args.mean.model(0).row(r) + end, mean);
      if (args.rank) args.rank.model(0).row(r)[c] = rank;
      ranks[c - first] = double{rank};
      cells += counts ? 1 : 0;
    }
    total.add(ranks, chunk);
  }
  if (!args.score) return;
  *args.score.model(0).row(r) = cells > 0 ? static_cast<float>(total.total() / static_cast<double>(cells))
                                          : std::numeric_limits<float>::quiet_NaN();
}

void run_column_ranks(Context& context, const ColumnRanks& args) {
  const double per_cell = 60.0 + static_cast<double>(args.value.models);
  const double work = static_cast<double>(args.x.rows * args.x.columns) * per_cell;
  parallel_ranges(worthwhile_threads(context.threads(), work), args.x.rows,
                  [&](int, std::int64_t begin, std::int64_t end) {
                    for (std::int64_t r = begin; r < end; ++r) run_row(args, r);
                  });
}

}  // namespace

OpEntry<ColumnRanks> column_ranks_entry() {
  return {run_column_ranks, [](const Context&, const ColumnRanks&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
