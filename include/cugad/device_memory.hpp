#pragma once

#include <cstddef>

#include "cugad/device.hpp"
#include "cugad/export.h"

namespace cugad {

/// Memory on a device, 64-byte aligned: where scores of rows on a device may stay. Freed after all work that the
/// library and the caller's streams have on it; other streams must be done with it.
class CUGAD_API DeviceMemory {
 public:
  /// Throws Error{out_of_memory}.
  DeviceMemory(const Device& device, std::size_t bytes);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  void* data() const { return data_; }

 private:
  Device device_;
  void* data_;
};

}  // namespace cugad
