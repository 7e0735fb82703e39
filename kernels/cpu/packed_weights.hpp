#pragma once

#include "cugad/device.hpp"
#include "cugad/tensor.hpp"
#include "kernels/cpu/rounded_multiply.hpp"

/// Weights of dense layers, and banks of generated rows, as the matrix product takes them, kept between calls on
/// contexts whose weights are frozen: at a few rows packing costs as much as the product.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

/// Floats of one model's packed weight; models begin on cache lines.
inline std::int64_t packed_floats(std::int64_t in, std::int64_t out) { return rounded_up(packed_size(in, out), 16); }

/// The kept weights [models, out, in], packed for x W^T, packed_floats(in, out) apart; null unless they are frozen.
inline const float* kept_weights(Context& context, const StackView<const float>& weight, bool is_rounded = false) {
  if (!context.has_frozen_weights()) return nullptr;
  const std::int64_t in = weight.columns, out = weight.rows, floats = packed_floats(in, out);
  return static_cast<const float*>(context.keep(
      {reinterpret_cast<std::intptr_t>(weight.data), weight.models, weight.model_stride, weight.row_stride,
       is_rounded ? -in : in, out},
      sizeof(float) * static_cast<std::size_t>(weight.models * floats), [&](void* memory) {
        for (std::int64_t m = 0; m < weight.models; ++m) {
          (is_rounded ? pack_rounded_columns : pack_columns)(weight.data + m * weight.model_stride, weight.row_stride,
                                                             in, out, static_cast<float*>(memory) + m * floats);
        }
      }));
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
