#include <algorithm>
#include <string>

#include "cugad/error.hpp"
#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void run_rows(const GatherRows& args, std::int64_t model, std::int64_t begin, std::int64_t end) {
  const MatrixView<const float> source = args.source.model(model);
  const MatrixView<const std::int32_t> index = args.index.model(model);
  const MatrixView<float> out = args.out.model(model);
  for (std::int64_t r = begin; r < end; ++r) {
    const std::int32_t from = *index.row(r);
    if (from < 0 || from >= source.rows) {
      throw Error(ErrorCode::invalid_argument, "gather_rows: index " + std::to_string(from) + " in row " +
                                                   std::to_string(r) + " of model " + std::to_string(model) +
                                                   ", expected a value in [0, " + std::to_string(source.rows) + ")");
    }
    std::copy_n(source.row(from), source.columns, out.row(r));
  }
}

void run_gather_rows(Context& context, const GatherRows& args) {
  const std::int64_t rows = args.out.rows;
  const double work = static_cast<double>(args.out.models * rows) * (5.0 + 0.2 * static_cast<double>(args.out.columns));
  const int threads = worthwhile_threads(context.threads(), work);
  for (std::int64_t m = 0; m < args.out.models; ++m) {
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) { run_rows(args, m, begin, end); });
  }
}

}  // namespace

OpEntry<GatherRows> gather_rows_entry() {
  return {run_gather_rows, [](const Context&, const GatherRows&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
