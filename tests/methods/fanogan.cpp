#include "host/methods/fanogan.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "host/scores/anomaly_model.hpp"
#include "tests/methods/clusters.hpp"

/// f-AnoGAN as a detector.
namespace cugad::test {
namespace {

DetectorOptions fanogan_options(EncoderTraining training) {
  DetectorOptions options = quick_options();
  options.method = Method::fanogan;
  options.encoder_hidden = {16};
  options.encoder_training = training;
  options.encoder_learning_rate = 2e-3f;
  options.steps = 800;
  return options;
}

TEST(Fanogan, FindsOutliersHoweverItsEncoderIsTrained) {
  for (const EncoderTraining training :
       {EncoderTraining::joint, EncoderTraining::izi, EncoderTraining::ziz, EncoderTraining::izi_f}) {
    Detector detector = fitted(fanogan_options(training), normal_rows(800, 1), 2);
    EXPECT_GE(auroc(detector, normal_rows(400, 2), outlier_rows(200, 3)), 0.9) << static_cast<int>(training);
  }
}

TEST(Fanogan, FindsOutliersByColumnsInTheirSpread) {
  DetectorOptions options = fanogan_options(EncoderTraining::joint);
  options.column_spread = true;
  options.discrimination = Discrimination::none;
  Detector detector = fitted(options, normal_rows(800, 1), 2);
  EXPECT_GE(auroc(detector, normal_rows(400, 2), outlier_rows(200, 3)), 0.95);
}

TEST(Fanogan, SamplesItsPrior) {
  DetectorOptions options = fanogan_options(EncoderTraining::izi);
  options.steps = 20;
  Detector detector = fitted(options, normal_rows(100, 1));
  float row[6] = {missing, missing, missing, missing, missing, missing};
  detector.sample(1, 0, row);
  for (const float cell : row) EXPECT_TRUE(std::isfinite(cell));
}

/// One model's networks with weights of their own, and what its score is made of, in float64.
TEST(Fanogan, ScoreIsTheMeanResidualPlusKappaTimesThatOfTheFeatures) {
  const Device device = Device::open("cpu", 1);
  DetectorOptions options = fanogan_options(EncoderTraining::izi_f);
  options.population = 1;
  options.score = ScoreRule::reconstruction;
  options.residual = Distance::squared;
  options.discrimination = Discrimination::feature_squared;
  options.kappa = 0.7f;
  options.discriminator_weight = 0.0f;
  options.standardise = false;
  const std::unique_ptr<AnomalyModel> model = make_model(device, options, 6, 0);
  RandomNumbers numbers(9);
  for (const Role role : {Role::generator, Role::discriminator, Role::encoder}) {
    const StackView<float> flat = model->weights(role);
    for (std::int64_t i = 0; i < flat.columns; ++i) flat.data[i] = static_cast<float>(0.5 * numbers.normal());
  }
  model->prepare();
  model->set_statistics({{0.0f, 1.0f}}, {{0.0f, 1.0f}});
  const Matrix rows = normal_rows(9, 4);
  std::vector<float> scores(9);
  model->score(rows.view(), {scores.data(), 1, 9, 1});
  model->context().synchronize();

  Context context = device.make_context();
  const auto pass = [&](Role role, StackView<const float> x) {
    const Network& network = model->networks()[role];
    const auto memory = std::make_shared<std::vector<float>>(network.buffer_floats(1, 9));
    const Network::Buffers buffers = network.carve(memory->data(), 1, 9);
    network.forward(context, model->weights(role), {.x = x, .z = {}}, buffers);
    return std::pair(memory, buffers);
  };
  const StackView<const float> x(rows.row(0), 1, 9, 6);
  const auto z = pass(Role::encoder, x);
  const auto rebuilt = pass(Role::generator, z.second.result());
  const auto of_x = pass(Role::discriminator, x), of_rebuilt = pass(Role::discriminator, rebuilt.second.result());
  const auto mean_square = [](StackView<const float> a, StackView<const float> b, std::int64_t r) {
    double sum = 0.0;
    for (std::int64_t c = 0; c < a.columns; ++c)
      sum += std::pow(double{a.model(0).row(r)[c]} - double{b.model(0).row(r)[c]}, 2.0);
    return sum / static_cast<double>(a.columns);
  };
  for (std::int64_t r = 0; r < 9; ++r) {
    const double expected = mean_square(x, rebuilt.second.result(), r) +
                            0.7 * mean_square(of_x.second.features(), of_rebuilt.second.features(), r);
    EXPECT_NEAR(scores[static_cast<std::size_t>(r)], expected, 1e-5 * expected) << r;
  }
}

}  // namespace
}  // namespace cugad::test
