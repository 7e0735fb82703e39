#include <algorithm>

#include "kernels/cpu/entries.hpp"
#include "kernels/sigmoid_cross_entropy/terms_chunk.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void put(const StackView<float>& view, std::int64_t model, float value, bool accumulate) {
  if (!view) return;
  float& place = *view.model(model).data;
  place = accumulate ? place + value : value;
}

void run_model(const SigmoidCrossEntropy& args, std::int64_t model) {
  const std::int64_t rows = args.logit.rows;
  const MatrixView<const float> logit = args.logit.model(model);
  const float scale = args.weight / static_cast<float>(rows);
  double loss = 0.0, probability = 0.0;
  TermsChunk part;
  std::fill_n(part.target, part.size, args.target);
  for (std::int64_t r = 0; r < rows; r += part.size) {
    const std::int64_t count = std::min<std::int64_t>(part.size, rows - r);
    for (std::int64_t i = 0; i < count; ++i) part.logit[i] = *logit.row(r + i);
    part.evaluate(count);
    for (std::int64_t i = 0; i < count; ++i) {
      loss += part.per_row[i];
      probability += part.probability[i];
    }
    if (args.dlogit) {
      const MatrixView<float> dlogit = args.dlogit.model(model);
      for (std::int64_t i = 0; i < count; ++i) *dlogit.row(r + i) = scale * part.slope[i];
    }
    if (args.per_row) {
      const MatrixView<float> per_row = args.per_row.model(model);
      for (std::int64_t i = 0; i < count; ++i) *per_row.row(r + i) = part.per_row[i];
    }
  }
  const auto n = static_cast<double>(rows);
  put(args.loss, model, static_cast<float>(static_cast<double>(args.weight) * loss / n), args.accumulate);
  put(args.mean_probability, model, static_cast<float>(probability / n), args.accumulate);
}

void run_sigmoid_cross_entropy(Context&, const SigmoidCrossEntropy& args) {
  if (args.logit.rows == 0) return;
  for (std::int64_t m = 0; m < args.logit.models; ++m) run_model(args, m);
}

}  // namespace

OpEntry<SigmoidCrossEntropy> sigmoid_cross_entropy_entry() {
  return {run_sigmoid_cross_entropy, [](const Context&, const SigmoidCrossEntropy&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
