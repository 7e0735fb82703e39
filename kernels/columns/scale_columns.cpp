#include <algorithm>
#include <cmath>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int chunk = 64;  ///< columns; read before any is written, because y may be x

void run_rows(const ScaleColumns& args, std::int64_t model, std::int64_t begin, std::int64_t end) {
  const MatrixView<const float> in = args.x.model(model);
  const MatrixView<float> out = args.y.model(model);
  const double *shift = args.shift.model(model).data, *scale = args.scale.model(model).data;
  const std::uint8_t* log1p = args.log1p ? args.log1p.model(model).data : nullptr;
  if (log1p != nullptr && std::all_of(log1p, log1p + in.columns, [](std::uint8_t flag) { return flag == 0; })) {
    log1p = nullptr;
  }
  for (std::int64_t r = begin; r < end; ++r) {
    for (std::int64_t first = 0; first < in.columns; first += chunk) {
      const int count = static_cast<int>(std::min<std::int64_t>(chunk, in.columns - first));
      const float* x = in.row(r) + first;
      float* y = out.row(r) + first;
      double value[chunk];
      for (int c = 0; c < count; ++c) value[c] = static_cast<double>(x[c]);
      if (log1p != nullptr) {
        for (int c = 0; c < count; ++c) {
          if (log1p[first + c] != 0) value[c] = std::copysign(std::log1p(std::abs(value[c])), value[c]);
        }
      }
      for (int c = 0; c < count; ++c) y[c] = static_cast<float>((value[c] - shift[first + c]) * scale[first + c]);
    }
  }
}

void run_scale_columns(Context& context, const ScaleColumns& args) {
  const double cells = static_cast<double>(args.x.models * args.x.rows) * static_cast<double>(args.x.columns);
  const int threads = worthwhile_threads(context.threads(), cells * (args.log1p ? 5.0 : 0.5));
  for (std::int64_t m = 0; m < args.x.models; ++m) {
    parallel_ranges(threads, args.x.rows,
                    [&](int, std::int64_t begin, std::int64_t end) { run_rows(args, m, begin, end); });
  }
}

}  // namespace

OpEntry<ScaleColumns> scale_columns_entry() {
  return {run_scale_columns, [](const Context&, const ScaleColumns&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
