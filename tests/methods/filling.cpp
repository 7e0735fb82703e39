#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "host/model_file/safetensors.hpp"
#include "tests/methods/fleet_rows.hpp"

/// Cells that rows lack, predicted from the others.
namespace cugad::test {
namespace {

DetectorOptions filling_options() {
  DetectorOptions options = quick_options();
  options.method = Method::gain;
  options.steps = 600;
  options.population = options.folds = 4;
  return options;
}

/// Rows with some of their cells hidden at random, a few without any value.
Matrix with_hidden_cells(Matrix rows, double share, std::uint64_t seed) {
  RandomNumbers numbers(seed);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < rows.columns; ++c) {
      if (numbers.uniform() < share || r % 50 == 7) rows.row(r)[c] = missing;
    }
  }
  return rows;
}

TEST(Filling, TakesHiddenCellsFromTheOthers) {
  Detector detector = fitted(filling_options(), normal_rows(800, 1));
  const Matrix complete = normal_rows(200, 2);
  Matrix rows = complete;
  for (std::int64_t r = 0; r < rows.rows; ++r) rows.row(r)[r % 6] = missing;
  const std::vector<float> filled = detector.fill(rows);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < 6; ++c) {
      const float value = filled[static_cast<std::size_t>(r * 6 + c)];
      const double unit = std::pow(10.0, c % 3);
      if (c != r % 6) {
        EXPECT_EQ(value, rows.row(r)[c]);
      } else {
        EXPECT_LT(std::abs(value - complete.row(r)[c]), 1.5 * unit) << r;  // the clusters are 4 units apart
      }
    }
  }
}

TEST(Filling, BandsCoverTheirShare) {
  Detector detector = fitted(filling_options(), normal_rows(1000, 1));
  const Matrix complete = normal_rows(1000, 2), rows = with_hidden_cells(complete, 0.2, 3);
  const std::size_t cells = rows.data.size();
  std::vector<float> filled(cells), low(cells), high(cells);
  for (const float coverage : {0.9f, 0.5f}) {
    detector.fill(rows, filled, low, high, coverage);
    double hidden = 0.0, covered = 0.0;
    for (std::size_t i = 0; i < cells; ++i) {
      ASSERT_TRUE(low[i] <= filled[i] && filled[i] <= high[i]) << i;
      if (!std::isnan(rows.data[i])) {
        EXPECT_TRUE(low[i] == rows.data[i] && high[i] == rows.data[i]);
        continue;
      }
      hidden += 1.0;
      covered += low[i] <= complete.data[i] && complete.data[i] <= high[i] ? 1.0 : 0.0;
    }
    EXPECT_NEAR(covered / hidden, double{coverage}, 0.06);
  }
}

TEST(Filling, DoesNotDependOnTheRowsBesideNorOnThreads) {
  const Matrix training = normal_rows(300, 1), rows = with_hidden_cells(normal_rows(90, 2), 0.3, 4);
  DetectorOptions options = filling_options();
  options.steps = 100;
  Detector detector = fitted(options, training), threaded = fitted(options, training, 3);
  const std::vector<float> all = detector.fill(rows);
  EXPECT_TRUE(same_bits(all, threaded.fill(rows)));
  for (std::int64_t r = 0; r < rows.rows; r += 7) {
    const std::vector<float> alone = detector.fill({rows.row(r), 1, 6, 6});
    EXPECT_TRUE(same_bits(alone, {all.begin() + r * 6, all.begin() + (r + 1) * 6})) << r;
  }
}

/// The same from a file, from a shared model, and in an ensemble, whose member gain is that of the detector alone.
TEST(Filling, IsKeptInTheModel) {
  const TemporaryDirectory directory;
  DetectorOptions options = filling_options();
  options.steps = 50;
  const Matrix training = normal_rows(200, 1), rows = with_hidden_cells(normal_rows(50, 2), 0.3, 4);
  Detector detector = fitted(options, training);
  const std::vector<float> expected = detector.fill(rows);
  detector.save(directory.file("model"));
  EXPECT_TRUE(same_bits(Detector::load(test_device(1), directory.file("model")).fill(rows), expected));
  EXPECT_TRUE(same_bits(detector.share().fill(rows), expected));
  options.method = Method::knn;
  options.ensemble = {Method::gain};
  EXPECT_TRUE(same_bits(fitted(options, training).fill(rows), expected));
}

