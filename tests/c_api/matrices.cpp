#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "cugad/detector.hpp"
#include "tests/c_api/handles.hpp"

/// Rows in any order and type give the bits of the same rows in row-major float32; invalid matrices are refused.
namespace cugad::test {
namespace {

constexpr std::int64_t columns = 4, rows = 60;

/// A matrix whose elements are elsewhere.
template <class T>
cugad_matrix matrix_of(const std::vector<T>& data, std::int64_t row_stride, std::int64_t column_stride) {
  cugad_matrix matrix = {};
  matrix.struct_size = sizeof matrix;
  matrix.data = data.data();
  matrix.dtype = sizeof(T) == sizeof(double) ? CUGAD_FLOAT64 : CUGAD_FLOAT32;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.row_stride = row_stride;
  matrix.column_stride = column_stride;
  return matrix;
}

/// The rows in another order; -1 between elements.
template <class T>
std::vector<T> laid_out(const Matrix& x, std::int64_t row_stride, std::int64_t column_stride) {
  std::vector<T> data(static_cast<std::size_t>((x.rows - 1) * row_stride + (x.columns - 1) * column_stride + 1), T{-1});
  for (std::int64_t r = 0; r < x.rows; ++r) {
    for (std::int64_t c = 0; c < x.columns; ++c) {
      data[static_cast<std::size_t>(r * row_stride + c * column_stride)] = T{x.row(r)[c]};
    }
  }
  return data;
}

class Matrices : public testing::Test {
 protected:
  void SetUp() override {
    train_.row(3)[1] = std::numeric_limits<float>::quiet_NaN();
    device_ = open_device();
    detector_ = create(device_.get(), small_config("gan,bigan"));
    fit(detector_.get(), train_);
    expected_ = score(detector_.get(), test_);
  }
  template <class T>
  void expect_the_same(std::int64_t row_stride, std::int64_t column_stride) {
    SCOPED_TRACE(testing::Message() << sizeof(T) << " bytes, strides " << row_stride << ' ' << column_stride);
    const std::vector<T> train = laid_out<T>(train_, row_stride, column_stride),
                         test = laid_out<T>(test_, row_stride, column_stride);
    const cugad_matrix of_train = matrix_of(train, row_stride, column_stride),
                       of_test = matrix_of(test, row_stride, column_stride);
    const DetectorHandle fitted = create(device_.get(), small_config("gan,bigan"));
    ASSERT_OK(cugad_detector_fit_matrix(fitted.get(), &of_train, nullptr));
    std::vector<float> scores(rows), again(rows), of_methods(rows * 2), wanted(rows * 2);
    ASSERT_OK(cugad_detector_score_matrix(fitted.get(), &of_test, scores.data()));
    EXPECT_TRUE(same_bits(scores, expected_));
    ASSERT_OK(cugad_detector_score_methods_matrix(fitted.get(), &of_test, again.data(), of_methods.data()));
    EXPECT_TRUE(same_bits(again, expected_));
    ASSERT_OK(cugad_detector_score_methods(detector_.get(), test_.data.data(), rows, columns, columns, nullptr,
                                           wanted.data()));
    EXPECT_TRUE(same_bits(of_methods, wanted));
    std::vector<float> residuals(rows * columns), wanted_residuals(rows * columns);
    ASSERT_OK(cugad_detector_score_cells_matrix(fitted.get(), &of_test, again.data(), residuals.data()));
    EXPECT_TRUE(same_bits(again, expected_));
    ASSERT_OK(cugad_detector_score_cells(detector_.get(), test_.data.data(), rows, columns, columns, nullptr,
                                         wanted_residuals.data()));
    EXPECT_TRUE(same_bits(residuals, wanted_residuals));
    std::vector<cugad_reason> found(rows * 2), reasons(rows * 2);
    ASSERT_OK(cugad_detector_explain_matrix(fitted.get(), &of_test, 2, again.data(), found.data()));
    EXPECT_TRUE(same_bits(again, expected_));
    ASSERT_OK(
        cugad_detector_explain(detector_.get(), test_.data.data(), rows, columns, columns, 2, nullptr, reasons.data()));
    EXPECT_EQ(std::memcmp(found.data(), reasons.data(), sizeof(cugad_reason) * found.size()), 0);
  }

