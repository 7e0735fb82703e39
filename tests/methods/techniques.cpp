#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "host/model_file/safetensors.hpp"
#include "tests/common/methods.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"

/// Detectors trained with techniques: scoring knows nothing of them, so that all that holds for scores holds for
/// theirs.
namespace cugad::test {
namespace {

struct Case {
  const char* name;
  Method method;
  void (*change)(DetectorOptions& options);
};

const std::vector<Case> cases = {
    {"spectral_norm", Method::anogan, [](DetectorOptions& o) { o.spectral_norm = true; }},
    {"virtual_batch", Method::anogan, [](DetectorOptions& o) { o.virtual_batch = 32; }},
    {"minibatch_discrimination", Method::gan, [](DetectorOptions& o) { o.minibatch_kernels = 4; }},
    {"historical_averaging", Method::alad, [](DetectorOptions& o) { o.historical_averaging = 0.01f; }},
    {"all", Method::alad,
     [](DetectorOptions& o) {
       o.batch_norm = o.spectral_norm = true;
       o.virtual_batch = 32;
       o.minibatch_kernels = 4;
       o.label_smoothing = 0.1f;
     }},
};

class ScoringTechnique : public testing::TestWithParam<std::size_t> {
 protected:
  DetectorOptions options() const {
    DetectorOptions options = quick_options();
    options.method = cases[GetParam()].method;
    options.encoder_hidden = options.data_branch = options.latent_branch = {16};
    options.cycle_hidden = {16};
    options.latent_cycle_hidden = {8};
    options.r1 = 0.0f;
    cases[GetParam()].change(options);
    return options;
  }
};

TEST_P(ScoringTechnique, RowsDoNotSeeEachOther) {
  Detector detector = fitted(options(), normal_rows(300, 1));
  const Matrix rows = mixed_rows(60, 2);
  const std::vector<float> together = detector.score(rows.view());
  expect_scores(rows.view(), together);
  for (std::int64_t r = 0; r < rows.rows; r += 7) {
    const MatrixView<const float> one(rows.row(r), 1, rows.columns);
    EXPECT_TRUE(same_bits(detector.score(one), {together[static_cast<std::size_t>(r)]})) << r;
  }
}

TEST_P(ScoringTechnique, AModelFileHoldsPlainNetworks) {
  Detector detector = fitted(options(), normal_rows(300, 1));
  const TemporaryDirectory directory;
  detector.save(directory.file("model"));
  Detector loaded = Detector::load(test_device(1), directory.file("model"));
  const Matrix rows = mixed_rows(60, 2);
  EXPECT_TRUE(same_bits(detector.score(rows.view()), loaded.score(rows.view())));
}

TEST_P(ScoringTechnique, OutliersScoreHigher) {
  DetectorOptions options = this->options();
  options.steps = 1500;
  options.average_decay = 0.99f;
  options.score = ScoreRule::automatic;
  // What every method has: a generator whose rows cover the normal ones.
  options.score = ScoreRule::bank;
  Detector detector = fitted(options, normal_rows(1000, 1), 2);
  EXPECT_GT(auroc(detector, normal_rows(300, 3), outlier_rows(300, 4)), 0.95);
}

INSTANTIATE_TEST_SUITE_P(Cases, ScoringTechnique, testing::Range<std::size_t>(0, cases.size()),
                         [](const auto& tested) { return std::string(cases[tested.param].name); });

TEST(Techniques, RefuseWhatTheyCannotDo) {
  const auto refuse = [](const std::string& what, void (*change)(DetectorOptions&)) {
    DetectorOptions options = quick_options();
    options.method = Method::alad;
    change(options);
    expect_error(ErrorCode::invalid_argument, {what}, [&] { fitted(options, normal_rows(50, 1)); });
  };
  refuse("batch_norm", [](DetectorOptions& o) { o.batch_norm = true; });
  refuse("minibatch_kernels", [](DetectorOptions& o) { o.minibatch_kernels = 3; });
  refuse("virtual_batch", [](DetectorOptions& o) {
    o.virtual_batch = 8;
    o.condition = {"0"};
  });
}

/// A technique that a method does not have is refused by fit. A model that was trained before it was still scores.
TEST(Techniques, AreRefusedWhereTheMethodHasNone) {
  const auto refuse = [](const char* method, const std::vector<std::string>& parts, void (*change)(DetectorOptions&)) {
    DetectorOptions options = quick_options();
    options.r1 = 0.0f;
    set_option(options, "method", method);
    change(options);
    expect_error(ErrorCode::invalid_argument, parts, [&] { fitted(options, normal_rows(50, 1)); });
  };
  refuse("gan", {"method 'gan' has no batch_norm", "bigan, ali, egbad, alad"},
         [](DetectorOptions& o) { o.batch_norm = true; });
  refuse("bigan,fanogan", {"method 'fanogan' has no batch_norm"}, [](DetectorOptions& o) { o.batch_norm = true; });
  std::string others;
  for (const MethodDefinition* method : all_methods()) {
    if (method->reads("generator_dropout")) others += (others.empty() ? "" : ", ") + std::string(method->name);
  }
  refuse("alad", {"method 'alad' has no generator_dropout", "expected a method that has: " + others},
         [](DetectorOptions& o) { o.generator_dropout = 0.1f; });

  const TemporaryDirectory directory;
  const std::string path = directory.file("model");
  DetectorOptions options = quick_options();
  options.steps = 10;
  options.r1 = 0.0f;
  Detector detector = fitted(options, normal_rows(50, 1));
  detector.save(path);
  safetensors::File file = safetensors::read(path);
  auto kept = nlohmann::json::parse(file.metadata.at("options"));
  kept["batch_norm"] = true;
  file.metadata["options"] = kept.dump();
  safetensors::write(path, file);
  Detector loaded = Detector::load(test_device(1), path);
  EXPECT_TRUE(loaded.options().batch_norm);
  loaded.set_contamination(0.1f);
  EXPECT_TRUE(same_bits(loaded.score(normal_rows(9, 2).view()), detector.score(normal_rows(9, 2).view())));
}

/// Without one there is nothing to compare: where that was not seen, memory before the activations was read.
TEST(Features, NeedAHiddenLayer) {
  const auto refuse = [](Method method, const std::string& what, void (*change)(DetectorOptions&)) {
    DetectorOptions options = quick_options();
    options.method = method;
    options.discrimination = Discrimination::cross_entropy;
    change(options);
    expect_error(ErrorCode::invalid_argument, {"hidden layer", what}, [&] { fitted(options, normal_rows(50, 1)); });
  };
  const auto without = [](DetectorOptions& o) { o.discriminator_hidden = {}; };
  const auto matching = [](DetectorOptions& o) {
    o.discriminator_hidden = {};
    o.generator_loss = GeneratorLoss::feature_matching;
  };
  for (const MethodDefinition* method : methods_of_any_table()) {
    if (method->trains()) refuse(method->method, "set discriminator_hidden", matching);
  }
  refuse(Method::ganomaly, "set discriminator_hidden", without);
  refuse(Method::fanogan, "set discriminator_hidden", [](DetectorOptions& o) {
    o.discriminator_hidden = {};
    o.encoder_training = EncoderTraining::izi_f;
  });
  refuse(Method::alad, "set cycle_hidden", [](DetectorOptions& o) { o.cycle_hidden = {}; });
  refuse(Method::gan, "minibatch_kernels", [](DetectorOptions& o) {
    o.discriminator_hidden = {};
    o.r1 = 0.0f;
    o.minibatch_kernels = 3;
  });
}

}  // namespace
}  // namespace cugad::test
