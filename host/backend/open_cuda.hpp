#pragma once

#include <memory>
#include <string_view>

#include "host/backend/backend.hpp"

namespace cugad {

/// Opens a CUDA device by its name, "cuda" or "cuda:N" (a build on the emulator: "emulated"). Throws Error{unsupported}
/// that says why there is none: not built in, no driver, no device, too old.
std::shared_ptr<Backend> open_cuda(std::string_view name);

/// Whether an address is known to be memory of a CUDA device. Known once open_cuda() has opened one: asking before
/// would start the CUDA runtime in a process that may not want it.
bool is_cuda_device_memory(const void* memory);

}  // namespace cugad
