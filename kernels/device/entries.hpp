#pragma once

#include "kernels/op_table.hpp"

/// Each op's .cu file defines its entry of the CUDA backend.
namespace cugad::cuda {

#define CUGAD_CUDA_ENTRY(name, Args) OpEntry<Args> name##_entry();
CUGAD_OPS(CUGAD_CUDA_ENTRY)
#undef CUGAD_CUDA_ENTRY

}  // namespace cugad::cuda
