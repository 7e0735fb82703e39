#pragma once

#include <memory>
#include <string_view>

#include "host/backend/backend.hpp"

namespace cugad {

/// Opens a CUDA device by its name, "cuda" or "cuda:N" (a build on the emulator: "emulated"). Throws Error{unsupported}
/// with the reason if there is none: not built in, no driver, no device, too old.
std::shared_ptr<Backend> open_cuda(std::string_view name);

/// How many CUDA devices there are, at least one. Throws Error{unsupported} for `name` with the reason if there is none.
int count_cuda(std::string_view name);

/// Whether an address is memory of a CUDA device. False until open_cuda() has opened one, so that the CUDA runtime is
/// not started in a process without CUDA work.
bool is_cuda_device_memory(const void* memory);

}  // namespace cugad
