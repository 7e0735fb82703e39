#pragma once

#include "kernels/op_table.hpp"

namespace cugad {

/// The ops of the CUDA backend.
OpTable cuda_op_table();

}  // namespace cugad
