#include <algorithm>

#include "kernels/cpu/entries.hpp"
#include "kernels/masks/row_weight.hpp"
#include "kernels/sigmoid_cross_entropy/terms_chunk.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

struct Sums {
  double loss = 0.0, probability = 0.0;  ///< of means over a row's cells
};

/// Which cells of a part of a row are hidden, count and are seen: 1 in these, else 0. Masks are random, so that
/// branches would be mispredicted; the loops are vectorised.
struct Cells {
  float hidden[TermsChunk::size], counts[TermsChunk::size], sees[TermsChunk::size];

  /// `mask` and `x` may be null.
  Cells(const float* mask, const float* x, bool masked_only, std::int64_t first, std::int64_t count) {
    std::fill_n(hidden, count, 0.0f);
    std::fill_n(counts, count, 1.0f);
    for (std::int64_t i = 0; i < count && mask != nullptr; ++i) hidden[i] = mask[first + i] != 0.0f ? 1.0f : 0.0f;
    for (std::int64_t i = 0; i < count && x != nullptr; ++i) counts[i] = x[first + i] == x[first + i] ? 1.0f : 0.0f;
    for (std::int64_t i = 0; i < count; ++i) sees[i] = mask != nullptr ? counts[i] * hidden[i] : counts[i];
    if (masked_only) std::copy_n(sees, count, counts);
  }
};

/// Evaluates a row of logits; adds its means to the sums. `mask`, `x` and `dlogit` may be null, `dlogit` be `logit`.
void run_row(const CellCrossEntropy& args, const float* logit, const float* mask, const float* x, std::int64_t rows,
             float* dlogit, TermsChunk& part, Sums& sums) {
  const std::int64_t columns = args.logit.columns;
  const auto over_parts = [&](const auto& work) {
    for (std::int64_t first = 0; first < columns; first += TermsChunk::size) {
      const std::int64_t count = std::min<std::int64_t>(TermsChunk::size, columns - first);
      work(first, count, Cells(mask, x, args.masked_only, first, count));
    }
  };
  std::int64_t cells = 0, seen = 0;
  over_parts([&](std::int64_t, std::int64_t count, const Cells& here) {
    for (std::int64_t i = 0; i < count; ++i) cells += here.counts[i] != 0.0f ? 1 : 0;
    for (std::int64_t i = 0; i < count; ++i) seen += here.sees[i] != 0.0f ? 1 : 0;
  });
  const float scale = row_weight(args.weight, rows, cells);
  double loss = 0.0, probability = 0.0;
  over_parts([&](std::int64_t first, std::int64_t count, const Cells& here) {
    std::copy_n(logit + first, count, part.logit);
    for (std::int64_t i = 0; i < count; ++i) part.target[i] = here.hidden[i] != 0.0f ? args.masked_target : args.target;
    part.evaluate(count);
    for (std::int64_t i = 0; i < count; ++i) {
      part.per_row[i] = here.counts[i] != 0.0f ? part.per_row[i] : 0.0f;
      part.slope[i] = here.counts[i] != 0.0f ? scale * part.slope[i] : 0.0f;
      part.probability[i] = here.sees[i] != 0.0f ? part.probability[i] : 0.0f;
    }
    for (std::int64_t i = 0; i < count; ++i) {
      loss += double{part.per_row[i]};
      probability += double{part.probability[i]};
    }
    if (dlogit != nullptr) std::copy_n(part.slope, count, dlogit + first);
  });
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
