#include <gtest/gtest.h>

#include <cmath>

#include "host/training/coverage_criterion.hpp"
#include "tests/training/small_training.hpp"

/// GanTraining and GanStep: reproducibility, the terms of the loss, what is allocated.
namespace cugad::test {
namespace {

TEST(Training, TwoRunsGiveTheSameBits) {
  const Matrix rows = training_rows();
  const auto first = trained(small_options(), rows), second = trained(small_options(), rows);
  EXPECT_EQ(first->step(), 400);
  expect_same_model(*first, 0, *second, 0);
  DetectorOptions other = small_options();
  other.seed += 1;
  EXPECT_FALSE(same_bits(state_of(*first, 0), state_of(*trained(other, rows), 0)));
}

TEST(Training, ThreadsDoNotChangeTheBits) {
  const Matrix rows = training_rows();
  DetectorOptions options = small_options();
  options.population = 3;
  const auto one = trained(options, rows, 1);
  for (const int threads : {2, 5}) {
    const auto several = trained(options, rows, threads);
    for (int m = 0; m < 3; ++m) expect_same_model(*one, m, *several, m);
  }
}

/// With label-free stopping, whose decisions must not depend on the other models either; more rows than it looks at.
TEST(Training, PopulationOfFourEqualsFourOfOne) {
  const Matrix rows = training_rows(700);
  DetectorOptions options = small_options();
  options.steps = options.decay_steps = 1500;
  options.patience = 1;
  options.population = 4;
  const auto together = trained(options, rows, 2);
  options.population = 1;
  for (int m = 0; m < 4; ++m) {
    options.seed = small_options().seed + static_cast<std::uint64_t>(m);
    const auto alone = trained(options, rows);
    expect_same_model(*together, m, *alone, 0);
    EXPECT_EQ(together->health()[static_cast<std::size_t>(m)].best_criterion, alone->health()[0].best_criterion) << m;
  }
}

TEST(Training, CoverageCriterionOfAModelDoesNotDependOnTheOthers) {
  const Matrix rows = training_rows(700);
  DetectorOptions options = small_options();
  options.population = 3;
  const auto training = make_training(options, rows);
  Context context = test_device().make_context();
  const ResidentRows resident(context, rows.view());
  const StackView<const float> generators = training->states()[Role::generator].parameter;
  const std::vector<float> together =
      coverage_criterion(context, training->networks(), generators, resident.view(), options.seed);
  ASSERT_EQ(together.size(), 3u);
  for (std::int64_t m = 0; m < 3; ++m) {
    const std::vector<float> alone = coverage_criterion(context, training->networks(), generators.slice_models(m, 1),
                                                        resident.view(), options.seed + static_cast<std::uint64_t>(m));
    EXPECT_EQ(alone[0], together[static_cast<std::size_t>(m)]) << m;
    EXPECT_GT(alone[0], 0.0f);
  }
}

TEST(Training, TelemetryIsToldEveryHundredStepsAndAtTheEnd) {
  const Matrix rows = training_rows();
  DetectorOptions options = small_options();
  options.population = 2;
  options.steps = 250;
  std::vector<std::int64_t> told;
  FitControl control;
  control.on_progress = [&](const FitProgress& progress) {
    told.push_back(progress.step);
    EXPECT_EQ(progress.steps, 250);
    ASSERT_EQ(progress.models.size(), 2u);
    for (const ModelTelemetry& model : progress.models) {
      EXPECT_GT(model.discriminator_loss, 0.0f);
      EXPECT_GT(model.generator_loss, 0.0f);
      EXPECT_GT(model.real_probability, 0.0f);
      EXPECT_LT(model.real_probability, 1.0f);
      EXPECT_GT(model.fake_probability, 0.0f);
      EXPECT_LT(model.fake_probability, 1.0f);
      EXPECT_GT(model.discriminator_gradient, 0.0f);
      EXPECT_GT(model.generator_gradient, 0.0f);
      EXPECT_EQ(model.restorations, 0);
      EXPECT_FALSE(model.resting);
    }
  };
  const auto training = trained(options, rows, 1, control);
  EXPECT_EQ(told, (std::vector<std::int64_t>{100, 200, 250}));
  EXPECT_EQ(training->step(), 250);
}

/// Each term and form of the step trains to finite, reported numbers, and each changes the result.
TEST(Training, EveryTermOfTheLossIsFiniteAndCounts) {
  const Matrix rows = training_rows();
  DetectorOptions plain = small_options();
  plain.steps = 100;
  plain.dropout = plain.r1 = plain.coverage = plain.fence = plain.average_decay = 0.0f;
  plain.final_rate = 1.0f;
  const std::vector<float> reference = state_of(*trained(plain, rows), 0);
  using Change = std::pair<const char*, void (*)(DetectorOptions&)>;
  const std::vector<Change> changes = {
      {"minimax", [](DetectorOptions& o) { o.generator_loss = GeneratorLoss::minimax; }},
      {"label smoothing", [](DetectorOptions& o) { o.label_smoothing = 0.1f; }},
      {"two discriminator steps", [](DetectorOptions& o) { o.discriminator_steps = 2; }},
      {"fence", [](DetectorOptions& o) { o.fence = 0.5f; }},
      {"coverage of more rows", [](DetectorOptions& o) { o.coverage = 1.0f; }},
      {"coverage of the batch", [](DetectorOptions& o) { o.coverage = 1.0f, o.coverage_rows = 1; }},
      {"gradient penalty", [](DetectorOptions& o) { o.r1 = 1.0f; }},
      {"dropout", [](DetectorOptions& o) { o.dropout = 0.3f; }},
      {"epsilon hat", [](DetectorOptions& o) { o.adam_form = AdamForm::epsilon_hat; }},
      {"decay", [](DetectorOptions& o) { o.final_rate = 0.1f; }},
      {"no hidden layers", [](DetectorOptions& o) { o.hidden = o.discriminator_hidden = {}; }},
      {"batch larger than the table", [](DetectorOptions& o) { o.batch = 400; }},
  };
  for (const auto& [name, change] : changes) {
    SCOPED_TRACE(name);
    DetectorOptions options = plain;
    change(options);
    const auto training = trained(options, rows);
    for (const float value : telemetry_of(*training, 0)) EXPECT_TRUE(std::isfinite(value));
    for (const float value : state_of(*training, 0)) ASSERT_TRUE(std::isfinite(value));
    EXPECT_GT(telemetry_of(*training, 0)[4], 0.0f);
    EXPECT_EQ(telemetry_of(*training, 0)[1] < 0.0f, options.generator_loss == GeneratorLoss::minimax)
        << "minimax alone has a negative loss, log(1 - D)";
    EXPECT_FALSE(same_bits(state_of(*training, 0), reference));
  }
}

/// The decay is a cosine from the full rate to final_rate of it; seen in how far one epsilon-free Adam step moves.
TEST(Training, LearningRateDecaysAlongACosine) {
  const Matrix rows = training_rows();
  DetectorOptions options = small_options();
  options.beta1 = options.beta2 = 0.0f;  // a step is rate * gradient / |gradient|
  options.final_rate = 0.25f;
  options.decay_steps = 200;
  auto training = make_cpu_training(options, rows);
  GanStep step(Device::open("cpu", 1).make_context(), options, training->networks(), rows.view(), 1);
  float scale = 1.0f;
  step.bind({.seed = 1}, training->states(), {&scale, 1, 1, 1}, {});
  for (const auto& [t, share] : std::vector<std::pair<std::int64_t, double>>{
           {0, 1.0}, {50, 0.25 + 0.375 * (1.0 + std::sqrt(0.5))}, {100, 0.625}, {200, 0.25}, {999, 0.25}}) {
    for (const NetworkState& state : {training->states()[Role::generator], training->states()[Role::discriminator]}) {
      std::fill_n(state.parameter.data, state.parameter.columns, 0.5f);
    }
    step.step(t, false);
    // A last bias always has a gradient.
    for (const NetworkState& state : {training->states()[Role::generator], training->states()[Role::discriminator]}) {
      EXPECT_NEAR(std::abs(state.parameter.data[state.parameter.columns - 1] - 0.5f), 2e-3 * share, 2e-6) << t;
    }
  }
}

/// From moments of zero, Adam's step s moves by rate (1 - b1) / (1 - b1^s) sqrt((1 - b2^s) / (1 - b2)): it shows which
/// number a step has. Each network counts its own updates.
TEST(Training, AdamCountsTheUpdatesOfEachNetwork) {
  const Matrix rows = training_rows();
  DetectorOptions options = small_options();
  options.discriminator_steps = 3;
  options.final_rate = 1.0f;
  for (const auto& [t, inner] : std::vector<std::pair<std::int64_t, int>>{{0, 0}, {0, 2}, {4, 1}}) {
    auto training = make_cpu_training(options, rows);
    GanStep step(Device::open("cpu", 1).make_context(), options, training->networks(), rows.view(), 1);
    float scale = 1.0f;
    step.bind({.seed = 1}, training->states(), {&scale, 1, 1, 1}, {});
    step.sample_discriminator(t, inner);
    step.update_discriminator(t, inner, false);
    step.sample_generator(t);
    step.update_generator(t, false);
    const auto expect_moved = [&](const NetworkState& state, std::int64_t number) {
      const auto s = static_cast<double>(number);
      const double b1 = options.beta1, b2 = options.beta2;
      const double moved = 2e-3 * (1 - b1) / (1 - std::pow(b1, s)) * std::sqrt((1 - std::pow(b2, s)) / (1 - b2));
      // Biases begin at zero.
      EXPECT_NEAR(std::abs(state.parameter.data[state.parameter.columns - 1]), moved, 1e-4 * moved) << number;
    };
    expect_moved(training->states()[Role::discriminator], t * 3 + inner + 1);
    expect_moved(training->states()[Role::generator], t + 1);
  }
}

TEST(Training, AModelWithoutARateKeepsItsBits) {
  const Matrix rows = training_rows();
  auto training = make_cpu_training(small_options(), rows);
  const std::vector<float> before = state_of(*training, 0);
  GanStep step(Device::open("cpu", 1).make_context(), small_options(), training->networks(), rows.view(), 1);
  float scale = 0.0f;
  step.bind({.seed = 1}, training->states(), {&scale, 1, 1, 1}, {});
  for (std::int64_t t = 0; t < 5; ++t) step.step(t, false);
  EXPECT_TRUE(same_bits(state_of(*training, 0), before));
}

TEST(Training, AStepAllocatesNothing) {
  const Matrix rows = training_rows(300, 9);
  DetectorOptions options = small_options();
  options.discriminator_steps = 2;
  auto training = make_cpu_training(options, rows);
  GanStep step(Device::open("cpu", 2).make_context(), options, training->networks(), rows.view(), 1);
  float scale = 1.0f;
  step.bind({.seed = 1}, training->states(), {&scale, 1, 1, 1}, {});
  for (std::int64_t t = 0; t < 2 * options.r1_every; ++t) step.step(t, false);
  const std::size_t allocations = step.context().scratch_allocations();
  EXPECT_GT(allocations, 0u);
  for (std::int64_t t = 0; t < 50; ++t) step.step(t, false);
  EXPECT_EQ(step.context().scratch_allocations(), allocations);
}

TEST(Training, LearnsTheClusters) {
  const Matrix rows = training_rows();
  DetectorOptions options = small_options();
  options.steps = options.decay_steps = 800;
  auto training = make_training(options, rows);
  Context context = test_device().make_context();
  const ResidentRows resident(context, rows.view());
  const auto criterion = [&] {
    return coverage_criterion(context, training->networks(), training->states()[Role::generator].scoring(),
                              resident.view(), 1)[0];
  };
  const float before = criterion();
  training->run({});
  EXPECT_LT(criterion(), 0.6f * before);
}

}  // namespace
}  // namespace cugad::test
