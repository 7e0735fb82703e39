#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "host/model_file/safetensors.hpp"
#include "host/training/gan_training.hpp"
#include "tests/common/methods.hpp"
#include "tests/common/stopped_fit.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"
#include "tests/methods/image_options.hpp"

/// What holds for every method: the same bits for the same seed, whatever the threads, batches, population, stops and
/// model files; and that it finds planted outliers.
namespace cugad::test {
namespace {

struct Case {
  std::string name;
  Method method;
  double auroc = 0.9;  ///< of planted outliers after 600 steps of small networks
  std::function<void(DetectorOptions&)> change = [](DetectorOptions&) {};
};

void take_images_in_pairs(DetectorOptions& o) {
  take_images(o);
  o.discriminator_hidden = {8};
  o.r1 = 0.0f;
  set_option(o, "data_branch", "conv5k3s1bn");
}

/// Every method with its own score, then other scores and trainings.
std::vector<Case> make_cases() {
  std::vector<Case> cases;
  for (const MethodDefinition* method : methods_of_any_table()) cases.push_back({method->name, method->method});
  const std::vector<Case> others = {
      {"knn_kth_nearest", Method::knn, 0.9, [](DetectorOptions& o) { o.score = ScoreRule::kth_nearest; }},
      {"ganomaly_squared", Method::ganomaly, 0.9, [](DetectorOptions& o) { o.residual = Distance::squared; }},
      {"fanogan_izi_f_wasserstein", Method::fanogan, 0.8,
       [](DetectorOptions& o) {
         o.encoder_training = EncoderTraining::izi_f;
         o.generator_loss = GeneratorLoss::wasserstein;
         o.discriminator_steps = 2;
         o.residual = Distance::squared;
         o.discrimination = Discrimination::feature_squared;
       }},
      {"fanogan_ziz", Method::fanogan, 0.8,
       [](DetectorOptions& o) {
         o.encoder_training = EncoderTraining::ziz;
         o.encoder_steps = 150;
         o.column_spread = true;
       }},
      {"egbad_cross_entropy_of_the_query", Method::egbad, 0.9,
       [](DetectorOptions& o) {
         o.discrimination = Discrimination::cross_entropy;
         o.judged_pair = JudgedPair::query;
       }},
      {"egbad_cross_entropy_of_the_reconstruction", Method::egbad, 0.9,
       [](DetectorOptions& o) {
         o.discrimination = Discrimination::cross_entropy;
         o.residual = Distance::squared;
         o.discriminator_weight = 0.0f;
       }},
      {"egbad_column_spread", Method::egbad, 0.9,
       [](DetectorOptions& o) {
         o.column_spread = true;
         o.lambda = 0.0f;
       }},
      {"egbad_discriminator", Method::egbad, 0.8, [](DetectorOptions& o) { o.score = ScoreRule::discriminator; }},
      {"bigan_latent", Method::bigan, 0.5, [](DetectorOptions& o) { o.score = ScoreRule::latent; }},
      {"ali_bank", Method::ali, 0.8, [](DetectorOptions& o) { o.score = ScoreRule::bank; }},
      {"ali_search_from_encoder", Method::ali, 0.8,
       [](DetectorOptions& o) {
         o.score = ScoreRule::search;
         o.search_from = SearchStart::encoder;
         o.search_steps = 5;
       }},
      {"anogan_images", Method::anogan, 0.8, take_images},
      {"anogan_images_by_search", Method::anogan, 0.8,
       [](DetectorOptions& o) {
         take_images(o);
         o.score = ScoreRule::search;
         o.search_steps = 5;
         o.restarts = 3;
       }},
      {"fanogan_images", Method::fanogan, 0.8, take_images},
      {"ganomaly_images", Method::ganomaly, 0.8, take_images},
      {"fanogan_images_izi_f_wasserstein", Method::fanogan, 0.7,
       [](DetectorOptions& o) {
         take_images(o);
         set_option(o, "discriminator_hidden", "conv5k3s2,8ln");
         o.encoder_training = EncoderTraining::izi_f;
         o.generator_loss = GeneratorLoss::wasserstein;
         o.residual = Distance::squared;
         o.discrimination = Discrimination::feature_squared;
       }},
      {"ali_images", Method::ali, 0.7, take_images_in_pairs},
      {"alad_images", Method::alad, 0.7,
       [](DetectorOptions& o) {
         take_images_in_pairs(o);
         set_option(o, "cycle_hidden", "conv5k3s2ln");
       }},
      {"egbad_images", Method::egbad, 0.8, take_images_in_pairs},
  };
  cases.insert(cases.end(), others.begin(), others.end());
  return cases;
}
const std::vector<Case> cases = make_cases();

class EveryMethod : public testing::TestWithParam<std::size_t> {
 protected:
  static const Case& tested() { return cases[GetParam()]; }
  void SetUp() override {
    if (tested().name == "ganomaly_images" && test_device().name() != "cpu")
      GTEST_SKIP() << "the emulator has convolutions in the other cases of images";
  }
  static bool trains() { return definition_of(tested().method).trains(); }
  static DetectorOptions options() {
    DetectorOptions options = quick_options();
    options.method = tested().method;
    options.encoder_hidden = {16};
    options.data_branch = options.latent_branch = {8};
    options.encoder_learning_rate = 2e-3f;
    tested().change(options);
    return options;
  }
  static std::string saved(const Detector& detector, const TemporaryDirectory& directory) {
    detector.save(directory.file("model"));
    return read_text(directory.file("model"));
  }
};

TEST_P(EveryMethod, FindsPlantedOutliers) {
  DetectorOptions longer = options();
  longer.steps = 600;
  Detector detector = fitted(longer, normal_rows(800, 1), 2);
  EXPECT_GE(auroc(detector, normal_rows(400, 2), outlier_rows(200, 3)), tested().auroc);
}

TEST_P(EveryMethod, SameSeedSameBitsOnAnyNumberOfThreads) {
  const TemporaryDirectory directory;
  const Matrix training = mixed_rows(400, 1);
  DetectorOptions same = options();
  const std::string bytes = saved(fitted(same, training, 1), directory);
  EXPECT_EQ(saved(fitted(same, training, 2), directory), bytes);
  same.seed += 1;
  EXPECT_NE(saved(fitted(same, training), directory), bytes);
}

/// A model of a population is the model that its seed alone gives.
TEST_P(EveryMethod, PopulationHoldsTheModelsOfItsSeeds) {
  if (!trains()) GTEST_SKIP() << "it trains nothing";
  const TemporaryDirectory directory;
  const Matrix training = normal_rows(300, 1);
  DetectorOptions several = options();
  several.steps = 100;
  several.population = 3;
  fitted(several, training, 2).save(directory.file("all"));
  const safetensors::File all = safetensors::read(directory.file("all"));
  several.population = 1;
  for (std::size_t m = 0; m < 3; ++m) {
    several.seed = options().seed + m;
    several.fold = static_cast<int>(m);
    fitted(several, training).save(directory.file("one"));
    const safetensors::File one = safetensors::read(directory.file("one"));
    ASSERT_EQ(one.tensors.size(), all.tensors.size());
    for (const auto& [name, tensor] : one.tensors) {
      // Of the rows that the population as a whole has scored, or of all training rows.
      if (name == "column_table" || name.starts_with("cell_")) continue;
      const std::vector<float>& together = all.tensors.at(name).f32;
      const auto first = together.begin() + static_cast<std::ptrdiff_t>(m * tensor.f32.size());
      EXPECT_TRUE(same_bits(tensor.f32, {first, first + static_cast<std::ptrdiff_t>(tensor.f32.size())})) << name;
    }
  }
}

TEST_P(EveryMethod, ScoresDoNotDependOnTheRowsBesideThem) {
  const Matrix rows = mixed_rows(400, 6);
  Detector detector = fitted(options(), mixed_rows(400, 1));
  const std::vector<float> expected = detector.score(rows.view());
  if (options().novelty > 0.0f) expect_scores(rows.view(), expected);  // else a row without any value has a score, too
  for (const std::int64_t batch : {1, 7, 256}) {
    std::vector<float> scores(400);
    for (std::int64_t first = 0; first < 400; first += batch) {
      const std::int64_t count = std::min(batch, 400 - first);
      detector.score({rows.row(first), count, rows.columns}, std::span(scores).subspan(first, count));
    }
    EXPECT_TRUE(same_bits(scores, expected)) << batch;
  }
  const std::vector<std::int64_t> order = numpy_permutation(3, 400);
  const std::vector<float> scores = detector.score(take_rows(rows, order).view());
  for (std::size_t i = 0; i < 400; ++i)
    ASSERT_TRUE(same_bits({scores[i]}, {expected[static_cast<std::size_t>(order[i])]})) << i;
}

TEST_P(EveryMethod, NoScoreFallsAsAHugeCellGrows) {
  Matrix training = normal_rows(300, 1);
  for (float& cell : training.data) cell *= 0.1f;
  Detector detector = fitted(options(), training);
  for (const float sign : {1.0f, -1.0f}) {
    float last = -std::numeric_limits<float>::infinity();
    for (const float size : {1e20f, 1e30f, 1e36f, 3e37f, 1e38f, std::numeric_limits<float>::max(),
                             std::numeric_limits<float>::infinity()}) {
      Matrix row(1, training.columns);
      std::copy_n(training.row(0), training.columns, row.row(0));
      row.row(0)[2] = sign * size;
      const float score = detector.score(row.view()).front();
      EXPECT_GE(score, last) << sign * size;
      last = score;
    }
  }
}

TEST_P(EveryMethod, AResumedFitGivesTheSameBytes) {
  if (!trains()) GTEST_SKIP() << "it trains nothing";
  const TemporaryDirectory directory;
  const Matrix training = mixed_rows(400, 1);
  const std::string bytes = saved(fitted(options(), training), directory);
  StoppedFit stop(directory.file("checkpoint"), 100);
  Detector stopped(test_device(1), options());
  expect_error(ErrorCode::cancelled, {"after step 100"}, [&] { stopped.fit(training.view(), stop.control); });
  stop.resume();
  Detector resumed(test_device(1), options());
  resumed.fit(training.view(), stop.control);
  EXPECT_EQ(saved(resumed, directory), bytes);
}

TEST_P(EveryMethod, LoadedScoresAsSaved) {
  const TemporaryDirectory directory;
  const Matrix rows = mixed_rows(200, 2);
  Detector detector = fitted(options(), mixed_rows(400, 1));
  const std::string bytes = saved(detector, directory);
  Detector loaded = Detector::load(test_device(2), directory.file("model"));
  const std::vector<float> expected = detector.score(rows.view());
  EXPECT_TRUE(same_bits(loaded.score(rows.view()), expected));
  EXPECT_EQ(loaded.threshold(), detector.threshold());
  EXPECT_EQ(saved(loaded, directory), bytes);
  std::vector<Explanation> first, second;
  EXPECT_TRUE(same_bits(detector.explain(rows.view(), 3, first), expected)) << "an explanation changes no score";
  loaded.explain(rows.view(), 3, second);
  for (std::size_t r = 0; r < first.size(); ++r) {
    EXPECT_EQ(first[r].column, second[r].column);
    EXPECT_TRUE(same_bits(first[r].residual, second[r].residual));
  }
  if (!definition_of(options().method).has_prior) return;
  std::vector<float> drawn(60), redrawn(60);
  detector.sample(10, 3, drawn);
  loaded.sample(10, 3, redrawn);
  EXPECT_TRUE(same_bits(drawn, redrawn));
  for (const float cell : drawn) EXPECT_TRUE(std::isfinite(cell));
}

TEST_P(EveryMethod, AStepAllocatesNothing) {
  if (!trains()) GTEST_SKIP() << "it trains nothing";
  DetectorOptions several = options();
  several.discriminator_steps = 2;
  several.decay_steps = several.steps;
  const Matrix rows = normal_rows(300, 1);
  const Device device = Device::open("cpu", 2);
  GanTraining training(device, definition_of(several.method), several, {rows.view()});
  const auto step = definition_of(several.method)
                        .step(device.make_context(), several, training.networks(), {rows.view()}, several.population);
  const std::vector<float> scale(static_cast<std::size_t>(several.population), 1.0f);
  step->bind({.seed = 1}, training.states(), {scale.data(), several.population, 1, 1}, {});
  for (std::int64_t t = 0; t < 2 * several.r1_every; ++t) step->step(t, false);
  const std::size_t allocations = step->context().scratch_allocations();
  for (std::int64_t t = 0; t < 20; ++t) step->step(t, false);
  EXPECT_EQ(step->context().scratch_allocations(), allocations);
}

INSTANTIATE_TEST_SUITE_P(Methods, EveryMethod, testing::Range<std::size_t>(0, cases.size()),
                         [](const auto& tested) { return cases[tested.param].name; });

}  // namespace
}  // namespace cugad::test
