#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/columns/scaled_cell.hpp"
#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int chunk = 64;  ///< columns; read before any is written, because y may be x

/// log(1 + x) for x >= 0 to 4 ulp, in a form that is vectorised: with 1 + x = 2^k (2 + f) / (2 - f) it is k log 2 +
/// 2 artanh(f / 2), the series of which is cut off below 2^-54; what 1 + x rounds away is added to first order.
inline double log1p_positive(double x) {
  const double sum = 1.0 + x, rounded_away = x < 1.0 ? x - (sum - 1.0) : 1.0 - (sum - x);
  const auto bits = std::bit_cast<std::uint64_t>(sum);
  const std::uint64_t exponent = (bits - 0x3fe6a09e667f3bcdu) >> 52;  // the mantissa goes to [sqrt(1/2), sqrt(2))
  const double mantissa = std::bit_cast<double>(bits - (exponent << 52));
  const double k = std::bit_cast<double>(exponent | 0x4330000000000000u) - 0x1p52;  // AVX2 converts no integers
  const double s = (mantissa - 1.0) / (mantissa + 1.0), z = s * s;
  double series = 1.0 / 21.0;
  for (int n = 19; n >= 1; n -= 2) series = series * z + 1.0 / n;
  const double result = k * 0.69314718055994530942 + (2.0 * s * series + rounded_away / sum);
  return x < 1e300 ? result : x;
}

/// Rows [begin, end) of the columns [first, first + count).
void run_rows(const ScaleColumns& args, std::int64_t model, std::int64_t first, int count, std::int64_t begin,
              std::int64_t end) {
  const MatrixView<const float> in = args.x.model(model);
  const MatrixView<float> out = args.y.model(model);
  const double *shift = args.shift.model(model).data + first, *scale = args.scale.model(model).data + first;
  const std::uint8_t* log1p = args.log1p ? args.log1p.model(model).data + first : nullptr;
  int under_log[chunk], logs = 0;
  for (int c = 0; c < count && log1p != nullptr; ++c) {
    if (log1p[c] != 0) under_log[logs++] = c;
  }
  for (std::int64_t r = begin; r < end; ++r) {
    const float* x = in.row(r) + first;
    float* y = out.row(r) + first;
    double value[chunk], magnitude[chunk];
    for (int c = 0; c < count; ++c) value[c] = static_cast<double>(x[c]);
    for (int i = 0; i < logs; ++i) magnitude[i] = std::abs(value[under_log[i]]);
    for (int i = 0; i < logs; ++i) magnitude[i] = log1p_positive(magnitude[i]);
    for (int i = 0; i < logs; ++i) value[under_log[i]] = std::copysign(magnitude[i], value[under_log[i]]);
    for (int c = 0; c < count; ++c) y[c] = scaled_cell((value[c] - shift[c]) * scale[c]);
  }
}

void run_scale_columns(Context& context, const ScaleColumns& args) {
  const double cells = static_cast<double>(args.x.models * args.x.rows) * static_cast<double>(args.x.columns);
  const int threads = worthwhile_threads(context.threads(), cells * (args.log1p ? 5.0 : 0.5));
  for (std::int64_t m = 0; m < args.x.models; ++m) {
    parallel_ranges(threads, args.x.rows, [&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t first = 0; first < args.x.columns; first += chunk) {
        const auto count = static_cast<int>(std::min<std::int64_t>(chunk, args.x.columns - first));
        run_rows(args, m, first, count, begin, end);
      }
    });
  }
}

}  // namespace

OpEntry<ScaleColumns> scale_columns_entry() {
  return {run_scale_columns, [](const Context&, const ScaleColumns&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
