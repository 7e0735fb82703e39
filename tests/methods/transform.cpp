#include "host/detector/transform.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/methods/clusters.hpp"

/// FeatureTransform: each scale with and without log1p against the formulas, and back.
namespace cugad::test {
namespace {

/// Columns of several kinds: normal, heavy-tailed, a counter of large numbers, one with negatives and a heavy tail,
/// constant, mostly one value, 0/1.
Matrix kinds_of_columns(std::int64_t rows = 400) {
  RandomNumbers numbers(5);
  Matrix matrix(rows, 7);
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = matrix.row(r);
    row[0] = static_cast<float>(3.0 + 2.0 * numbers.normal());
    row[1] = static_cast<float>(std::exp(3.0 * numbers.normal()));
    row[2] = static_cast<float>(1e6 + 1e5 * numbers.uniform());
    row[3] = static_cast<float>(std::exp(3.0 * numbers.normal()) - 1.0);
    row[4] = 12.25f;
    row[5] = numbers.uniform() < 0.9 ? 7.0f : static_cast<float>(7.0 + numbers.uniform());
    row[6] = numbers.uniform() < 0.3 ? 1.0f : 0.0f;
  }
  matrix.row(17)[0] = missing;
  return matrix;
}

const std::vector<std::string> names = {"normal", "tail", "counter", "negative", "constant", "mostly", "flag"};
constexpr std::int64_t numeric = 6;

struct Fitted {
  FeatureTransform transform;
  std::vector<std::string> messages;
};

Fitted fit(const Matrix& rows, const DetectorOptions& options) {
  Fitted result;
  Context context = Device::open("cpu", 1).make_context();
  result.transform.fit(context, rows.view(), options, names, numeric,
                       [&](const std::string& message) { result.messages.push_back(message); });
  return result;
}

/// The present values of a column, after f.
std::vector<double> values_of(const Matrix& rows, std::int64_t column, bool log1p) {
  std::vector<double> values;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const double value = rows.row(r)[column];
    if (!std::isnan(value)) values.push_back(log1p ? std::log1p(value) : value);
  }
  return values;
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double central_moment(const std::vector<double>& values, double power) {
  double sum = 0.0;
  for (const double value : values) sum += std::pow(value - mean_of(values), power);
  return sum / static_cast<double>(values.size());
}

double quantile(std::vector<double> values, double probability) {
  std::sort(values.begin(), values.end());
  const double place = probability * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

struct Expected {
  double shift, scale;
};

Expected expected_of(const Matrix& rows, std::int64_t column, bool log1p, const DetectorOptions& options) {
  const std::vector<double> values = values_of(rows, column, log1p);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const double mean = mean_of(values), deviation = std::sqrt(central_moment(values, 2.0));
  Expected expected{mean, 1.0};
  if (options.scale == Scale::none && !options.center) expected.shift = 0.0;
  if (options.scale == Scale::minmax) expected = {*low, 1.0 / (*high - *low)};
  if (options.scale == Scale::standard) expected.scale = 1.0 / deviation;
  if (options.scale == Scale::robust && column < numeric) {
    const double range = quantile(values, 0.75) - quantile(values, 0.25);
    expected = {quantile(values, 0.5), range > 0.0 ? 1.349 / range : 1.0 / deviation};
  }
  if (column >= numeric || *low == *high) expected.scale = 1.0;
  return expected;
}

struct Setting {
  Scale scale;
  bool center;
  std::vector<std::string> log1p;
  std::vector<std::uint8_t> logged;
};

/// Every scale with every rule: "auto" takes the columns without negatives whose skewness is above 2.
std::vector<Setting> settings() {
  const std::vector<std::pair<std::vector<std::string>, std::vector<std::uint8_t>>> rules = {
      {{"none"}, {0, 0, 0, 0, 0, 0, 0}},
      {{"auto"}, {0, 1, 0, 0, 0, 1, 0}},
      {{"numeric"}, {0, 1, 1, 0, 1, 1, 0}},
      {{"counter", "tail"}, {0, 1, 1, 0, 0, 0, 0}},
  };
  std::vector<Setting> all;
  for (const auto& [rule, logged] : rules)
    for (const Scale scale : {Scale::none, Scale::minmax, Scale::standard, Scale::robust})
      for (const bool center : {true, false})
        if (center || scale == Scale::none) all.push_back({scale, center, rule, logged});
  return all;
}

TEST(Transform, MatchesTheFormulasAndComesBack) {
  const Matrix rows = kinds_of_columns();
  ASSERT_GT(
      central_moment(values_of(rows, 5, false), 3.0) / std::pow(central_moment(values_of(rows, 5, false), 2), 1.5), 2.0)
      << "the test's own column 'mostly' is heavy-tailed";
  Context context = Device::open("cpu", 1).make_context();
  for (const Setting& setting : settings()) {
    SCOPED_TRACE("scale " + std::to_string(static_cast<int>(setting.scale)) + ", center " +
                 std::to_string(setting.center) + ", log1p " + setting.log1p[0]);
    DetectorOptions options;
    options.scale = setting.scale;
    options.center = setting.center;
    options.log1p = setting.log1p;
    const FeatureTransform transform = fit(rows, options).transform;
    ASSERT_EQ(transform.columns(), 7);
    EXPECT_EQ(transform.log1p, setting.logged);
    Matrix scaled(rows.rows, 7);
    transform.apply(context, rows.view(), scaled.view());
    Matrix back = scaled;
    transform.invert(back.view());
    for (std::int64_t c = 0; c < 7; ++c) {
      const auto column = static_cast<std::size_t>(c);
      const bool logged = setting.logged[column] != 0;
      const Expected expected = expected_of(rows, c, logged, options);
      // Quantiles are float32, of columns that apply() has rounded to float32.
      const double bound = setting.scale == Scale::none || setting.scale == Scale::standard ? 2e-6 : 1e-5;
      EXPECT_NEAR(transform.shift[column], expected.shift, 3e-7 * std::abs(expected.shift)) << names[column];
      EXPECT_NEAR(transform.scale[column], expected.scale, bound * expected.scale) << names[column];
      for (std::int64_t r = 0; r < rows.rows; ++r) {
        const double x = rows.row(r)[c], y = scaled.row(r)[c];
        ASSERT_EQ(std::isnan(x), std::isnan(y));
        if (std::isnan(x)) continue;
        const double exact = ((logged ? std::log1p(x) : x) - transform.shift[column]) * transform.scale[column];
        ASSERT_NEAR(y, exact, 1.2e-7 * std::abs(exact)) << names[column] << ", row " << r;
        // y is off by half a unit in its last place; in x that is y / scale, times e^f(x) = 1 + x after log1p.
        const double unit = (std::abs(y) / transform.scale[column]) * (logged ? 1.0 + x : 1.0);
        ASSERT_NEAR(back.row(r)[c], x, 1.3e-7 * (unit + std::abs(x))) << names[column] << ", row " << r;
      }
    }
  }
}

TEST(Transform, SaysWhatItLeavesAlone) {
  const Matrix rows = kinds_of_columns();
  DetectorOptions options;
  options.log1p = {"numeric"};
  const std::vector<std::string> messages = fit(rows, options).messages;
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0], "column 'normal' has negative values: no log1p");
  EXPECT_EQ(messages[1], "column 'negative' has negative values: no log1p");
  EXPECT_EQ(messages[2], "constant in the training rows, 1 of 7 features: constant");
}

