#include "cugad/device_memory.hpp"

#include "host/backend/backend.hpp"

namespace cugad {

DeviceMemory::DeviceMemory(const Device& device, std::size_t bytes)
    : device_(device), data_(device_.backend().allocate(bytes)) {}

DeviceMemory::~DeviceMemory() { device_.backend().release(data_); }

}  // namespace cugad