  Matrix train_ = random_rows(rows, columns, 1), test_ = random_rows(rows, columns, 2);
  DeviceHandle device_;
  DetectorHandle detector_;
  std::vector<float> expected_;
};

TEST_F(Matrices, OfAnyOrderAndTypeGiveTheSameBits) {
  expect_the_same<float>(columns, 1);
  expect_the_same<float>(columns + 3, 1);
  expect_the_same<float>(1, rows);
  expect_the_same<float>(2, 2 * rows + 1);
  expect_the_same<float>(2 * columns, 2);
  expect_the_same<double>(columns, 1);
  expect_the_same<double>(1, rows);
  expect_the_same<double>(3 * columns, 3);
}

TEST_F(Matrices, StridesOfOneRowOrColumnDoNotMatter) {
  const std::vector<double> cells = laid_out<double>(test_, columns, 1);
  for (const std::int64_t stride : {-1, 0, 1, 7}) {
    cugad_matrix one = matrix_of(cells, stride, 1);
    one.rows = 1;
    float found = 0;
    ASSERT_OK(cugad_detector_score_matrix(detector_.get(), &one, &found));
    EXPECT_EQ(found, expected_[0]);
    one.rows = 0;
    one.data = nullptr;
    ASSERT_OK(cugad_detector_score_matrix(detector_.get(), &one, nullptr));
    const DetectorHandle narrow = create(device_.get(), small_config("gan"));
    cugad_matrix column = matrix_of(cells, columns, stride);
    column.columns = 1;
    ASSERT_OK(cugad_detector_fit_matrix(narrow.get(), &column, nullptr));
  }
}

TEST_F(Matrices, WhatIsNoneIsRefused) {
  std::vector<double> cells = laid_out<double>(test_, columns, 1);
  const cugad_matrix good = matrix_of(cells, columns, 1);
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  struct Later {
    cugad_matrix matrix;
    std::int64_t member;
  };
  Later later = {good, 1};
  later.matrix.struct_size = sizeof later;
  struct Bad {
    const char* name;
    std::function<void(cugad_matrix&)> change;
    const char* said;
  };
  const std::vector<Bad> bad = {
      {"no size", [](auto& x) { x.struct_size = 0; }, "struct_size 0"},
      {"no type", [](auto& x) { x.dtype = 0; }, "dtype 0"},
      {"another type", [](auto& x) { x.dtype = 3; }, "dtype 3"},
      {"no rows' place", [](auto& x) { x.data = nullptr; }, "x is NULL"},
      {"less than no rows", [](auto& x) { x.rows = -1; }, "-1 rows"},
      {"less than no columns", [](auto& x) { x.columns = -1; }, "-1 columns"},
      {"other columns", [](auto& x) { x.columns = 3; }, "3 columns"},
      {"no stride", [](auto& x) { x.column_stride = 0; }, "column_stride 0"},
      {"backwards", [](auto& x) { x.row_stride = -columns; }, "row_stride -4"},
      {"rows in each other", [](auto& x) { x.row_stride = columns - 1; }, "row_stride 3"},
      {"columns in each other", [](auto& x) { x.row_stride = 1, x.column_stride = rows - 1; }, "column_stride 59"},
      {"overflow", [](auto& x) { x.row_stride = most / 8; }, "memory can hold"},
      {"odd address", [](auto& x) { x.data = static_cast<const char*>(x.data) + 4; }, "8 bytes"},
  };
  std::vector<float> scores(rows);
  for (const Bad& one : bad) {
    SCOPED_TRACE(one.name);
    cugad_matrix matrix = good;
    one.change(matrix);
    EXPECT_EQ(cugad_detector_score_matrix(detector_.get(), &matrix, scores.data()), CUGAD_ERROR_INVALID_ARGUMENT);
    EXPECT_NE(std::string(cugad_last_error()).find(one.said), std::string::npos) << cugad_last_error();
    if (matrix.columns == 3) continue;
    EXPECT_EQ(cugad_detector_fit_matrix(detector_.get(), &matrix, nullptr), CUGAD_ERROR_INVALID_ARGUMENT);
    EXPECT_NE(std::string(cugad_last_error()).find(one.said), std::string::npos) << cugad_last_error();
  }
  EXPECT_EQ(cugad_detector_score_matrix(detector_.get(), &later.matrix, scores.data()), CUGAD_ERROR_UNSUPPORTED);
  EXPECT_EQ(cugad_detector_score_matrix(detector_.get(), nullptr, scores.data()), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(cugad_detector_score_matrix(detector_.get(), &good, reinterpret_cast<float*>(cells.data() + 4)),
            CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(cugad_last_error()).find("overlaps"), std::string::npos) << cugad_last_error();
  EXPECT_TRUE(same_bits(score(detector_.get(), test_), expected_)) << "a failed call left its mark";
}

TEST_F(Matrices, ColumnsThatLoseTheirDigitsAreTold) {
  std::vector<double> cells = laid_out<double>(test_, columns, 1);
  for (std::int64_t r = 0; r < rows; ++r) cells[static_cast<std::size_t>(r * columns + 2)] = 1.7e9 + 7.0 * r;
  const cugad_matrix matrix = matrix_of(cells, columns, 1);
  std::vector<std::string> messages;
  cugad_fit_controls controls = {};
  controls.struct_size = sizeof controls;
  controls.on_message = [](const char* message, void* user) {
    static_cast<std::vector<std::string>*>(user)->emplace_back(message);
  };
  controls.user = &messages;
  const DetectorHandle fitted = create(device_.get(), small_config("gan"));
  ASSERT_OK(cugad_detector_fit_matrix(fitted.get(), &matrix, &controls));
  const auto messages_about_float32 = [&] {
    return std::count_if(messages.begin(), messages.end(),
                         [](const std::string& line) { return line.find("float32") != std::string::npos; });
  };
  EXPECT_EQ(messages_about_float32(), 1);
  EXPECT_NE(messages.front().find("column '2': float32 has about 3 numbers from 1700000000 to 1700000413"),
            std::string::npos)
      << messages.front();
  // Numbers that are exact in float32, or distinct there, cause no message.
  messages.clear();
  for (std::int64_t r = 0; r < rows; ++r) cells[static_cast<std::size_t>(r * columns + 2)] = 1.7e9 + 7e6 * r;
  ASSERT_OK(cugad_detector_fit_matrix(fitted.get(), &matrix, &controls));
  EXPECT_EQ(messages_about_float32(), 0);
}

TEST_F(Matrices, NumbersThatFloat32CannotHoldAreRefusedByName) {
  std::vector<double> cells = laid_out<double>(test_, columns, 1);
  cells[2 * columns + 3] = 1e300;
  const cugad_matrix matrix = matrix_of(cells, columns, 1);
  std::vector<float> scores(rows);
  for (const auto status : {cugad_detector_score_matrix(detector_.get(), &matrix, scores.data()),
                            cugad_detector_fit_matrix(detector_.get(), &matrix, nullptr)}) {
    EXPECT_EQ(status, CUGAD_ERROR_INVALID_ARGUMENT);
    EXPECT_NE(std::string(cugad_last_error()).find("1e+300 in row 2, column 3"), std::string::npos)
        << cugad_last_error();
  }
}

}  // namespace
}  // namespace cugad::test