TEST(Transform, NamesTheNearestColumn) {
  DetectorOptions options;
  options.log1p = {"countr"};
  expect_error(ErrorCode::invalid_argument, {"'countr'", "nearest: 'counter'"},
               [&] { fit(kinds_of_columns(), options); });
  options.log1p = {"flag"};
  expect_error(ErrorCode::invalid_argument, {"'flag'", "no numeric feature"},
               [&] { fit(kinds_of_columns(), options); });
}

TEST(Transform, Log1pOfANamedColumnNeedsItNonNegative) {
  DetectorOptions options;
  options.log1p = {"negative"};
  expect_error(ErrorCode::invalid_argument, {"'negative'", "smallest value", "at least 0"},
               [&] { fit(kinds_of_columns(), options); });
}

/// Magnitudes near the ends of float32 give finite numbers.
TEST(Transform, ExtremeColumnsStayFinite) {
  Matrix rows(4, 7);
  for (std::int64_t r = 0; r < 4; ++r) {
    const float sign = r % 2 == 0 ? 1.0f : -1.0f;
    const float cells[] = {sign * 3e38f, sign * 1e-38f, sign * 1e-45f, 3e38f, 0.0f, r == 0 ? 1e30f : 0.0f, 1.0f};
    std::copy_n(cells, 7, rows.row(r));
  }
  Context context = Device::open("cpu", 1).make_context();
  for (const Setting& setting : settings()) {
    if (setting.log1p.size() > 1) continue;
    DetectorOptions options;
    options.scale = setting.scale;
    options.center = setting.center;
    options.log1p = setting.log1p;
    const FeatureTransform transform = fit(rows, options).transform;
    Matrix scaled(4, 7);
    transform.apply(context, rows.view(), scaled.view());
    for (const float value : scaled.data) EXPECT_TRUE(std::isfinite(value));
    for (const double value : transform.scale) EXPECT_TRUE(std::isfinite(value) && value > 0.0);
  }
}

}  // namespace
}  // namespace cugad::test
