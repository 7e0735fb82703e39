#include <gtest/gtest.h>

#include "cugad/error.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/training/small_training.hpp"

/// Techniques of training in whole runs: each is active, and what makes a run reproducible holds with it. Their
/// gradients: tests/network/techniques.cpp.
namespace cugad::test {
namespace {

struct Case {
  const char* name;
  Method method;
  void (*change)(DetectorOptions& options);
};

const std::vector<Case> cases = {
    {"history_anogan", Method::anogan, [](DetectorOptions& o) { o.historical_averaging = 0.1f; }},
    {"history_alad", Method::alad, [](DetectorOptions& o) { o.historical_averaging = 0.1f; }},
    {"spectral_anogan", Method::anogan, [](DetectorOptions& o) { o.spectral_norm = true; }},
    {"spectral_alad", Method::alad, [](DetectorOptions& o) { o.spectral_norm = true; }},
    {"minibatch_gan", Method::gan,
     [](DetectorOptions& o) {
       o.minibatch_kernels = 4;
       o.r1 = 0.0f;
     }},
    {"minibatch_alad", Method::alad,
     [](DetectorOptions& o) {
       o.minibatch_kernels = 4;
       o.r1 = 0.0f;
     }},
    {"spectral_bigan", Method::bigan, [](DetectorOptions& o) { o.spectral_norm = true; }},
    {"all_egbad", Method::egbad,
     [](DetectorOptions& o) {
       o.batch_norm = o.spectral_norm = true;
       o.virtual_batch = 16;
       o.minibatch_kernels = 4;
       o.r1 = 0.0f;
     }},
    {"virtual_batch_anogan", Method::anogan, [](DetectorOptions& o) { o.virtual_batch = 16; }},
    {"virtual_batch_alad", Method::alad, [](DetectorOptions& o) { o.virtual_batch = 16; }},
    {"batch_norm_alad", Method::alad,
     [](DetectorOptions& o) {
       o.batch_norm = true;
       o.r1 = 0.0f;
     }},
    {"all_alad", Method::alad,
     [](DetectorOptions& o) {
       o.batch_norm = o.spectral_norm = true;
       o.virtual_batch = 16;
       o.minibatch_kernels = 4;
       o.historical_averaging = 0.1f;
       o.r1 = 0.0f;
     }},
};

DetectorOptions plain_options(Method method) {
  DetectorOptions options = small_options();
  options.method = method;
  options.encoder_hidden = options.data_branch = options.latent_branch = {8};
  options.cycle_hidden = {8};
  options.latent_cycle_hidden = {6};
  options.steps = 200;
  return options;
}

class TrainingTechnique : public testing::TestWithParam<std::size_t> {
 protected:
  const Case& tested() const { return cases[GetParam()]; }
  DetectorOptions options() const {
    DetectorOptions options = plain_options(tested().method);
    tested().change(options);
    return options;
  }
};

TEST_P(TrainingTechnique, ChangesTheTraining) {
  DetectorOptions without = plain_options(tested().method);
  without.r1 = options().r1;
  without.steps = 100;
  DetectorOptions with = options();
  with.steps = 100;
  const Matrix rows = training_rows();
  const auto plain = trained(without, rows), changed = trained(with, rows);
  const auto weights = [](const GanTraining& training) {
    Context context = training.device().make_context();
    return download(context, training.states()[Role::generator].parameter.data,
                    training.networks().generator().plain().parameters());
  };
  EXPECT_FALSE(same_bits(weights(*plain), weights(*changed)));
  for (const float value : weights(*changed)) ASSERT_TRUE(std::isfinite(value));
}

TEST_P(TrainingTechnique, APopulationIsItsRuns) {
  DetectorOptions options = this->options();
  options.population = 2;
  options.steps = 40;
  const Matrix rows = training_rows();
  const auto both = trained(options, rows, 2);
  options.population = 1;
  for (int m = 0; m < 2; ++m) {
    options.seed = 20 + static_cast<std::uint64_t>(m);
    expect_same_model(*both, m, *trained(options, rows), 0);
  }
}

TEST_P(TrainingTechnique, AResumedRunIsOneThatWasNeverStopped) {
  const Matrix rows = training_rows();
  const TemporaryDirectory directory;
  FitControl control;
  control.checkpoint_directory = directory.path();
  control.resume = true;
  DetectorOptions half = options();
  half.steps = 100;
  trained(half, rows, 1, control);
  expect_same_model(*trained(options(), rows, 1, control), 0, *trained(options(), rows), 0);
}

INSTANTIATE_TEST_SUITE_P(Cases, TrainingTechnique, testing::Range<std::size_t>(0, cases.size()),
                         [](const auto& tested) { return std::string(cases[tested.param].name); });

}  // namespace
}  // namespace cugad::test