/// A missing condition is not predicted, and an infinite cell leaves no prediction without a number.
TEST(Filling, LeavesNoCellWithoutAValue) {
  DetectorOptions options = filling_options();
  options.steps = 50;
  options.condition = {"b"};
  Detector detector(test_device(1), options);
  detector.fit(normal_rows(300, 1), {.names = {"a", "b", "c", "d", "e", "f"}});
  Matrix rows = with_hidden_cells(normal_rows(60, 2), 0.4, 5);
  rows.row(1)[0] = std::numeric_limits<float>::infinity();
  const std::vector<float> filled = detector.fill(rows);
  for (std::size_t i = 0; i < filled.size(); ++i) {
    EXPECT_FALSE(std::isnan(filled[i])) << i;
    if (!std::isnan(rows.data[i])) {
      EXPECT_EQ(filled[i], rows.data[i]);
    }
  }
  EXPECT_FALSE(detector.fill(Matrix(0, 6)).size() != 0);
}

TEST(Filling, TakesACellThatOverflowsAsItIsScaledForALargeOne) {
  Matrix training = normal_rows(300, 1), rows = normal_rows(2, 2);
  for (std::int64_t r = 0; r < training.rows; ++r) training.row(r)[0] *= 1e-20f;
  std::copy_n(rows.row(0), rows.columns, rows.row(1));
  rows.row(0)[0] = 1e10f;
  rows.row(1)[0] = std::numeric_limits<float>::max();
  rows.row(0)[1] = rows.row(1)[1] = missing;
  Detector detector = fitted(filling_options(), training);
  const std::vector<float> filled = detector.fill(rows);
  EXPECT_EQ(filled[1], filled[7]);
  rows.row(1)[0] = missing;
  EXPECT_NE(detector.fill(rows)[7], filled[7]);
}

/// Heavy tails are logged: values come back in the units of the rows, and within what training rows have.
TEST(Filling, StaysWithinTheRangeOfTheTrainingRows) {
  Matrix training = normal_rows(400, 1);
  for (std::int64_t r = 0; r < training.rows; ++r) training.row(r)[3] = std::exp(training.row(r)[1]);
  DetectorOptions options = filling_options();
  options.steps = 100;
  options.log1p = {"3"};
  Detector detector = fitted(options, training);
  const Matrix rows = with_hidden_cells(normal_rows(100, 2), 0.9, 5);
  const std::size_t cells = rows.data.size();
  std::vector<float> filled(cells), low(cells), high(cells);
  detector.fill(rows, filled, low, high, 0.99f);
  float lowest = training.row(0)[3], highest = lowest;
  for (std::int64_t r = 0; r < training.rows; ++r) {
    lowest = std::min(lowest, training.row(r)[3]);
    highest = std::max(highest, training.row(r)[3]);
  }
  for (std::size_t i = 3; i < cells; i += 6) {
    if (!std::isnan(rows.data[i])) continue;
    EXPECT_TRUE(low[i] >= lowest && high[i] <= highest) << low[i] << " " << high[i];
  }
}

/// Bands beyond the range are counted for the call that made them; the model's own notes do not change.
TEST(Filling, CountsBandsBeyondTheTrainingRows) {
  Matrix training = normal_rows(400, 1);
  for (std::int64_t r = 0; r < training.rows; ++r) training.row(r)[3] = 2.0f * training.row(r)[1];
  Detector detector = fitted(filling_options(), training);
  const std::vector<std::string> notes = detector.notes();
  Matrix rows = normal_rows(2, 2);
  rows.row(0)[1] = 50.0f * training.row(0)[1];
  rows.row(0)[3] = rows.row(1)[3] = missing;
  std::vector<float> filled(12), low(12), high(12);
  EXPECT_EQ(detector.fill(rows, filled, low, high), 1);
  EXPECT_EQ(detector.fill(rows, filled), 0) << "no bands";
  std::vector<Explanation> explanations;
  detector.explain(rows, 3, explanations);
  EXPECT_EQ(detector.notes(), notes);
}

double correlation(const std::vector<float>& rows, std::size_t columns, std::size_t a, std::size_t b) {
  double n = 0, sa = 0, sb = 0, aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < rows.size(); i += columns) {
    const double x = double{rows[i + a]}, y = double{rows[i + b]};
    n += 1, sa += x, sb += y, aa += x * x, bb += y * y, ab += x * y;
  }
  return (ab - sa * sb / n) / std::sqrt((aa - sa * sa / n) * (bb - sb * sb / n));
}

