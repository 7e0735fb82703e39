#pragma once

#include <string>
#include <vector>

#include "host/cli/reproduce/baseline_inputs.hpp"

/// Scores by Euclidean distance to the nearest training rows.
namespace cugad::cli {

/// Distance to the k-th nearest training row, k at most 5 (Ramaswamy, Rastogi, Shim 2000).
Baseline kth_neighbour_baseline(const std::string& key, const std::string& name, std::int32_t k, const Units& units);
/// Mean distance to the 5 nearest training rows (Angiulli, Pizzuti 2002); DTE-NP (Livernoche 2024) ranks the same.
Baseline mean_neighbour_baseline(const std::string& key, const std::string& name, const Units& units);
/// d1 + dm: u(d1) + u(dm), d1 the distance to the nearest training row, dm the mean distance to the 5 nearest;
/// u(s) = sign(z) log(1 + |z|), z = (s - median) / spread, the median and the spread those of the training rows, each
/// left out of its own neighbours.
Baseline summed_distances_baseline();
constexpr const char* summed_distances_key = "d1_dm";

/// The median of scores, and the spread (p95 - p5) / 3.29: a normal distribution's deviation.
class RobustUnits {
 public:
  /// Without scores 0 and 1; the spread of scores that agree from p5 to p95 is 1.
  explicit RobustUnits(const std::vector<float>& scores);
  double compressed(double score) const;

 private:
  double median_ = 0, spread_ = 1;
};

}  // namespace cugad::cli
