#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/latent_search/losses.hpp"
#include "kernels/score/scaled_score.hpp"

/// Scores through an encoder on the CPU: its dense layers, then a search of no steps.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr std::int64_t chunk_bytes = std::int64_t{1} << 20;

ScoreByLayers by_layers() { return {dense_forward_entry(), latent_search_entry(), chunk_bytes}; }

void zero_missing(Context&, const StackView<const float>& x, const StackView<float>& out) {
  for (std::int64_t m = 0; m < x.models; ++m) {
    for (std::int64_t r = 0; r < x.rows; ++r) {
      const float* from = x.model(m).row(r);
      float* to = out.model(m).row(r);
      for_vectors(x.columns, [&](std::int64_t c, int n) {
        const Vec cell = load_some(from + c, n);
        store_some(to + c, select_number(cell, cell, set(0.0f)), n);
      });
    }
  }
}

std::size_t plain_bytes(const Context& context, const ReconstructionScore& args) {
  return by_layers().workspace(context, args);
}
void plain_score(Context& context, const ReconstructionScore& args) { by_layers().run(context, args, zero_missing); }
ScaledScore scaled() { return {{plain_score, plain_bytes}, chunk_bytes}; }

/// The residual of one row, in the search's order of sums; scale may be null.
float scaled_distance(const ReconstructionScore& args, const float* x, const float* generated, const float* scale) {
  const Vec limit = set(args.limit);
  ColumnSum sum;
  for_vectors(args.x.columns, [&](std::int64_t c, int n) {
    const Vec cell = load_some(x + c, n);
    Vec term = absolute(load_some(generated + c, n) - cell);
    if (scale != nullptr) term = term * load_some(scale + c, n);
    if (args.limit > 0.0f) term = select_less(limit, term, limit, term);
    term = select_number(cell, term, set(0.0f));
    Vec& total = sum.at(c);
    total = args.residual_distance == Distance::l1 ? total + term : fused(term, term, total);
  });
  return args.residual_distance == Distance::l2 ? std::sqrt(sum.total()) : sum.total();
}

void score_rows(const ResidualParts& parts, std::int64_t m, std::int64_t begin, std::int64_t end) {
  const ReconstructionScore& args = parts.args;
  const float* scale = args.column_scale ? args.column_scale.model(m).row(0) : nullptr;
  for (std::int64_t r = begin; r < end; ++r) {
    const float residual = scaled_distance(args, args.x.model(m).row(r), parts.reconstruction.model(m).row(r), scale);
    if (args.residual) *args.residual.model(m).row(r) = residual;
    if (args.loss) {
      const float discrimination = *parts.discrimination.model(m).row(r);
      *args.loss.model(m).row(r) = (1.0f - args.lambda) * residual + args.lambda * discrimination;
    }
  }
}

void score_parts(Context& context, const ResidualParts& parts) {
  const StackView<const float>& x = parts.args.x;
  const double work = static_cast<double>(x.models * x.rows) * (20.0 + 0.2 * static_cast<double>(x.columns));
  const int threads = worthwhile_threads(context.threads(), work);
  for (std::int64_t m = 0; m < x.models; ++m) {
    parallel_ranges(threads, x.rows,
                    [&](int, std::int64_t begin, std::int64_t end) { score_rows(parts, m, begin, end); });
  }
}

std::size_t workspace_bytes(const Context& context, const ReconstructionScore& args) {
  return scales_residual(args) ? scaled().workspace(context, args) : plain_bytes(context, args);
}

void reconstruction_score(Context& context, const ReconstructionScore& args) {
  if (!scales_residual(args)) return plain_score(context, args);
  scaled().run(context, args, score_parts);
}

}  // namespace

OpEntry<ReconstructionScore> reconstruction_score_entry() { return {reconstruction_score, workspace_bytes}; }

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
