#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/training/small_training.hpp"

/// The divergence guard and the label-free stopping.
namespace cugad::test {
namespace {

/// A control that spoils model 1 of a training after the given step and keeps the messages.
struct Spoiler {
  std::shared_ptr<GanTraining> training;
  std::vector<std::string> messages;
  std::vector<float> good;  ///< the model's state before it was spoiled

  template <class Spoil>
  void run(const DetectorOptions& options, const Matrix& rows, std::int64_t after, Spoil&& spoil) {
    training = make_training(options, rows, 2);
    FitControl control;
    control.on_message = [&](const std::string& message) { messages.push_back(message); };
    control.on_progress = [&](const FitProgress& progress) {
      if (progress.step != after) return;
      good = state_of(*training, 1);
      change_parameters(*training, 1, spoil);
    };
    training->run(control);
  }
};

DetectorOptions three_models() {
  DetectorOptions options = small_options();
  options.population = 3;
  return options;
}

TEST(Guard, RestoresADivergedModelAndLeavesTheOthersAlone) {
  const Matrix rows = training_rows();
  const DetectorOptions options = three_models();
  const auto untouched = trained(options, rows, 2);
  Spoiler spoiled;
  spoiled.run(options, rows, 200,
              [](std::vector<float>& parameter) { parameter[3] = std::numeric_limits<float>::quiet_NaN(); });
  expect_same_model(*spoiled.training, 0, *untouched, 0);
  expect_same_model(*spoiled.training, 2, *untouched, 2);
  ASSERT_EQ(spoiled.messages.size(), 1u);
  EXPECT_EQ(spoiled.messages[0],
            "model 1 diverged before step 300: restored its last good state, learning rate halved to 0.500000 of the "
            "start");
  EXPECT_EQ(spoiled.training->health()[1].restorations, 1);
  EXPECT_EQ(spoiled.training->health()[1].rate_scale, 0.5f);
  EXPECT_EQ(spoiled.training->telemetry()[1].restorations, 1);
  EXPECT_FALSE(spoiled.training->health()[1].resting);
  EXPECT_EQ(spoiled.training->health()[0].restorations, 0);
  for (const float value : state_of(*spoiled.training, 1)) ASSERT_TRUE(std::isfinite(value));
  EXPECT_FALSE(same_bits(state_of(*spoiled.training, 1), spoiled.good)) << "it went on learning";
}

TEST(Guard, GoesBackToTheLastGoodStateToTheBit) {
  const Matrix rows = training_rows();
  DetectorOptions options = three_models();
  options.steps = 200;
  Spoiler spoiled;
  spoiled.run(options, rows, 100,
              [](std::vector<float>& parameter) { parameter[0] = std::numeric_limits<float>::infinity(); });
  EXPECT_TRUE(same_bits(state_of(*spoiled.training, 1), spoiled.good));
}

TEST(Guard, RestoresACollapsedModel) {
  const Matrix rows = training_rows();
  DetectorOptions options = three_models();
  options.learning_rate = 0.0f;  // it cannot recover by itself
  Spoiler spoiled;
  spoiled.run(options, rows, 100, [](std::vector<float>& parameter) { parameter.assign(parameter.size(), 0.0f); });
  ASSERT_EQ(spoiled.messages.size(), 1u);
  EXPECT_NE(spoiled.messages[0].find("model 1 collapsed before step 200: restored"), std::string::npos)
      << spoiled.messages[0];
  EXPECT_EQ(spoiled.training->health()[1].restorations, 1);
  EXPECT_GT(spoiled.training->health()[1].spread, 0.0f);
}

TEST(Guard, PutsAHopelessModelToRestAtItsLastGoodState) {
  const Matrix rows = training_rows();
  DetectorOptions options = three_models();
  options.steps = options.decay_steps = 1200;
  options.learning_rate = options.discriminator_learning_rate = 1e30f;
  std::vector<std::string> messages;
  FitControl control;
  control.on_message = [&](const std::string& message) { messages.push_back(message); };
  const auto training = make_training(options, rows);
  const std::vector<float> start = state_of(*training, 1);
  training->run(control);
  EXPECT_EQ(training->step(), 800) << "eight restorations each, then nobody is left to train";
  EXPECT_EQ(messages.size(), 24u);
  EXPECT_NE(messages.back().find("; it rests from now on"), std::string::npos) << messages.back();
  EXPECT_TRUE(same_bits(state_of(*training, 1), start));
  for (const ModelTelemetry& told : training->telemetry()) {
    EXPECT_TRUE(told.resting);
    EXPECT_EQ(told.restorations, 8);
  }
}

TEST(Stopping, ModelsThatNoLongerGainRestAndTrainingEndsEarly) {
  const Matrix rows = training_rows();
  DetectorOptions options = three_models();
  options.population = 2;
  options.steps = 5000;
  options.learning_rate = 0.0f;  // a generator that never gets better
  options.average_decay = 0.0f;
  options.patience = 2;
  std::vector<std::string> messages;
  FitControl control;
  control.on_message = [&](const std::string& message) { messages.push_back(message); };
  const auto training = trained(options, rows, 1, control);
  EXPECT_EQ(training->step(), 1500) << "the best at 500, no gain at 1,000 and 1,500";
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0], "model 0 rests from step 1500: its coverage of the training rows no longer improves");
  for (const ModelTelemetry& told : training->telemetry()) EXPECT_TRUE(told.resting);
}

TEST(Stopping, NobodyRestsWithoutPatience) {
  const Matrix rows = training_rows();
  DetectorOptions options = small_options();
  options.steps = 1100;
  options.learning_rate = 0.0f;
  const auto training = trained(options, rows);
  EXPECT_EQ(training->step(), 1100);
  EXPECT_FALSE(training->telemetry()[0].resting);
}

/// A resting model keeps the weights that it had when it stopped, while the others go on.
TEST(Stopping, ARestingModelKeepsItsBits) {
  const Matrix rows = training_rows();
  DetectorOptions options = three_models();
  options.steps = 3000;
  options.decay_steps = 4000;
  options.patience = 1;
  std::vector<std::vector<float>> at_rest(3);
  const auto training = make_training(options, rows, 2);
  FitControl control;
  control.on_progress = [&](const FitProgress& progress) {
    for (std::size_t m = 0; m < 3; ++m)
      if (progress.models[m].resting && at_rest[m].empty())
        at_rest[m] = state_of(*training, static_cast<std::int64_t>(m));
  };
  training->run(control);
  int rested = 0;
  for (std::size_t m = 0; m < 3; ++m) {
    if (at_rest[m].empty()) continue;
    ++rested;
    EXPECT_TRUE(same_bits(state_of(*training, static_cast<std::int64_t>(m)), at_rest[m])) << m;
  }
  EXPECT_GT(rested, 0) << "choose other options: nobody rested";
}

}  // namespace
}  // namespace cugad::test
