#pragma once

#include <string>
#include <vector>

#include "cugad/detector.hpp"
#include "host/cli/reproduce/protocol.hpp"

/// Trivial scores that work on every table.
namespace cugad::cli {

Baseline random_baseline();
/// Sum of |x - centre| over the raw columns.
Baseline mean_baseline();
Baseline median_baseline();
/// Mean distance to the 5 nearest training rows. `scale` and `log1p` are options of the detector's transform.
Baseline neighbour_baseline(const std::string& key, const std::string& name, Scale scale, const std::string& log1p);
/// Those of KDD99: its column `count`, and the distance to 1,000 training rows.
std::vector<Baseline> kdd99_baselines();

}  // namespace cugad::cli
