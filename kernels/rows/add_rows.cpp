#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/elementary.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void run_rows(const AddRows& args, std::int64_t model, std::int64_t begin, std::int64_t end) {
  const MatrixView<const float> x = args.x.model(model);
  const MatrixView<float> y = args.y.model(model);
  for (std::int64_t r = begin; r < end; ++r) {
    const float* from = x.row(r);
    float* to = y.row(r);
    for (std::int64_t c = 0; c < y.columns; ++c) to[c] = multiply_add(args.scale, from[c], to[c]);
  }
}

void run_add_rows(Context& context, const AddRows& args) {
  const std::int64_t rows = args.y.rows;
  const double work = static_cast<double>(args.y.models * rows) * (5.0 + 0.3 * static_cast<double>(args.y.columns));
  const int threads = worthwhile_threads(context.threads(), work);
  for (std::int64_t m = 0; m < args.y.models; ++m) {
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) { run_rows(args, m, begin, end); });
  }
}

}  // namespace

OpEntry<AddRows> add_rows_entry() {
  return {run_add_rows, [](const Context&, const AddRows&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
