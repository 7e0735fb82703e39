#include <gtest/gtest.h>

#include <functional>

#include "host/methods/methods.hpp"
#include "tests/common/random_words.hpp"
#include "tests/methods/clusters.hpp"

/// Images that are made: targets of pairs, missing pixels, samples of a class; and training images that are moved.
namespace cugad::test {
namespace {

constexpr int side = 8;
constexpr std::int64_t cells = side * side;

DetectorOptions painting_options(Method method, const char* image = "8x8x1") {
  DetectorOptions options;
  set_option(options, "image", image);
  options.method = method;
  options.scale = Scale::range;
  options.log1p = {"none"};
  options.novelty = options.discriminator_weight = options.average_decay = 0.0f;
  options.coverage = options.fence = 0.0f;
  options.patience = 0;
  options.generator_tanh = true;
  options.discrimination = Discrimination::none;
  options.population = 1;
  options.folds = 1;
  options.batch = 16;
  options.latent = 4;
  options.steps = 100;
  options.learning_rate = options.discriminator_learning_rate = options.encoder_learning_rate = 2e-3f;
  return options;
}

/// A blob at a random place; `bright`: on black, or else dark on white.
void draw(float* to, std::int64_t stride, RandomNumbers& numbers, bool bright) {
  const double y = 1.0 + (side - 3) * numbers.uniform(), x = 1.0 + (side - 3) * numbers.uniform();
  for (int p = 0; p < cells; ++p) {
    const double dy = p / side - y, dx = p % side - x, value = std::exp(-0.4 * (dy * dy + dx * dx));
    to[p / side * stride + p % side] = static_cast<float>(255.0 * (bright ? value : 1.0 - value));
  }
}

Matrix blobs(std::int64_t rows, std::uint64_t seed) {
  RandomNumbers numbers(seed);
  Matrix images(rows, cells);
  for (std::int64_t r = 0; r < rows; ++r) draw(images.row(r), side, numbers, true);
  return images;
}

/// Pairs: a blob to the left, and to the right its negative; `wrong`: the negative of another.
Matrix pairs(std::int64_t rows, std::uint64_t seed, bool wrong = false) {
  RandomNumbers numbers(seed);
  Matrix images(rows, 2 * cells);
  for (std::int64_t r = 0; r < rows; ++r) {
    RandomNumbers same = numbers;
    draw(images.row(r), 2 * side, numbers, true);
    draw(images.row(r) + side, 2 * side, wrong ? numbers : same, false);
  }
  return images;
}

Matrix with_target(Matrix rows, float value) {
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(rows.data.size()); ++i) {
    if (i % (2 * side) >= side) rows.data[static_cast<std::size_t>(i)] = value;
  }
  return rows;
}

double mean_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(double{a[i]} - double{b[i]});
  return sum / static_cast<double>(a.size());
}

/// Rows that come alone, or in another order, get the same bits.
void expect_no_neighbours(const std::function<std::vector<float>(const Matrix&)>& make, const Matrix& rows) {
  const std::vector<float> all = make(rows);
  const std::size_t width = all.size() / static_cast<std::size_t>(rows.rows);
  for (const std::int64_t r : {rows.rows - 1, std::int64_t{0}, rows.rows / 2}) {
    Matrix one(1, rows.columns);
    std::copy_n(rows.row(r), rows.columns, one.row(0));
    const auto from = all.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(r) * width);
    EXPECT_TRUE(same_bits(make(one), {from, from + static_cast<std::ptrdiff_t>(width)})) << "row " << r;
  }
}