/// Columns a and b of two that move together, c against them, d alone.
Matrix dependent_rows(std::int64_t rows, std::uint64_t seed) {
  RandomNumbers numbers(seed);
  Matrix matrix(rows, 4);
  for (std::int64_t r = 0; r < rows; ++r) {
    const double x = numbers.normal();
    const double values[] = {x + 0.3 * numbers.normal(), 10 * x + 3 * numbers.normal(), 5 - x + 0.5 * numbers.normal(),
                             numbers.normal()};
    for (std::int64_t c = 0; c < 4; ++c) matrix.row(r)[c] = static_cast<float>(values[c]);
  }
  return matrix;
}

/// Separate draws of the columns would have no correlation.
TEST(ConditionalSamples, ColumnsDependOnEachOtherAsInTraining) {
  const Matrix training = dependent_rows(1500, 1);
  Detector detector = fitted(filling_options(), training);
  Matrix given(1, 4);
  std::fill_n(given.row(0), 4, missing);
  std::vector<float> drawn(2000 * 4);
  detector.sample(given, 2000, 3, drawn);
  for (const auto& [a, b] : {std::pair(0, 1), std::pair(0, 2), std::pair(1, 2), std::pair(0, 3)}) {
    EXPECT_NEAR(correlation(drawn, 4, a, b), correlation(training.data, 4, a, b), 0.1) << a << " " << b;
  }
  // Given a, what is left of the variance of b is the share that a does not explain.
  given.row(0)[0] = 1.0f;
  detector.sample(given, 2000, 3, drawn);
  double sum = 0.0, squares = 0.0;
  for (std::size_t i = 0; i < drawn.size(); i += 4) {
    EXPECT_EQ(drawn[i], 1.0f);
    sum += double{drawn[i + 1]} / 2000.0;
    squares += double{drawn[i + 1]} * double{drawn[i + 1]} / 2000.0;
  }
  EXPECT_NEAR(sum, 9.2, 1.5);  // 10 * 1 / 1.09
  EXPECT_NEAR(std::sqrt(squares - sum * sum), 4.2, 1.0);
}

/// A text column that follows from a number: low, middle or high; in between either of two.
Matrix labelled_rows(std::int64_t rows, std::uint64_t seed) {
  RandomNumbers numbers(seed);
  Matrix matrix(rows, 5);
  for (std::int64_t r = 0; r < rows; ++r) {
    const double x = 6.0 * numbers.uniform() - 3.0, blurred = x + 0.5 * numbers.normal();
    const int value = blurred < -1.0 ? 0 : blurred < 1.0 ? 1 : 2;
    matrix.row(r)[0] = static_cast<float>(x);
    matrix.row(r)[1] = static_cast<float>(-x + 0.3 * numbers.normal());
    for (int k = 0; k < 3; ++k) matrix.row(r)[2 + k] = k == value ? 1.0f : 0.0f;
  }
  return matrix;
}

Detector fitted_to_labels() {
  Detector detector(test_device(1), filling_options());
  detector.fit(labelled_rows(1000, 1), {.names = {"x", "y", "size=high", "size=low", "size=middle"}, .binary = 3});
  return detector;
}

/// Columns of one category are filled with its values' probabilities, which have no band.
TEST(Filling, GivesCategoriesTheProbabilitiesOfTheirValues) {
  Detector detector = fitted_to_labels();
  const Matrix complete = labelled_rows(300, 2);
  Matrix rows = complete;
  for (std::int64_t r = 0; r < rows.rows; ++r) std::fill_n(rows.row(r) + 2, 3, missing);
  const std::size_t cells = rows.data.size();
  std::vector<float> filled(cells), low(cells), high(cells);
  detector.fill(rows, filled, low, high);
  int right = 0;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const float* p = &filled[static_cast<std::size_t>(r * 5 + 2)];
    EXPECT_NEAR(p[0] + p[1] + p[2], 1.0f, 1e-5f);
    EXPECT_TRUE(p[0] >= 0.0f && p[1] >= 0.0f && p[2] >= 0.0f);
    EXPECT_TRUE(std::equal(p, p + 3, &low[static_cast<std::size_t>(r * 5 + 2)]));
    right += complete.row(r)[2 + (std::max_element(p, p + 3) - p)] == 1.0f ? 1 : 0;
  }
  EXPECT_GT(right, 225);  // two thirds of the rows are clear, of the others more than half
}

