#include <cmath>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/simd.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int partials = 16;
constexpr int vectors = partials / width;

/// The sum over columns of |a - b| or (a - b)^2. Column c goes to partial sum c % 16; products are rounded before they
/// are added, so that every instruction set gives the same bits.
template <bool squared>
float sum_of_terms(const float* a, const float* b, std::int64_t columns) {
  const Vec zero = set(0.0f);
  Vec sum[vectors];
  for (Vec& s : sum) s = zero;
  const auto add = [&](int v, Vec x, Vec y) {
    const Vec difference = select_number(x, x - y, zero);
    sum[v] = sum[v] + (squared ? difference * difference : absolute(difference));
  };
  std::int64_t c = 0;
  for (; c + partials <= columns; c += partials) {
    for (int v = 0; v < vectors; ++v) add(v, load(a + c + v * width), load(b + c + v * width));
  }
  for (int v = 0; c < columns; c += width, ++v) {
    const int count = static_cast<int>(columns - c < width ? columns - c : width);
    add(v, load_some(a + c, count), load_some(b + c, count));
  }
  float partial[partials];
  for (int v = 0; v < vectors; ++v) store(partial + v * width, sum[v]);
  for (int half = partials / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) partial[i] += partial[i + half];
  }
  return partial[0];
}

void run_rows(const RowDistance& args, std::int64_t model, std::int64_t begin, std::int64_t end) {
  const MatrixView<const float> a = args.a.model(model), b = args.b.model(model);
  const MatrixView<float> distance = args.distance.model(model);
  for (std::int64_t r = begin; r < end; ++r) {
    float& out = *distance.row(r);
    if (args.metric == Distance::l1) {
      out = sum_of_terms<false>(a.row(r), b.row(r), a.columns);
    } else {
      const float sum = sum_of_terms<true>(a.row(r), b.row(r), a.columns);
      out = args.metric == Distance::l2 ? std::sqrt(sum) : sum;
    }
  }
}

void run_row_distance(Context& context, const RowDistance& args) {
  const std::int64_t rows = args.a.rows;
  const double work = static_cast<double>(args.a.models * rows) * (20.0 + 0.2 * static_cast<double>(args.a.columns));
  const int threads = worthwhile_threads(context.threads(), work);
  for (std::int64_t m = 0; m < args.a.models; ++m) {
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) { run_rows(args, m, begin, end); });
  }
}

}  // namespace

OpEntry<RowDistance> row_distance_entry() {
  return {run_row_distance, [](const Context&, const RowDistance&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