TEST(Painting, TranslationPredictsTheOtherHalf) {
  DetectorOptions options = painting_options(Method::translation, "8x16x1");
  options.target = {"right"};
  options.contextual = 100.0f;
  options.steps = 150;
  Detector detector = fitted(options, pairs(120, 1));
  EXPECT_EQ(get_option(detector.options(), "generator_hidden"), "conv32k4s2,conv64k4s2,up32k4s2bn+1");
  EXPECT_EQ(get_option(detector.options(), "discriminator_hidden"), "conv32k4s2,conv64k4s2bn,conv128k4s1bn");
  const Matrix known = pairs(20, 2), given = with_target(known, missing);
  const std::vector<float> made = detector.fill(given.view());
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (!std::isnan(given.data[i])) {
      ASSERT_EQ(made[i], given.data[i]);
    }
    ASSERT_GE(made[i], -1e-3f);
    ASSERT_LE(made[i], 255.1f);
  }
  const double error = mean_difference(made, known.data);
  const double of_white = mean_difference(with_target(known, 255.0f).data, known.data);
  EXPECT_LT(error, 0.5 * of_white) << "beside " << of_white << " of white targets";
  EXPECT_GT(auroc(detector, pairs(60, 3), pairs(60, 4, true)), 0.9);
  expect_no_neighbours([&](const Matrix& rows) { return detector.fill(rows.view()); }, given);
  expect_no_neighbours([&](const Matrix& rows) { return detector.score(rows.view()); }, known);
  const std::vector<std::byte> file = std::as_const(detector).save();
  Detector loaded = Detector::load(test_device(), file);
  EXPECT_TRUE(same_bits(loaded.fill(given.view()), made));
  options.target = {"left"};
  options.steps = 2;
  Detector mirrored = fitted(options, pairs(40, 1));
  std::vector<float> residuals;
  mirrored.score_cells(known.view(), residuals);
  EXPECT_GT(residuals[3], 0.0f) << "of the target";
  EXPECT_EQ(residuals[side + 3], 0.0f) << "of the source";
}

TEST(Painting, InpaintingFillsMissingPixels) {
  DetectorOptions options = painting_options(Method::gan);
  options.r1 = 0.3f;
  options.population = 2;
  options.steps = 300;
  Detector detector = fitted(options, blobs(200, 1));
  const Matrix known = blobs(70, 2);  // more than are searched at a time
  Matrix given = known;
  for (std::int64_t r = 0; r < given.rows; ++r) {
    for (int p = 0; p < cells; ++p) {
      if (p % side >= 3 && p % side < 6) given.row(r)[p] = missing;
    }
  }
  const Inpainting how{.steps = 60, .rate = 0.05f};
  const auto inpaint = [&](const Matrix& rows) {
    std::vector<float> filled(rows.data.size());
    detector.inpaint(rows.view(), filled, how);
    return filled;
  };
  const std::vector<float> made = inpaint(given);
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (!std::isnan(given.data[i])) {
      ASSERT_EQ(made[i], given.data[i]);
    }
    ASSERT_TRUE(std::isfinite(made[i]));
  }
  Matrix black = given;
  for (float& value : black.data) value = std::isnan(value) ? 0.0f : value;
  EXPECT_LT(mean_difference(made, known.data), mean_difference(black.data, known.data));
  EXPECT_TRUE(same_bits(inpaint(given), made));
  expect_no_neighbours(inpaint, given);
  EXPECT_TRUE(same_bits(inpaint(known), known.data)) << "nothing is missing";

  std::vector<float> room(made.size()), small(3);
  const auto refused = [&](std::vector<std::string> words, const Inpainting& other) {
    expect_error(ErrorCode::invalid_argument, words, [&] { detector.inpaint(given.view(), room, other); });
  };
  refused({"steps", "-1"}, {.steps = -1});
  refused({"rate"}, {.rate = 0.0f});
  refused({"prior"}, {.prior = std::nanf("")});
  refused({"window", "odd"}, {.window = 4});
  expect_error(ErrorCode::invalid_argument, {"room for 3"}, [&] { detector.inpaint(given.view(), small); });
  expect_error(ErrorCode::unsupported, {"bands"}, [&] { detector.fill(given.view(), room, room, room); });
  options.method = Method::ganomaly;
  options.population = 1;
  options.steps = 1;
  Detector other = fitted(options, blobs(40, 1));
  expect_error(ErrorCode::unsupported, {"ganomaly", "gan or anogan"}, [&] { other.inpaint(given.view(), room, how); });
}

/// Blobs on black (class a) and on white (class b); the class follows as two 0/1 columns.
Matrix classes(std::int64_t rows, std::uint64_t seed, bool wrong = false) {
  RandomNumbers numbers(seed);
  Matrix images(rows, cells + 2);
  for (std::int64_t r = 0; r < rows; ++r) {
    const bool is_a = r % 2 == 0;
    draw(images.row(r), side, numbers, is_a != wrong);
    images.row(r)[cells] = is_a ? 1.0f : 0.0f;
    images.row(r)[cells + 1] = is_a ? 0.0f : 1.0f;
  }
  return images;
}

