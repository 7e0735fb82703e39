#include <algorithm>

#include "kernels/cpu/entries.hpp"
#include "kernels/masks/row_weight.hpp"
#include "kernels/sigmoid_cross_entropy/terms_chunk.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

struct Sums {
  double loss = 0.0, probability = 0.0;  ///< of means over a row's cells
};

/// Evaluates a row of logits; adds its means to the sums. `mask`, `x` and `dlogit` may be null, `dlogit` be `logit`.
void run_row(const CellCrossEntropy& args, const float* logit, const float* mask, const float* x, std::int64_t rows,
             float* dlogit, TermsChunk& part, Sums& sums) {
  const std::int64_t columns = args.logit.columns;
  const auto is_there = [x](std::int64_t c) { return x == nullptr || x[c] == x[c]; };
  const auto is_hidden = [mask](std::int64_t c) { return mask != nullptr && mask[c] != 0.0f; };
  std::int64_t cells = 0, seen = 0;
  for (std::int64_t c = 0; c < columns; ++c) {
    cells += is_there(c) && (!args.masked_only || is_hidden(c)) ? 1 : 0;
    seen += is_there(c) && (mask == nullptr || is_hidden(c)) ? 1 : 0;
  }
  const float scale = row_weight(args.weight, rows, cells);
  double loss = 0.0, probability = 0.0;
  for (std::int64_t first = 0; first < columns; first += part.size) {
    const std::int64_t count = std::min<std::int64_t>(part.size, columns - first);
    for (std::int64_t i = 0; i < count; ++i) {
      part.logit[i] = logit[first + i];
      part.target[i] = is_hidden(first + i) ? args.masked_target : args.target;
    }
    part.evaluate(count);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t c = first + i;
      const bool counts = is_there(c) && (!args.masked_only || is_hidden(c));
      loss += counts ? double{part.per_row[i]} : 0.0;
      probability += is_there(c) && (mask == nullptr || is_hidden(c)) ? double{part.probability[i]} : 0.0;
      if (dlogit != nullptr) dlogit[c] = counts ? scale * part.slope[i] : 0.0f;
    }
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
    TermsChunk part;
    for (std::int64_t r = 0; r < rows; ++r) {
      run_row(args, args.logit.model(m).row(r), args.mask ? args.mask.model(m).row(r) : nullptr,
              args.x ? args.x.model(m).row(r) : nullptr, rows, args.dlogit ? args.dlogit.model(m).row(r) : nullptr,
              part, sums);
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
