#pragma once

#if __cplusplus < 202002L
#error \
    "cugad's headers for C++ need C++20 (CMake: target_compile_features(NAME PRIVATE cxx_std_20)); cugad/cugad.h does not"
#endif

/// Everything in one include.
#include "cugad/arrow.hpp"
#include "cugad/detector.hpp"
#include "cugad/device.hpp"
#include "cugad/device_memory.hpp"
#include "cugad/error.hpp"
#include "cugad/fleet.hpp"
#include "cugad/image.hpp"
#include "cugad/latent.hpp"
#include "cugad/metrics.hpp"
#include "cugad/network.hpp"
#include "cugad/onnx.hpp"
#include "cugad/ops.hpp"
#include "cugad/report.hpp"
#include "cugad/rng.hpp"
#include "cugad/shards.hpp"
#include "cugad/table.hpp"
#include "cugad/table_learner.hpp"
#include "cugad/tensor.hpp"
