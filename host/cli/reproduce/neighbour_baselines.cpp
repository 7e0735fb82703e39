#include "host/cli/reproduce/neighbour_baselines.hpp"

#include <algorithm>
#include <cmath>

#include "cugad/metrics.hpp"

namespace cugad::cli {
namespace {

template <class Score>
std::vector<float> score_each(std::int64_t rows, Score score) {
  std::vector<float> scores;
  for (std::int64_t row = 0; row < rows; ++row) scores.push_back(static_cast<float>(score(row)));
  return scores;
}

std::vector<float> kth_distances(const NeighbourDistances& nearest, std::int32_t k) {
  const std::int32_t last = std::min(k, nearest.neighbours) - 1;
  return score_each(nearest.rows, [&](std::int64_t row) { return nearest.at(row, last); });
}

std::vector<float> mean_distances(const NeighbourDistances& nearest) {
  return score_each(nearest.rows, [&](std::int64_t row) { return nearest.mean(row); });
}

std::vector<float> summed_distances(BaselineInputs& inputs) {
  const NeighbourDistances& nearest = inputs.nearest();
  const NeighbourDistances& others = inputs.nearest_others();
  const bool alone = others.neighbours == 0;  // a single training row
  const RobustUnits first(alone ? std::vector<float>() : kth_distances(others, 1));
  const RobustUnits mean(alone ? std::vector<float>() : mean_distances(others));
  return score_each(nearest.rows, [&](std::int64_t row) {
    return first.compressed(nearest.at(row, 0)) + mean.compressed(nearest.mean(row));
  });
}

}  // namespace

RobustUnits::RobustUnits(const std::vector<float>& scores) {
  if (scores.empty()) return;
  constexpr double normal_range = 3.29;  // p95 - p5 of a normal distribution, in deviations
  median_ = metrics::percentile(scores, 50);
  const double spread = (metrics::percentile(scores, 95) - metrics::percentile(scores, 5)) / normal_range;
  if (spread > 0) spread_ = spread;
}

double RobustUnits::compressed(double score) const {
  const double units = (score - median_) / spread_;
  return std::copysign(std::log1p(std::abs(units)), units);
}

Baseline kth_neighbour_baseline(const std::string& key, const std::string& name, std::int32_t k, const Units& units) {
  return {key, name, [=](BaselineInputs& inputs) { return kth_distances(inputs.nearest(units), k); }};
}

Baseline mean_neighbour_baseline(const std::string& key, const std::string& name, const Units& units) {
  return {key, name, [=](BaselineInputs& inputs) { return mean_distances(inputs.nearest(units)); }};
}

Baseline summed_distances_baseline() { return {summed_distances_key, "d1 + dm", summed_distances}; }

}  // namespace cugad::cli
