#include "host/cli/reproduce/baselines.hpp"

#include <algorithm>
#include <cmath>

#include "cugad/rng.hpp"
#include "host/cli/reproduce/baseline_inputs.hpp"

namespace cugad::cli {
namespace {

constexpr std::uint32_t draw_seed = 1;

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

}  // namespace

Baseline random_baseline() {
  return {"random", "random", [](const BaselineInputs& inputs) { return random_scores(inputs.trial()); }};
}

Baseline mean_baseline() {
  return {"mean", "raw L1 to the mean",
          [](const BaselineInputs& inputs) { return distance_to(inputs.trial(), mean_of); }};
}

Baseline median_baseline() {
  return {"median", "raw L1 to the median",
          [](const BaselineInputs& inputs) { return distance_to(inputs.trial(), median_of); }};
}

}  // namespace cugad::cli
