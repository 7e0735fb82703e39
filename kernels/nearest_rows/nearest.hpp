#pragma once

#include "cugad/ops.hpp"

/// The nearest-rows kernels as other ops on the device use them.
namespace cugad::cuda {

struct NearestSearch {
  StackView<const float> query, bank;
  int neighbours = 1;
  Distance metric = Distance::l2;
  bool skip_missing = true;       ///< leave NaN cells of a query out
  StackView<float> distance;      ///< optional
  StackView<std::int32_t> index;  ///< optional
};

std::size_t nearest_scratch(const Context& context, const NearestSearch& search);
/// Asynchronous; `scratch` holds nearest_scratch() bytes.
void find_nearest(Context& context, const NearestSearch& search, void* scratch);

}  // namespace cugad::cuda
