#include "kernels/cpu/entries.hpp"
#include "kernels/masks/row_weight.hpp"
#include "kernels/sigmoid_cross_entropy/terms.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

struct Sums {
  double loss = 0.0, probability = 0.0;  ///< of means over a row's cells
};

/// Evaluates a row of logits; adds its means to the sums. `dlogit` may be `logit`, or null.
void run_row(const CellCrossEntropy& args, const float* logit, const float* mask, std::int64_t rows, float* dlogit,
             Sums& sums) {
  const std::int64_t columns = args.logit.columns;
  std::int64_t hidden = 0;
  for (std::int64_t c = 0; c < columns && mask != nullptr; ++c) hidden += mask[c] != 0.0f ? 1 : 0;
  const std::int64_t cells = args.masked_only ? hidden : columns, seen = mask != nullptr ? hidden : columns;
  const float scale = row_weight(args.weight, rows, cells);
  double loss = 0.0, probability = 0.0;
  for (std::int64_t c = 0; c < columns; ++c) {
    const bool is_hidden = mask != nullptr && mask[c] != 0.0f, counts = !args.masked_only || is_hidden;
    const CrossEntropyTerms terms = cross_entropy_terms(logit[c], is_hidden ? args.masked_target : args.target);
    loss += counts ? double{terms.per_row} : 0.0;
    probability += mask == nullptr || is_hidden ? double{terms.probability} : 0.0;
    if (dlogit != nullptr) dlogit[c] = counts ? scale * terms.slope : 0.0f;
  }
  if (cells > 0) sums.loss += loss / static_cast<double>(cells);
  if (seen > 0) sums.probability += probability / static_cast<double>(seen);
}

void put(const StackView<float>& view, std::int64_t model, double value, bool accumulate) {
  if (!view) return;
  float& place = *view.model(model).data;
  place = accumulate ? place + static_cast<float>(value) : static_cast<float>(value);
}

void run_cell_cross_entropy(Context&, const CellCrossEntropy& args) {
  const std::int64_t rows = args.logit.rows;
  if (rows == 0) return;
  for (std::int64_t m = 0; m < args.logit.models; ++m) {
    Sums sums;
    for (std::int64_t r = 0; r < rows; ++r) {
      run_row(args, args.logit.model(m).row(r), args.mask ? args.mask.model(m).row(r) : nullptr, rows,
              args.dlogit ? args.dlogit.model(m).row(r) : nullptr, sums);
    }
    const auto n = static_cast<double>(rows);
    put(args.loss, m, double{args.weight} * sums.loss / n, args.accumulate);
    put(args.mean_probability, m, sums.probability / n, args.accumulate);
  }
}

}  // namespace

OpEntry<CellCrossEntropy> cell_cross_entropy_entry() {
  return {run_cell_cross_entropy, [](const Context&, const CellCrossEntropy&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
