#include "kernels/combine_scores/combine.hpp"
#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void run_combine_scores(Context& context, const CombineScores& args) {
  const std::int64_t rows = args.score.rows;
  const double work = 30.0 * static_cast<double>(rows * args.residual.models);
  parallel_ranges(worthwhile_threads(context.threads(), work), rows, [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) *args.score.model(0).row(r) = combined_score(args, r);
  });
}

}  // namespace

OpEntry<CombineScores> combine_scores_entry() {
  return {run_combine_scores, [](const Context&, const CombineScores&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
