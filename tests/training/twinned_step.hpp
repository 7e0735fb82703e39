#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "cugad/error.hpp"
#include "tests/network/population.hpp"
#include "tests/training/small_training.hpp"

/// Training steps beside float64 twins of their networks, for central differences of whole losses.
namespace cugad::test {

inline double softplus(double value) { return std::max(value, 0.0) + std::log1p(std::exp(-std::abs(value))); }

inline std::vector<double> row_of(const StackView<float>& view, std::int64_t r) {
  const float* row = view.model(0).row(r);
  return {row, row + view.columns};
}

inline double mean_square(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}
inline double mean_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

/// A training step of one model with its memory, and the twins of its networks.
template <class Step>
struct TwinnedStep {
  /// `group`: MethodNetworks::group.
  explicit TwinnedStep(const DetectorOptions& options_, Matrix rows_ = training_rows(40),
                       std::vector<std::int32_t> group = {})
      : options(options_),
        rows(std::move(rows_)),
        training(make_cpu_training(options, rows)),
        step(Device::open("cpu", 1).make_context(), options, grouped(training->networks(), std::move(group)),
             rows.view(), 1) {
    // Biases begin at zero: give each parameter a value of its own.
    RandomNumbers numbers(6);
    for (const Role role : all_roles) {
      if (!training->networks().has(role)) continue;
      const Network& network = training->networks()[role];
      twins.emplace(role, Twin(network.inputs(), layers_of(network.trunk())));
      const NetworkState& state = training->states()[role];
      for (const StackView<float>& view : {state.parameter, state.average})
        for (std::int64_t i = 0; view && i < view.columns; ++i)
          view.data[i] = static_cast<float>(0.5 * numbers.normal());
    }
    step.bind({.seed = options.seed}, training->states(), {&scale, 1, 1, 1}, StepTelemetry::from({reports, 1, 1, 7}));
  }

  static MethodNetworks grouped(MethodNetworks networks, std::vector<std::int32_t> group) {
    networks.group = std::move(group);
    return networks;
  }
  static std::vector<LayerSpec> layers_of(const Mlp& network) {
    std::vector<LayerSpec> layers;
    for (int l = 0; l < network.layers(); ++l) layers.push_back(network.layer(l));
    return layers;
  }
  std::vector<double> parameters(Role role) const {
    const StackView<float> flat = training->states()[role].parameter;
    return {flat.data, flat.data + flat.columns};
  }
  /// The weights that score.
  std::vector<double> scoring(Role role) const {
    const StackView<const float> flat = training->states()[role].scoring();
    return {flat.data, flat.data + flat.columns};
  }
  Twin::Trace trace(Role role, const std::vector<double>& flat, const std::vector<double>& x,
                    const RandomKey* dropout = nullptr, std::int64_t row = 0) const {
    return twins.at(role).forward(flat, x, dropout, 0, row);
  }
  std::vector<double> result(Role role, const std::vector<double>& flat, const std::vector<double>& x) const {
    return trace(role, flat, x).output.back();
  }
  static const std::vector<double>& features(const Twin::Trace& trace) { return trace.output[trace.output.size() - 2]; }
  RandomKey dropout(std::uint32_t lane, std::int64_t t) const {
    return {
        .seed = options.seed, .purpose = RandomPurpose::dropout, .lane = lane, .step = static_cast<std::uint32_t>(t)};
  }

  DetectorOptions options;
  Matrix rows;
  std::shared_ptr<GanTraining> training;
  Step step;
  std::map<Role, Twin> twins;
  float scale = 1.0f, reports[7] = {};
};

}  // namespace cugad::test