Detector fitted_to_classes(DetectorOptions options, const Matrix& rows) {
  options.condition = {"kind"};
  Columns columns;
  for (std::int64_t c = 0; c < cells; ++c) columns.names.push_back("p" + std::to_string(c));
  columns.names.insert(columns.names.end(), {"kind=a", "kind=b"});
  columns.binary = 2;
  Detector detector(test_device(), options);
  detector.fit(rows.view(), columns);
  return detector;
}

TEST(Painting, AClassIsGivenToAllNetworks) {
  for (const Method method : {Method::ganomaly, Method::fanogan, Method::egbad}) {
    SCOPED_TRACE(definition_of(method).name);
    DetectorOptions options = painting_options(method);
    options.reconstruction = 50.0f;
    options.score = ScoreRule::reconstruction;
    options.steps = 150;
    Detector detector = fitted_to_classes(options, classes(120, 1));
    EXPECT_GT(auroc(detector, classes(40, 2), classes(40, 3, true)), 0.9) << "images of the other class";
    expect_no_neighbours([&](const Matrix& rows) { return detector.score(rows.view()); }, classes(20, 4));
  }
}

TEST(Painting, AClassIsSampled) {
  DetectorOptions options = painting_options(Method::gan);
  options.steps = 300;
  Detector detector = fitted_to_classes(options, classes(120, 1));
  const auto mean_of = [&](std::vector<float> condition) {
    std::vector<float> rows(static_cast<std::size_t>(20 * (cells + 2)));
    detector.sample(20, 7, condition, rows);
    double sum = 0.0;
    for (std::int64_t r = 0; r < 20; ++r) {
      const float* const row = rows.data() + r * (cells + 2);
      for (std::int64_t c = 0; c < cells; ++c) sum += row[c] / (20.0 * cells);
      EXPECT_EQ(row[cells], condition[0]);
      EXPECT_EQ(row[cells + 1], condition[1]);
    }
    return sum;
  };
  const double a = mean_of({1.0f, 0.0f}), b = mean_of({0.0f, 1.0f});
  EXPECT_LT(a, 110.0);
  EXPECT_GT(b, 145.0);
  std::vector<float> rows(static_cast<std::size_t>(cells + 2));
  expect_error(ErrorCode::unsupported, {"without conditions", "--condition"}, [&] { detector.sample(1, 7, rows); });
  expect_error(ErrorCode::invalid_argument, {"1 values", "expected 2"},
               [&] { detector.sample(1, 7, std::vector<float>{1.0f}, rows); });
  expect_error(ErrorCode::unsupported, {"without conditions"}, [&] {
    detector.inpaint({rows.data(), 1, cells + 2}, rows);
  });
}

/// The latent search holds the class.
TEST(Painting, SearchesKeepTheClass) {
  DetectorOptions options = painting_options(Method::anogan);
  options.steps = 100;
  options.search_steps = 5;
  Detector detector = fitted_to_classes(options, classes(60, 1));
  EXPECT_EQ(get_option(detector.options(), "score"), "search");
  expect_no_neighbours([&](const Matrix& rows) { return detector.score(rows.view()); }, classes(9, 2));
}

TEST(Painting, AugmentationFollowsTheSeed) {
  const auto scores = [](bool flip, int shift, std::uint64_t seed) {
    DetectorOptions options = painting_options(Method::gan);
    options.steps = 20;
    options.flip = flip;
    options.shift = shift;
    options.seed = seed;
    return fitted(options, blobs(60, 1)).score(blobs(10, 2).view());
  };
  const std::vector<float> plain = scores(false, 0, 1), moved = scores(true, 2, 1);
  EXPECT_TRUE(same_bits(scores(true, 2, 1), moved));
  EXPECT_FALSE(same_bits(plain, moved));
  EXPECT_FALSE(same_bits(scores(false, 2, 1), moved));
  EXPECT_FALSE(same_bits(scores(true, 0, 1), moved));
  DetectorOptions tables;
  tables.flip = true;
  const std::vector<std::string> idle = options_without_effect(tables);
  EXPECT_NE(std::find(idle.begin(), idle.end(), "flip"), idle.end());
}

}  // namespace
}  // namespace cugad::test
