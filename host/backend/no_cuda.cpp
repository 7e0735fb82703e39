#include <string>

#include "cugad/error.hpp"
#include "host/backend/open_cuda.hpp"

/// Replaces cuda_backend.cpp in a build without CUDA.
namespace cugad {

std::shared_ptr<Backend> open_cuda(std::string_view name) {
  throw Error(ErrorCode::unsupported,
              "device '" + std::string(name) + "' is not available: this build has no CUDA backend");
}

int count_cuda(std::string_view name) {
  open_cuda(name);
  return 0;
}

bool is_cuda_device_memory(const void*) { return false; }

}  // namespace cugad