TEST(ConditionalSamples, CategoriesHaveOneValue) {
  Detector detector = fitted_to_labels();
  Matrix given(2, 5);
  std::fill_n(given.row(0), 10, missing);
  given.row(1)[0] = -1.0f;  // between the first two values
  std::vector<float> drawn(2 * 500 * 5);
  detector.sample(given, 500, 3, drawn);
  std::array<int, 3> of_first = {}, of_second = {};
  for (std::size_t i = 0; i < drawn.size(); i += 5) {
    int ones = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_TRUE(drawn[i + 2 + k] == 0.0f || drawn[i + 2 + k] == 1.0f);
      ones += drawn[i + 2 + k] == 1.0f ? 1 : 0;
      (i < 2500 ? of_first : of_second)[k] += drawn[i + 2 + k] == 1.0f ? 1 : 0;
    }
    EXPECT_EQ(ones, 1);
  }
  for (const int count : of_first) EXPECT_GT(count, 80);
  EXPECT_GT(of_second[0], 80);
  EXPECT_GT(of_second[1], 80);
  EXPECT_LT(of_second[2], 25);
}

TEST(ConditionalSamples, FollowFromSeedAndPosition) {
  DetectorOptions options = filling_options();
  options.steps = 50;
  Detector detector = fitted(options, normal_rows(200, 1));
  const Matrix given = with_hidden_cells(normal_rows(40, 2), 0.5, 4);
  const auto draw = [&](MatrixView<const float> rows, std::int64_t count, std::uint64_t seed) {
    std::vector<float> drawn(static_cast<std::size_t>(rows.rows * count * 6));
    detector.sample(rows, count, seed, drawn);
    return drawn;
  };
  const std::vector<float> drawn = draw(given, 3, 9);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    EXPECT_FALSE(std::isnan(drawn[i]));
    const float cell = given.data[i / 18 * 6 + i % 6];
    if (!std::isnan(cell)) {
      EXPECT_EQ(drawn[i], cell);
    }
  }
  EXPECT_TRUE(same_bits(draw(given, 3, 9), drawn));
  EXPECT_FALSE(same_bits(draw(given, 3, 10), drawn));
  const std::vector<float> fewer = draw({given.row(0), 11, 6, 6}, 3, 9);
  EXPECT_TRUE(same_bits(fewer, {drawn.begin(), drawn.begin() + 11 * 18}));
  EXPECT_TRUE(draw(given, 0, 9).empty());
  std::vector<float> room(5);
  expect_error(ErrorCode::invalid_argument, {"5 numbers", "240"}, [&] { detector.sample(given, 1, 1, room); });
  expect_error(ErrorCode::invalid_argument, {"-1"}, [&] { detector.sample(given, -1, 1, room); });
}

TEST(Filling, NeedsAModelThatPredictsCells) {
  const TemporaryDirectory directory;
  const Matrix rows = normal_rows(50, 1);
  Detector other = fitted(quick_options(), rows);
  expect_error(ErrorCode::unsupported, {"anogan", "--method gain"}, [&] { other.fill(rows); });
  Detector unfitted(test_device(1));
  expect_error(ErrorCode::invalid_argument, {"not fitted"}, [&] { unfitted.fill(rows); });
  DetectorOptions options = filling_options();
  options.steps = 10;
  Detector detector = fitted(options, rows);
  expect_error(ErrorCode::invalid_argument, {"5 columns", "expected 6"}, [&] { detector.fill(normal_rows(3, 1, 5)); });
  std::vector<float> room(rows.data.size()), small(7);
  expect_error(ErrorCode::invalid_argument, {"'filled'", "7"}, [&] { detector.fill(rows, small); });
  expect_error(ErrorCode::invalid_argument, {"'high'"}, [&] { detector.fill(rows, room, room, small); });
  expect_error(ErrorCode::invalid_argument, {"coverage", "1.0"}, [&] { detector.fill(rows, room, {}, {}, 1.0f); });

  detector.save(directory.file("model"));
  const safetensors::File good = safetensors::read(directory.file("model"));
  const auto load = [&](safetensors::File file) {
    safetensors::write(directory.file("damaged"), file);
    return Detector::load(test_device(1), directory.file("damaged"));
  };
  safetensors::File file = good;
  file.tensors.erase("cell_residuals");
  Detector old = load(file);
  expect_error(ErrorCode::unsupported, {"cell_residuals", "fit the model again"}, [&] { old.fill(rows); });
  file = good;
  file.tensors["cell_residuals"].f32[3] = 1e9f;
  expect_error(ErrorCode::format, {"'cell_residuals'", "ascend"}, [&] { load(file); });
  file = good;
  file.tensors.erase("cell_ranges");
  expect_error(ErrorCode::format, {"'cell_ranges'"}, [&] { load(file); });
}

}  // namespace
}  // namespace cugad::test
