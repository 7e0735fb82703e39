#include <algorithm>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/philox.hpp"
#include "kernels/masks/mask.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int chunk = 128;  ///< columns; a multiple of 4

/// Writes the mask of row r, 1 in hidden cells.
void draw_row(const MaskColumns& args, std::int64_t model, std::int64_t r, std::int64_t columns, float* mask) {
  const std::int32_t* group = args.group ? args.group.model(model).data : nullptr;
  const auto block = static_cast<std::uint64_t>(r * mask_blocks(columns));
  const auto own = philox_block(args.key, model, block);
  const RowMask drawn = row_mask(own[0], own[1], args.lowest, args.highest, columns);
  const auto number_of = [&](std::int64_t c) {
    return group == nullptr ? static_cast<std::uint32_t>(c) : static_cast<std::uint32_t>(group[c]);
  };
  const std::uint32_t chosen = number_of(drawn.chosen);
  for (std::int64_t first = 0; first < columns; first += chunk) {
    const std::int64_t count = std::min<std::int64_t>(chunk, columns - first);
    std::uint32_t words[chunk];
    philox_words(args.key, model, 4 * (block + 1) + static_cast<std::uint64_t>(first), count, words);
    for (std::int64_t i = 0; i < count && group != nullptr; ++i) {
      const std::uint32_t number = number_of(first + i);
      if (number == static_cast<std::uint32_t>(first + i)) continue;
      words[i] = philox_block(args.key, model, block + 1 + number / 4)[number % 4];
    }
    for (std::int64_t i = 0; i < count; ++i) {
      mask[first + i] = unit_uniform(words[i]) < drawn.share || number_of(first + i) == chosen ? 1.0f : 0.0f;
    }
  }
}

void run_row(const MaskColumns& args, std::int64_t model, std::int64_t r) {
  const MatrixView<const float> x = args.x.model(model);
  const std::int64_t width = x.columns, columns = args.out.columns - width;
  const float* from = x.row(r);
  float* out = args.out.model(model).row(r);
  float* mask = out + width;
  if (args.pattern) {
    const float* pattern = args.pattern.model(model).data;
    for (std::int64_t c = 0; c < columns; ++c) mask[c] = pattern[c] != 0.0f ? 1.0f : 0.0f;
  } else if (columns > 0) {
    draw_row(args, model, r, columns, mask);
  }
  for (std::int64_t c = 0; c < columns; ++c) {
    const bool is_hidden = mask[c] != 0.0f || from[c] != from[c];
    mask[c] = is_hidden ? 1.0f : 0.0f;
    out[c] = is_hidden ? 0.0f : from[c];
  }
  for (std::int64_t c = columns; c < width; ++c) out[c] = from[c] != from[c] ? 0.0f : from[c];
}

void run_mask_columns(Context& context, const MaskColumns& args) {
  const std::int64_t rows = args.x.rows;
  const double per_row = args.pattern ? 5.0 : 30.0;
  const double work = static_cast<double>(args.x.models * rows) * (per_row + static_cast<double>(args.out.columns));
  const int threads = worthwhile_threads(context.threads(), work);
  for (std::int64_t m = 0; m < args.x.models; ++m) {
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) run_row(args, m, r);
    });
  }
}

}  // namespace

OpEntry<MaskColumns> mask_columns_entry() {
  return {run_mask_columns, [](const Context&, const MaskColumns&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
