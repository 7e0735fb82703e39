#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "cugad/error.hpp"
#include "cugad/table.hpp"
#include "host/backend/transfer.hpp"
#include "host/methods/methods.hpp"
#include "host/training/gan_step.hpp"
#include "host/training/gan_training.hpp"
#include "tests/common/device.hpp"
#include "tests/common/random_words.hpp"
#include "tests/common/stopped_fit.hpp"
#include "tests/common/temporary_directory.hpp"

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
  options.coverage = 1.0f;
  options.coverage_rows = 24;
  options.patience = 0;
  return options;
}

/// All that a training keeps of one model, on the host.
inline std::vector<float> state_of(const GanTraining& training, std::int64_t model) {
  std::vector<float> values;
  Context context = training.device().make_context();
  for (const NetworkState& state : training.states().states)
    for (const StackView<float>& view : state.views()) {
      if (!view) continue;
      const std::vector<float> part = download(context, view.model(model).data, view.columns);
      values.insert(values.end(), part.begin(), part.end());
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

/// A training of rows that lie on its device for as long as it lives.
inline std::shared_ptr<GanTraining> make_training(const DetectorOptions& options, const Matrix& rows,
                                                  const Device& device) {
  struct Resident {
    Resident(const DetectorOptions& options, const Matrix& rows, const Device& device)
        : context(device.make_context()),
          on_device(context, rows.view()),
          training(device, definition_of(options.method), options, {on_device.view()}) {}
    Context context;
    ResidentRows on_device;
    GanTraining training;
  };
  const auto all = std::make_shared<Resident>(options, rows, device);
  return {all, &all->training};
}
inline std::shared_ptr<GanTraining> make_training(const DetectorOptions& options, const Matrix& rows, int threads = 1) {
  return make_training(options, rows, test_device(threads));
}
/// For tests that look into its memory.
inline std::shared_ptr<GanTraining> make_cpu_training(const DetectorOptions& options, const Matrix& rows) {
  return make_training(options, rows, Device::open("cpu", 1));
}

inline std::shared_ptr<GanTraining> trained(const DetectorOptions& options, const Matrix& rows, int threads = 1,
                                            const FitControl& control = {}) {
  auto training = make_training(options, rows, threads);
  training->run(control);
  return training;
}

/// A training stopped at any of these steps and resumed is one that was never stopped; a second phase that began
/// elsewhere is refused.
inline void expect_resumable(const DetectorOptions& options, const Matrix& rows,
                             std::initializer_list<std::int64_t> stops) {
  const auto whole = trained(options, rows);
  for (const std::int64_t at : stops) {
    const TemporaryDirectory directory;
    StoppedFit stop(directory.file("checkpoint"), at);
    EXPECT_THROW(trained(options, rows, 1, stop.control), Error);
    stop.resume();
    DetectorOptions longer = options;
    longer.steps *= 2;
    EXPECT_THROW(trained(longer, rows, 1, stop.control), Error) << "the second phase would begin elsewhere";
    expect_same_model(*trained(options, rows, 1, stop.control), 0, *whole, 0);
  }
}

/// All of a network's parameters.
inline std::vector<float> network_of(const GanTraining& training, Role role, std::int64_t model = 0) {
  Context context = training.device().make_context();
  const StackView<float> flat = training.states()[role].parameter;
  return download(context, flat.model(model).data, flat.columns);
}

/// Changes parameters of one model of a training, wherever they lie.
template <class Change>
void change_parameters(GanTraining& training, std::int64_t model, Change&& change) {
  Context context = training.device().make_context();
  const MatrixView<float> parameter = training.states()[Role::generator].parameter.model(model);
  std::vector<float> values = download(context, parameter.data, parameter.columns);
  change(values);
  context.backend().copy(parameter.data, values.data(), sizeof(float) * values.size(), context.stream());
  context.synchronize();
}

}  // namespace cugad::test
