#include <algorithm>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/philox.hpp"
#include "kernels/random/normal.hpp"
#include "kernels/random/uniform.hpp"
#include "kernels/rows/fence.hpp"

/// The words of row r: with B = ceil(columns / 4), the row owns the blocks r * (1 + B) to r * (1 + B) + B of the
/// stream. Word 0 of the first block is the row's own draw, u_r = (word >> 8) * 2^-24; the words of the other blocks,
/// in order, belong to the columns, u_c = (word of column c >> 8) * 2^-24:
///   r % 3 == 0: x_c + deviation * N_c, deviation = float(0.1 * exp(u_r log 20)), see kernels/rows/fence.hpp; N_c from
///               the words of columns 2 (c / 2) and 2 (c / 2) + 1, cosine for even c, sine for odd c
///   r % 3 == 1: column c comes from row (r + 1) mod rows if u_c < u_r
///   r % 3 == 2: -limit + 2 limit u_c
/// Sums of products are fused.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int chunk = 128;  ///< columns; a multiple of 4

void add_noise(const float* x, float deviation, const std::uint32_t* words, int columns, float* out) {
  float normal[chunk];
  for (int i = 0; i < (columns + 1) / 2; ++i) {
    const NormalPair pair = box_muller(words[2 * i], words[2 * i + 1]);
    normal[2 * i] = pair.cosine;
    normal[2 * i + 1] = pair.sine;
  }
  for (int c = 0; c < columns; ++c) out[c] = multiply_add(deviation, normal[c], x[c]);
}

void run_row(const FenceRows& args, std::int64_t model, std::int64_t r) {
  const MatrixView<const float> real = args.real.model(model);
  const std::int64_t rows = real.rows, columns = real.columns;
  const float *x = real.row(r), *next = real.row(r + 1 == rows ? 0 : r + 1);
  float* out = args.out.model(model).row(r);
  const auto block = static_cast<std::uint64_t>(r * (1 + (columns + 3) / 4));
  const float u = unit_uniform(philox_block(args.key, model, block)[0]);
  const float deviation = fence_deviation(u);
  for (std::int64_t first = 0; first < columns; first += chunk) {
    const int count = static_cast<int>(std::min<std::int64_t>(chunk, columns - first));
    std::uint32_t words[chunk];
    const std::uint64_t first_word = 4 * (block + 1) + static_cast<std::uint64_t>(first);
    philox_words(args.key, model, first_word, (count + 1) / 2 * 2, words);
    if (r % 3 == 0) {
      add_noise(x + first, deviation, words, count, out + first);
    } else if (r % 3 == 1) {
      for (int c = 0; c < count; ++c) out[first + c] = unit_uniform(words[c]) < u ? next[first + c] : x[first + c];
    } else {
      for (int c = 0; c < count; ++c)
        out[first + c] = multiply_add(2.0f * args.limit, unit_uniform(words[c]), -args.limit);
    }
  }
}

void run_fence_rows(Context& context, const FenceRows& args) {
  const std::int64_t rows = args.real.rows;
  const double work = static_cast<double>(args.real.models * rows) * (60.0 + static_cast<double>(args.real.columns));
  const int threads = worthwhile_threads(context.threads(), work);
  for (std::int64_t m = 0; m < args.real.models; ++m) {
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) run_row(args, m, r);
    });
  }
}

}  // namespace

OpEntry<FenceRows> fence_rows_entry() {
  return {run_fence_rows, [](const Context&, const FenceRows&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
