#pragma once

/// Everything in one include.
#include "cugad/detector.hpp"
#include "cugad/device.hpp"
#include "cugad/error.hpp"
#include "cugad/fleet.hpp"
#include "cugad/metrics.hpp"
#include "cugad/network.hpp"
#include "cugad/ops.hpp"
#include "cugad/rng.hpp"
#include "cugad/table.hpp"
#include "cugad/tensor.hpp"
