#pragma once

#include "kernels/cpu/activation.hpp"
#include "kernels/cpu/dropout.hpp"

/// What follows the sums of a layer: activation and dropout, or the tangent of an earlier pass. Dense layers have it
/// inside their product, which is short.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

/// Of an op with the fields of DenseForward.
template <class Args>
struct LayerEnding {
  const Args& args;

  /// A vector of `n` sums of row r of model m, which begins at a column; dropout follows in finish_row.
  void keep(std::int64_t m, std::int64_t r, std::int64_t column, int n, Vec sum) const {
    float* y = args.y.model(m).row(r) + column;
    if (!args.derivative_of) return store_some(y, activate(args.activation, args.slope, sum), n);
    const float keep_share = 1.0f - args.dropout.rate;
    const Vec stored = load_some(args.derivative_of.model(m).row(r) + column, n);
    Vec slope = derivative(args.activation, args.slope, stored * set(keep_share));
    if (args.dropout.rate > 0.0f) slope = slope * set(1.0f / keep_share);
    store_some(y, sum * slope, n);
  }

  /// Drops units of a row whose sums are all kept.
  void finish_row(std::int64_t m, std::int64_t r) const {
    if (args.dropout.rate == 0.0f) return;
    float* y = args.y.model(m).row(r);
    const std::int64_t columns = args.y.columns;
    if (!args.derivative_of) return drop_units(args.dropout, m, r * columns, y, columns);
    const float* stored = args.derivative_of.model(m).row(r);
    for (std::int64_t c = 0; c < columns; ++c) {
      if (stored[c] == 0.0f && __builtin_signbit(stored[c])) y[c] = 0.0f;
    }
  }
};

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
