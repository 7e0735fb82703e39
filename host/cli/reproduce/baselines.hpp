#pragma once

#include <vector>

#include "host/cli/reproduce/protocol.hpp"

/// Trivial scores that work on every table.
namespace cugad::cli {

Baseline random_baseline();
/// Sum of |x - centre| over the raw columns.
Baseline mean_baseline();
Baseline median_baseline();
/// Those of KDD99: its column `count`, and the distance to 1,000 training rows.
std::vector<Baseline> kdd99_baselines();

}  // namespace cugad::cli
