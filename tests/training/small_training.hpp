#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "cugad/table.hpp"
#include "host/training/gan_training.hpp"
#include "tests/common/random_words.hpp"

namespace cugad::test {

/// Rows in two clusters of unit spread around +-1.
inline Matrix training_rows(std::int64_t rows = 300, std::int64_t columns = 5, std::uint64_t seed = 3) {
  RandomNumbers numbers(seed);
  Matrix matrix(rows, columns);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      matrix.row(r)[c] = static_cast<float>((r % 2 == 0 ? 1.0 : -1.0) + 0.3 * numbers.normal());
  return matrix;
}

/// Every term of training on, networks small.
inline DetectorOptions small_options() {
  DetectorOptions options;
  options.population = 1;
  options.seed = 20;
  options.latent = 3;
  options.hidden = {8, 8};
  options.discriminator_hidden = {8, 8};
  options.dropout = 0.1f;
  options.steps = options.decay_steps = 400;
  options.batch = 16;
  options.learning_rate = options.discriminator_learning_rate = 2e-3f;
  options.coverage_rows = 24;
  options.patience = 0;
  return options;
}

/// All that a training keeps of one model.
inline std::vector<float> state_of(const GanTraining& training, std::int64_t model) {
  std::vector<float> values;
  for (const NetworkState* state : {&training.generator(), &training.discriminator()})
    for (const StackView<float>& view : {state->parameter, state->first_moment, state->second_moment, state->average}) {
      if (!view) continue;
      const float* from = view.model(model).data;
      values.insert(values.end(), from, from + view.columns);
    }
  return values;
}

inline std::vector<float> telemetry_of(const GanTraining& training, std::int64_t model) {
  const ModelTelemetry& told = training.telemetry()[static_cast<std::size_t>(model)];
  return {told.discriminator_loss,
          told.generator_loss,
          told.real_probability,
          told.fake_probability,
          told.discriminator_gradient,
          told.generator_gradient,
          static_cast<float>(told.restorations),
          told.resting ? 1.0f : 0.0f};
}

inline void expect_same_model(const GanTraining& first, std::int64_t first_model, const GanTraining& second,
                              std::int64_t second_model) {
  EXPECT_TRUE(same_bits(state_of(first, first_model), state_of(second, second_model)))
      << "the parameters of model " << first_model << " differ from those of model " << second_model;
  EXPECT_TRUE(same_bits(telemetry_of(first, first_model), telemetry_of(second, second_model)))
      << "the telemetry of model " << first_model << " differs from that of model " << second_model;
}

inline std::unique_ptr<GanTraining> make_training(const DetectorOptions& options, const Matrix& rows, int threads = 1) {
  return std::make_unique<GanTraining>(Device::open("cpu", threads), options, rows.view());
}

inline std::unique_ptr<GanTraining> trained(const DetectorOptions& options, const Matrix& rows, int threads = 1,
                                            const FitControl& control = {}) {
  auto training = make_training(options, rows, threads);
  training->run(control);
  return training;
}

}  // namespace cugad::test
