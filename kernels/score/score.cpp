#include "kernels/cpu/entries.hpp"
#include "kernels/score/score_search.hpp"

/// Scores through an encoder on the CPU: its dense layers, then a search of no steps.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

ScoreByLayers by_layers() { return {dense_forward_entry(), latent_search_entry(), std::int64_t{1} << 20}; }

void zero_missing(Context&, const StackView<const float>& x, const StackView<float>& out) {
  for (std::int64_t m = 0; m < x.models; ++m) {
    for (std::int64_t r = 0; r < x.rows; ++r) {
      const float* from = x.model(m).row(r);
      float* to = out.model(m).row(r);
      for (std::int64_t c = 0; c < x.columns; ++c) to[c] = from[c] == from[c] ? from[c] : 0.0f;
    }
  }
}

std::size_t workspace_bytes(const Context& context, const ReconstructionScore& args) {
  return by_layers().workspace(context, args);
}

void reconstruction_score(Context& context, const ReconstructionScore& args) {
  by_layers().run(context, args, zero_missing);
}

}  // namespace

OpEntry<ReconstructionScore> reconstruction_score_entry() { return {reconstruction_score, workspace_bytes}; }

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
