#include <gtest/gtest.h>

#include <limits>

#include "cugad/detector.hpp"
#include "tests/c_api/handles.hpp"

/// Missing cells, filled and drawn through the C interface: what the C++ interface gives.
namespace cugad::test {
namespace {

constexpr std::int64_t columns = 4;
constexpr float missing = std::numeric_limits<float>::quiet_NaN();

TEST(Filling, IsThatOfTheDetector) {
  const DeviceHandle device = open_device();
  const std::string config = small_config("gain");
  const Matrix training = random_rows(80, columns, 1);
  const DetectorHandle by_c = create(device.get(), config);
  fit(by_c.get(), training);
  Detector by_cpp(test_device(), options_from_json(config));
  by_cpp.fit(training.view());
  constexpr std::int64_t rows = 12, stride = columns + 1, count = 3;
  Matrix given = random_rows(rows, stride, 2);
  for (std::int64_t r = 0; r < rows; ++r) given.row(r)[r % columns] = missing;
  const MatrixView<const float> view(given.data.data(), rows, columns, stride);
  std::vector<float> expected(rows * columns), low(expected), high(expected), drawn(expected.size() * count);
  by_cpp.fill(view, expected, low, high, 0.8f);
  by_cpp.sample(view, count, 7, drawn);

  std::vector<float> filled(expected.size()), found_low(filled), found_high(filled), found_drawn(drawn.size());
  ASSERT_OK(cugad_detector_fill(by_c.get(), given.data.data(), rows, columns, stride, 0.8f, filled.data(),
                                found_low.data(), found_high.data()));
  EXPECT_TRUE(same_bits(filled, expected) && same_bits(found_low, low) && same_bits(found_high, high));
  std::fill(filled.begin(), filled.end(), 0.0f);
  ASSERT_OK(
      cugad_detector_fill(by_c.get(), given.data.data(), rows, columns, stride, 0.9f, filled.data(), nullptr, nullptr));
  EXPECT_TRUE(same_bits(filled, expected));
  ASSERT_OK(
      cugad_detector_sample_given(by_c.get(), given.data.data(), rows, columns, stride, count, 7, found_drawn.data()));
  EXPECT_TRUE(same_bits(found_drawn, drawn));

  const auto refused = [&](cugad_status status, cugad_status expected_status, const char* part) {
    EXPECT_EQ(status, expected_status);
    EXPECT_NE(std::string(cugad_last_error()).find(part), std::string::npos) << cugad_last_error();
  };
  float* const x = given.data.data();
  refused(cugad_detector_fill(by_c.get(), x, rows, columns, stride, 0.9f, nullptr, nullptr, nullptr),
          CUGAD_ERROR_INVALID_ARGUMENT, "filled is NULL");
  refused(cugad_detector_fill(by_c.get(), x, rows, columns, stride, 0.9f, x, nullptr, nullptr),
          CUGAD_ERROR_INVALID_ARGUMENT, "filled");
  refused(cugad_detector_fill(by_c.get(), x, rows, columns, stride, 1.5f, filled.data(), nullptr, nullptr),
          CUGAD_ERROR_INVALID_ARGUMENT, "coverage");
  refused(cugad_detector_sample_given(by_c.get(), x, rows, columns, stride, -1, 7, found_drawn.data()),
          CUGAD_ERROR_INVALID_ARGUMENT, "-1");
  const DetectorHandle other = create(device.get(), small_config("gan"));
  fit(other.get(), training);
  refused(cugad_detector_fill(other.get(), x, rows, columns, stride, 0.9f, filled.data(), nullptr, nullptr),
          CUGAD_ERROR_UNSUPPORTED, "gain");
}

/// Samples of a conditional model, which repeat the condition.
TEST(ConditionalSampling, IsThatOfTheDetector) {
  const DeviceHandle device = open_device();
  const std::string config = small_config("gan", R"(, "condition": ["3"])");
  const Matrix training = random_rows(80, columns, 1);
  const DetectorHandle by_c = create(device.get(), config);
  fit(by_c.get(), training);
  Detector by_cpp(test_device(), options_from_json(config));
  by_cpp.fit(training.view());
  constexpr std::int64_t rows = 5, stride = columns + 2;
  const std::vector<float> condition = {0.5f};
  std::vector<float> expected(rows * columns), drawn(rows * stride, -7.0f);
  by_cpp.sample(rows, 7, condition, expected);
  ASSERT_OK(cugad_detector_sample_conditional(by_c.get(), 7, condition.data(), 1, drawn.data(), rows, columns, stride));
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* const row = drawn.data() + r * stride;
    EXPECT_TRUE(same_bits({row, row + columns}, {&expected[r * columns], &expected[r * columns] + columns}));
    EXPECT_EQ(row[3], 0.5f);
    EXPECT_EQ(row[columns], -7.0f);
  }
  const auto refused = [&](cugad_status status, const char* part) {
    EXPECT_NE(status, CUGAD_OK);
    EXPECT_NE(std::string(cugad_last_error()).find(part), std::string::npos) << cugad_last_error();
  };
  refused(cugad_detector_sample(by_c.get(), 7, drawn.data(), rows, columns, stride), "condition");
  refused(cugad_detector_sample_conditional(by_c.get(), 7, nullptr, 1, drawn.data(), rows, columns, stride),
          "condition is NULL");
  refused(cugad_detector_sample_conditional(by_c.get(), 7, drawn.data(), 2, drawn.data(), rows, columns, stride),
          "condition");
}

}  // namespace
}  // namespace cugad::test
