#include <cmath>
#include <limits>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/simd.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int partials = 16;
constexpr int vectors = partials / width;

/// What happens to |a - b| before it is summed or squared.
struct Scaling {
  const float* column_scale;  ///< null: 1
  float limit;                ///< infinity: none
};

/// The sum over columns of |a - b| or (a - b)^2. Column c goes to partial sum c % 16; products are rounded before they
/// are added, so that every instruction set gives the same bits.
template <bool squared, bool scaled>
float sum_of_terms(const float* a, const float* b, std::int64_t columns, const Scaling& scaling) {
  const Vec zero = set(0.0f), limit = set(scaling.limit);
  Vec sum[vectors];
  for (Vec& s : sum) s = zero;
  const auto add = [&](int v, std::int64_t first, int count) {
    const Vec x = load_some(a + first, count), y = load_some(b + first, count);
    Vec difference = select_number(x, x - y, zero);
    if constexpr (scaled) {
      difference = absolute(difference);
      if (scaling.column_scale != nullptr) difference = difference * load_some(scaling.column_scale + first, count);
      difference = select_less(limit, difference, limit, difference);
    }
    sum[v] = sum[v] + (squared ? difference * difference : scaled ? difference : absolute(difference));
  };
  std::int64_t c = 0;
  for (; c + partials <= columns; c += partials) {
    for (int v = 0; v < vectors; ++v) add(v, c + v * width, width);
  }
  for (int v = 0; c < columns; c += width, ++v) {
    const int count = static_cast<int>(columns - c < width ? columns - c : width);
    add(v, c, count);
  }
  float partial[partials];
  for (int v = 0; v < vectors; ++v) store(partial + v * width, sum[v]);
  for (int half = partials / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) partial[i] += partial[i + half];
  }
  return partial[0];
}

template <bool squared, bool scaled>
void run_rows(const RowDistance& args, std::int64_t model, std::int64_t begin, std::int64_t end) {
  const MatrixView<const float> a = args.a.model(model), b = args.b.model(model);
  const MatrixView<float> distance = args.distance.model(model);
  const Scaling scaling = {args.column_scale.model(model).data,
                           args.limit > 0.0f ? args.limit : std::numeric_limits<float>::infinity()};
  for (std::int64_t r = begin; r < end; ++r) {
    const float sum = sum_of_terms<squared, scaled>(a.row(r), b.row(r), a.columns, scaling);
    *distance.row(r) = args.metric == Distance::l2 ? std::sqrt(sum) : sum;
  }
}

void run_row_distance(Context& context, const RowDistance& args) {
  const std::int64_t rows = args.a.rows;
  const double work = static_cast<double>(args.a.models * rows) * (20.0 + 0.2 * static_cast<double>(args.a.columns));
  const int threads = worthwhile_threads(context.threads(), work);
  const bool l1 = args.metric == Distance::l1, scaled = args.column_scale || args.limit > 0.0f;
  const auto run = scaled ? l1 ? run_rows<false, true> : run_rows<true, true>
                   : l1 ? run_rows<false, false>
                          : run_rows<true, false>;
  for (std::int64_t m = 0; m < args.a.models; ++m) {
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) { run(args, m, begin, end); });
  }
}

}  // namespace

OpEntry<RowDistance> row_distance_entry() {
  return {run_row_distance, [](const Context&, const RowDistance&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
