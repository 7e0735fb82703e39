#pragma once

/// The emulator's replacement of the toolkit's header: the same names, so that .cu files compile with a host compiler.
/// tests/emulator/README.md describes each part and the limits of the model.
#if defined(__CUDACC__)
#error "The emulator's cuda_runtime.h is for host compilers; nvcc brings its own"
#endif

#include "emulator/vector_types.hpp"
// Order matters: the qualifiers of the next header are macros.
#include "emulator/intrinsics.hpp"
#include "emulator/lane.hpp"
#include "emulator/runtime_api.hpp"
