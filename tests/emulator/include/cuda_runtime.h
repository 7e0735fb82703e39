#pragma once

/// The emulator's stand-in for the toolkit's header: the same names, so that .cu files compile with a host compiler.
/// What each part stands for, and what is not modelled, is in tests/emulator/README.md.
#if defined(__CUDACC__)
#error "The emulator's cuda_runtime.h is for host compilers; nvcc brings its own"
#endif

#include "emulator/vector_types.hpp"
// Order matters: the qualifiers of the next header are macros.
#include "emulator/intrinsics.hpp"
#include "emulator/lane.hpp"
#include "emulator/runtime_api.hpp"
