#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/interleaved_sum.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/losses/terms.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

double squared_norm(const float* x, std::int64_t columns) {
  InterleavedSquares squares;
  std::int64_t c = 0;
  for (; c + 16 <= columns; c += 16) squares.add(x + c);
  squares.add(x + c, columns - c);
  return squares.total();
}

void run_model(const GradientPenalty& args, std::int64_t model) {
  const MatrixView<const float> gradient = args.gradient.model(model);
  const MatrixView<float> tangent = args.tangent.model(model);
  const double slope = penalty_slope(args.weight, gradient.rows);
  double sum = 0.0;
  for (std::int64_t r = 0; r < gradient.rows; ++r) {
    const float* g = gradient.row(r);
    const PenaltyTerms terms = penalty_terms(squared_norm(g, gradient.columns), args.target, slope);
    sum += terms.loss;
    float* to = tangent.row(r);
    for (std::int64_t c = 0; c < gradient.columns; ++c) to[c] = terms.factor * g[c];
  }
  if (args.loss) *args.loss.model(model).data = mean_loss(args.weight, sum, gradient.rows);
}

void run_gradient_penalty(Context& context, const GradientPenalty& args) {
  const std::int64_t models = args.gradient.models, rows = args.gradient.rows, columns = args.gradient.columns;
  if (rows == 0 || columns == 0) return;
  const double work = static_cast<double>(models * rows) * (20.0 + static_cast<double>(columns));
  parallel_ranges(worthwhile_threads(context.threads(), work), models, [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t m = begin; m < end; ++m) run_model(args, m);
  });
}

}  // namespace

OpEntry<GradientPenalty> gradient_penalty_entry() {
  return {run_gradient_penalty, [](const Context&, const GradientPenalty&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
