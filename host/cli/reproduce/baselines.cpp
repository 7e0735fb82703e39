#include "host/cli/reproduce/baselines.hpp"

#include <algorithm>
#include <cmath>

#include "cugad/error.hpp"
#include "cugad/ops.hpp"
#include "cugad/rng.hpp"
#include "host/detector/transform.hpp"

namespace cugad::cli {
namespace {

constexpr std::uint32_t draw_seed = 1;
constexpr std::int32_t most_neighbours = 5;

std::vector<float> random_scores(const Trial& trial) {
  std::vector<float> scores;
  for (std::int64_t row = 0; row < trial.test.rows; ++row) {
    const auto purpose = static_cast<std::uint32_t>(RandomPurpose::evaluation);
    const auto words = philox4x32_10({static_cast<std::uint32_t>(row), 0, 0, purpose}, draw_seed);
    scores.push_back(static_cast<float>(words[0] >> 8) * 0x1p-24f);
  }
  return scores;
}

double mean_of(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/// The mean of the two middle values if their number is even, as in numpy.
double median_of(std::vector<float> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  const double upper = *middle;
  return values.size() % 2 == 1 ? upper : (*std::max_element(values.begin(), middle) + upper) / 2;
}

/// L1 distance to the centre that `centre_of` finds in each column's values; missing cells count nothing.
template <class Centre>
std::vector<float> distance_to(const Trial& trial, Centre centre_of) {
  std::vector<double> distance(static_cast<std::size_t>(trial.test.rows));
  std::vector<float> values;
  for (std::int64_t column = 0; column < trial.train.columns; ++column) {
    values.clear();
    for (std::int64_t row = 0; row < trial.train.rows; ++row) {
      const float value = trial.train.row(row)[column];
      if (!std::isnan(value)) values.push_back(value);
    }
    if (values.empty()) continue;
    const double centre = centre_of(values);
    for (std::size_t row = 0; row < distance.size(); ++row) {
      const double value = trial.test.row(static_cast<std::int64_t>(row))[column];
      if (!std::isnan(value)) distance[row] += std::abs(value - centre);
    }
  }
  return {distance.begin(), distance.end()};
}

std::vector<float> neighbour_scores(const Trial& trial, Scale scale, const std::string& log1p, int threads) {
  DetectorOptions options;
  options.log1p = {log1p};
  options.scale = scale;
  std::vector<std::string> names;
  for (std::int64_t c = 0; c < trial.train.columns; ++c) names.push_back(std::to_string(c));
  // The baseline runs on the host: it is a figure to compare with, not a method of ours.
  Context context = Device::open("cpu", threads).make_context();
  FeatureTransform transform;
  transform.fit(context, trial.train.view(), options, names, trial.train.columns, {});
  Matrix train(trial.train.rows, trial.train.columns), test(trial.test.rows, trial.test.columns);
  transform.apply(context, trial.train.view(), train.view());
  transform.apply(context, trial.test.view(), test.view());
  const auto k = static_cast<std::int32_t>(std::min<std::int64_t>(most_neighbours, train.rows));
  std::vector<float> distance(test.rows * k), scores(test.rows);
  cugad::run(context, NearestRows{.query = {test.data.data(), 1, test.rows, test.columns},
                                  .bank = {train.data.data(), 1, train.rows, train.columns},
                                  .neighbours = k,
                                  .distance = {distance.data(), 1, test.rows, k},
                                  .index = {}});
  for (std::int64_t r = 0; r < test.rows; ++r) {
    for (std::int32_t i = 0; i < k; ++i) scores[r] += distance[r * k + i] / static_cast<float>(k);
  }
  return scores;
}

}  // namespace

Baseline random_baseline() {
  return {"random", "random", [](const Trial& trial, int) { return random_scores(trial); }};
}

Baseline mean_baseline() {
  return {"mean", "raw L1 to the mean", [](const Trial& trial, int) { return distance_to(trial, mean_of); }};
}

Baseline median_baseline() {
  return {"median", "raw L1 to the median", [](const Trial& trial, int) { return distance_to(trial, median_of); }};
}

Baseline neighbour_baseline(const std::string& key, const std::string& name, Scale scale, const std::string& log1p) {
  return {key, name, [=](const Trial& trial, int threads) { return neighbour_scores(trial, scale, log1p, threads); }};
}

}  // namespace cugad::cli
