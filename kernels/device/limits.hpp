#pragma once

#include <cstddef>

#include "cugad/device.hpp"

/// The properties of the chip that a kernel's launcher reads; code contains no number of one chip.
namespace cugad {

struct DeviceLimits {
  int compute_major = 0, compute_minor = 0;
  int multiprocessors = 1;
  std::size_t shared_memory_per_block = 0;  ///< the most that one block may use
  std::size_t shared_memory_per_multiprocessor = 0;
  std::size_t cache_bytes = 0;  ///< second-level cache
  int capability() const { return 10 * compute_major + compute_minor; }
};

/// Of a context on a CUDA (or emulated) device.
const DeviceLimits& device_limits(const Context& context);

}  // namespace cugad
