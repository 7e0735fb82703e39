#pragma once

#include "cugad/ops.hpp"

/// Elementwise assignments to stacks of matrices in device memory, in the context's order.
namespace cugad {

inline void copy(Context& context, StackView<const float> from, StackView<float> to) {
  run(context, FillMissing{.x = from, .replacement = from, .out = to});
}

inline void fill(Context& context, StackView<float> out, float value) {
  run(context, FillUniform{.out = out, .key = {}, .low = value, .high = value});
}

/// to += from.
inline void add(Context& context, StackView<const float> from, StackView<float> to) {
  run(context, AddRows{.x = from, .scale = 1.0f, .y = to});
}

}  // namespace cugad
