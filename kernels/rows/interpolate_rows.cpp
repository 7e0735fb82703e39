#include <algorithm>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/philox.hpp"
#include "kernels/random/uniform.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int chunk = 128;  ///< rows whose words are drawn at once

void run_rows(const InterpolateRows& args, std::int64_t model, std::int64_t begin, std::int64_t end) {
  const MatrixView<const float> a = args.a.model(model), b = args.b.model(model);
  const MatrixView<float> out = args.out.model(model);
  for (std::int64_t first = begin; first < end; first += chunk) {
    const std::int64_t count = std::min<std::int64_t>(chunk, end - first);
    std::uint32_t words[chunk];
    philox_words(args.key, model, static_cast<std::uint64_t>(first), count, words);
    for (std::int64_t i = 0; i < count; ++i) {
      const float u = unit_uniform(words[i]);
      const float *x = a.row(first + i), *y = b.row(first + i);
      float* to = out.row(first + i);
      for (std::int64_t c = 0; c < out.columns; ++c) to[c] = multiply_add(u, x[c] - y[c], y[c]);
    }
  }
}

void run_interpolate_rows(Context& context, const InterpolateRows& args) {
  const std::int64_t rows = args.out.rows;
  const double work =
      static_cast<double>(args.out.models * rows) * (10.0 + 0.3 * static_cast<double>(args.out.columns));
  const int threads = worthwhile_threads(context.threads(), work);
  for (std::int64_t m = 0; m < args.out.models; ++m) {
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) { run_rows(args, m, begin, end); });
  }
}

}  // namespace

OpEntry<InterpolateRows> interpolate_rows_entry() {
  return {run_interpolate_rows, [](const Context&, const InterpolateRows&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
