#pragma once

#include "tests/common/device.hpp"

namespace cugad::test {

/// Whether all backends under test that have a fused multiply-add form products in one order: in bf16 the instruction
/// sets of the CPU do; tensor cores have an order of their own.
inline bool same_products(Precision precision) {
  return precision == Precision::fp32 || (precision == Precision::bf16 && device_name() == "cpu");
}

}  // namespace cugad::test
