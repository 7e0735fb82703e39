#include <gtest/gtest.h>

#include <algorithm>

#include "host/detector/column_roles.hpp"
#include "host/scores/carried_condition.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"

/// Columns that are given: what is judged is whether the other columns fit them.
namespace cugad::test {
namespace {

const std::vector<std::string> column_names = {"c", "x", "y", "kind=a", "kind=b"};

/// Columns c, x = 3 c + noise, y = noise, and a category that decides the sign of y. `wrong`: x belongs to another c,
/// y to the other kind; each column for itself looks as in the other rows.
Matrix dependent_rows(std::int64_t rows, std::uint64_t seed, bool wrong = false) {
  RandomNumbers numbers(seed);
  Matrix matrix(rows, 5);
  for (std::int64_t r = 0; r < rows; ++r) {
    const double c = 2.0 * numbers.uniform() - 1.0;
    double other = c;
    while (wrong && std::abs(other - c) < 0.7) other = 2.0 * numbers.uniform() - 1.0;
    const bool a = numbers.uniform() < 0.5, leans = a != wrong;
    float* row = matrix.row(r);
    row[0] = static_cast<float>(c);
    row[1] = static_cast<float>(3.0 * other + 0.1 * numbers.normal());
    row[2] = static_cast<float>((leans ? 1.0 : -1.0) + 0.2 * numbers.normal());
    row[3] = a ? 1.0f : 0.0f;
    row[4] = a ? 0.0f : 1.0f;
  }
  return matrix;
}

DetectorOptions small_options() {
  DetectorOptions options = quick_options();
  options.latent = 0;
  options.hidden = options.discriminator_hidden = options.encoder_hidden = {32, 32};
  options.data_branch = options.latent_branch = {32};
  options.encoder_learning_rate = 2e-3f;
  options.steps = 1000;
  options.population = 2;
  return options;
}

DetectorOptions conditional_options(Method method = Method::anogan) {
  DetectorOptions options = small_options();
  options.method = method;
  options.condition = {"c", "kind"};
  return options;
}

DetectorOptions translation_options() {
  DetectorOptions options = small_options();
  options.method = Method::translation;
  options.target = {"y", "x"};
  return options;
}

Detector fitted_to(const DetectorOptions& options, const Matrix& rows) {
  Detector detector(test_device(1), options);
  detector.fit(rows.view(), {.names = column_names, .binary = rows.columns - 3});
  return detector;
}

/// How well scores separate rows with a wrong pair from others.
double auroc_of_wrong_pairs(const DetectorOptions& options) {
  Detector detector = fitted_to(options, dependent_rows(600, 1));
  return auroc(detector, dependent_rows(200, 2), dependent_rows(200, 3, true));
}

TEST(Conditional, ColumnsAreFoundByNameAndByCategory) {
  DetectorOptions options;
  options.condition = {"kind", "c"};
  const ColumnRoles roles = column_roles(options, column_names);
  EXPECT_EQ(roles.order, (std::vector<std::int64_t>{1, 2, 0, 3, 4}));
  EXPECT_EQ(roles.condition, 3);
  options.condition.clear();
  options.target = {"y"};
  EXPECT_EQ(column_roles(options, column_names).order, (std::vector<std::int64_t>{2, 0, 1, 3, 4}));
  EXPECT_EQ(column_roles({}, column_names).condition, 0);
}

TEST(Conditional, RefusesWhatCannotBe) {
  const Matrix rows = dependent_rows(50, 1);
  const auto refused = [&](const std::vector<std::string>& parts, auto&& change) {
    DetectorOptions options = conditional_options();
    options.steps = 0;
    change(options);
    expect_error(ErrorCode::invalid_argument, parts, [&] { fitted_to(options, rows); });
  };
  refused({"'kinds'", "nearest"}, [](auto& o) { o.condition = {"kinds"}; });
  refused({"every column"}, [](auto& o) { o.condition = {"c", "x", "y", "kind"}; });
  refused({"bank", "condition"}, [](auto& o) { o.score = ScoreRule::bank; });
  refused({"target"}, [](auto& o) { o.target = {"x"}; });
  refused({"target"}, [](auto& o) { o.condition.clear(), o.target = {"x"}; });
  refused({"target"}, [](auto& o) { o.method = Method::translation; });
  refused({"encoder_tanh"}, [](auto& o) { o.method = Method::egbad, o.encoder_tanh = true; });
  refused({"generator_tanh"}, [](auto& o) { o.generator_tanh = true; });
  refused({"score"}, [](auto& o) {
    o = translation_options();
    o.score = ScoreRule::search;
  });
  refused({"every column"}, [](auto& o) {
    o = translation_options();
    o.target = column_names;
  });
}

/// The carrying networks compute what the networks themselves do, layer by layer.
TEST(Conditional, CarryingChangesNoOutput) {
  RandomNumbers numbers(4);
  for (const std::vector<int>& widths : {std::vector<int>{}, {7}, {9, 6}}) {
    for (const float slope : {0.0f, 0.2f}) {
      std::vector<LayerSpec> layers;
      for (const int width : widths) {
        layers.push_back({width, slope > 0.0f ? Activation::leaky_relu : Activation::relu, slope, 0.0f});
      }
      layers.push_back({5, Activation::identity, 0.0f, 0.0f});
      const Mlp plain(6, layers);
      std::vector<float> flat(static_cast<std::size_t>(plain.parameters()));
      for (float& value : flat) value = static_cast<float>(numbers.normal());
      Matrix x(40, 6);
      for (float& value : x.data) value = static_cast<float>(2.0 * numbers.normal());
      Context context = Device::open("cpu", 1).make_context();
      const auto outputs = [&](const Mlp& network, const std::vector<float>& parameters) {
        std::vector<float> memory(static_cast<std::size_t>(network.buffer_floats(1, 40)));
        const Mlp::Buffers buffers = network.carve(memory.data(), 1, 40);
        network.forward(context, {parameters.data(), 1, 1, network.parameters()}, {x.data.data(), 1, 40, 6}, buffers);
        const MatrixView<float> out = buffers.output.back().model(0);
        Matrix copy(40, out.columns);
        for (std::int64_t r = 0; r < 40; ++r) std::copy_n(out.row(r), out.columns, copy.row(r));
        return copy;
      };
      const CarriedCondition carrying(plain, 3, 2);
      const Matrix expected = outputs(plain, flat), found = outputs(carrying.network, carrying.parameters(flat.data()));
      ASSERT_EQ(found.columns, 5);
      for (std::int64_t r = 0; r < 40; ++r) {
        for (int c = 0; c < 3; ++c)
          ASSERT_NEAR(found.row(r)[c], expected.row(r)[c], 1e-6 * (1 + std::abs(expected.row(r)[c])));
        for (int c = 3; c < 5; ++c) {
          const float given = x.row(r)[c + 1];
          // Exact behind ReLU.
          ASSERT_NEAR(found.row(r)[c], given, slope > 0.0f ? 1e-6 * (1 + std::abs(given)) : 0.0);
        }
      }
    }
  }
}

TEST(Conditional, WrongPairsAreFoundOnlyGivenTheCondition) {
  EXPECT_GT(auroc_of_wrong_pairs(conditional_options()), 0.95);
  DetectorOptions residual_alone = conditional_options();
  residual_alone.discriminator_weight = residual_alone.lambda = 0.0f;
  EXPECT_GT(auroc_of_wrong_pairs(residual_alone), 0.95) << "the search itself is given the condition";
  DetectorOptions blind = small_options();
  blind.log1p = {"none"};
  Detector detector(test_device(1), blind);
  const auto judged = [](Matrix rows) {
    Matrix some(rows.rows, 2);
    for (std::int64_t r = 0; r < rows.rows; ++r) std::copy_n(rows.row(r) + 1, 2, some.row(r));
    return some;
  };
  detector.fit(judged(dependent_rows(600, 1)).view());
  const double blindly = auroc(detector, judged(dependent_rows(200, 2)), judged(dependent_rows(200, 3, true)));
  EXPECT_LT(blindly, 0.7) << "x and y alone look as ever";
}

TEST(Conditional, MethodsWithAnEncoderJudgeInTheLightOfTheCondition) {
  DetectorOptions options = conditional_options(Method::egbad);
  EXPECT_GT(auroc_of_wrong_pairs(options), 0.9);
  options.discriminator_weight = options.lambda = 0.0f;
  options.score = ScoreRule::search;  // from E(x)
  options.search_steps = 5;
  EXPECT_GT(auroc_of_wrong_pairs(options), 0.9);
}

TEST(Conditional, TranslationFindsTargetsThatDoNotFit) {
  EXPECT_GT(auroc_of_wrong_pairs(translation_options()), 0.97);
  DetectorOptions spread = translation_options();
  spread.discriminator_weight = 0.0f;
  spread.column_spread = true;
  EXPECT_GT(auroc_of_wrong_pairs(spread), 0.97);
}

std::vector<DetectorOptions> quick_cases() {
  std::vector<DetectorOptions> cases = {conditional_options(), conditional_options(Method::gan),
                                        conditional_options(Method::egbad), translation_options()};
  cases.push_back(conditional_options(Method::egbad));
  cases.back().score = ScoreRule::search;
  cases.push_back(translation_options());
  cases.back().column_spread = true;
  for (DetectorOptions& options : cases) {
    options.steps = 30;
    options.hidden = options.discriminator_hidden = options.encoder_hidden = {16};
    options.data_branch = options.latent_branch = {8};
  }
  return cases;
}

Matrix rows_with_gaps(std::int64_t rows) {
  Matrix matrix = dependent_rows(rows, 7);
  RandomNumbers numbers(8);
  for (std::int64_t r = 0; r < rows; ++r) {
    if (r % 3 == 1) matrix.row(r)[numbers.below(5)] = missing;
    if (r % 50 == 20) std::fill_n(matrix.row(r), 5, missing);
  }
  return matrix;
}

TEST(Conditional, ScoresDependOnNoOtherRowAndSurviveTheFile) {
  const TemporaryDirectory directory;
  const Matrix training = rows_with_gaps(300), rows = rows_with_gaps(90);
  for (const DetectorOptions& options : quick_cases()) {
    Detector detector = fitted_to(options, training);
    const std::vector<float> expected = detector.score(rows.view());
    std::vector<float> single(90);
    for (std::int64_t r = 0; r < 90; ++r) detector.score({rows.row(r), 1, 5}, {single.data() + r, 1});
    EXPECT_TRUE(same_bits(single, expected));
    expect_scores(rows.view(), expected);
    detector.save(directory.file("model"));
    Detector loaded = Detector::load(test_device(1), directory.file("model"));
    EXPECT_TRUE(same_bits(loaded.score(rows.view()), expected));
    loaded.save(directory.file("again"));
    EXPECT_EQ(read_text(directory.file("again")), read_text(directory.file("model")));
    EXPECT_TRUE(same_bits(fitted_to(options, training).score(rows.view()), expected));
  }
}

/// Explanations name the caller's columns; what is given explains nothing.
TEST(Conditional, ExplanationsAreInTheCallersOrder) {
  for (DetectorOptions options : {conditional_options(), conditional_options(Method::egbad), translation_options()}) {
    Detector detector = fitted_to(options, dependent_rows(600, 1));
    Matrix rows = dependent_rows(30, 9);
    for (std::int64_t r = 0; r < 30; ++r) rows.row(r)[1 + r % 2] += 20.0f;
    std::vector<Explanation> explanations;
    detector.explain(rows.view(), 5, explanations);
    for (std::int64_t r = 0; r < 30; ++r) {
      const Explanation& found = explanations[static_cast<std::size_t>(r)];
      ASSERT_GE(found.column.size(), 2u);
      ASSERT_EQ(found.residual.size(), found.column.size());
      EXPECT_EQ(found.column[0], 1 + r % 2);
      for (std::size_t k = 2; k < found.column.size(); ++k) EXPECT_EQ(found.residual[k], 0.0f) << found.column[k];
    }
  }
}

TEST(Conditional, CannotBeSampled) {
  for (const DetectorOptions& options : {conditional_options(), translation_options()}) {
    DetectorOptions untrained = options;
    untrained.steps = 0;
    Detector detector = fitted_to(untrained, dependent_rows(60, 1));
    std::vector<float> rows(50);
    expect_error(ErrorCode::unsupported, {"sampled"}, [&] { detector.sample(10, 1, rows); });
  }
}

/// A search of no steps from E(x) is the reconstruction.
TEST(SearchFromEncoder, WithoutStepsIsTheReconstruction) {
  DetectorOptions options = small_options();
  options.method = Method::bigan;
  options.steps = 100;
  options.standardise = false;
  options.compress = false;
  options.discriminator_weight = 0.0f;
  options.discrimination = Discrimination::none;
  options.lambda = 0.0f;
  const Matrix training = normal_rows(300, 1), rows = mixed_rows(90, 2);
  options.score = ScoreRule::reconstruction;
  const std::vector<float> rebuilt = fitted(options, training).score(rows.view());
  options.score = ScoreRule::search;
  options.search_from = SearchStart::encoder;
  EXPECT_TRUE(same_bits(fitted(options, training).score(rows.view()), rebuilt));
  options.search_steps = 20;
  options.search_rate = {0.02f};
  const std::vector<float> searched = fitted(options, training).score(rows.view());
  double before = 0.0, after = 0.0;
  for (std::size_t r = 0; r < 90; ++r) {
    if (!std::isnan(rebuilt[r])) before += rebuilt[r], after += searched[r];  // all but the row without any value
  }
  EXPECT_LT(after, before);
}

}  // namespace
}  // namespace cugad::test
