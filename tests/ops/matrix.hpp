#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/ops/parity.hpp"

/// References in float64 that are functions of whole matrices, so that their derivatives can be checked by differences.
namespace cugad::test {

struct Matrix {
  std::int64_t rows = 0, columns = 0;
  std::vector<double> data;

  Matrix(std::int64_t rows_, std::int64_t columns_)
      : rows(rows_), columns(columns_), data(static_cast<std::size_t>(rows_ * columns_)) {}
  double& at(std::int64_t r, std::int64_t c) { return data[static_cast<std::size_t>(r * columns + c)]; }
  double at(std::int64_t r, std::int64_t c) const { return data[static_cast<std::size_t>(r * columns + c)]; }
};

template <class T>
Matrix matrix_of(const TypedTensor<T>& tensor, std::int64_t model) {
  Matrix matrix(tensor.rows, tensor.columns);
  for (std::int64_t r = 0; r < tensor.rows; ++r)
    for (std::int64_t c = 0; c < tensor.columns; ++c) matrix.at(r, c) = static_cast<double>(tensor.get(model, r, c));
  return matrix;
}

inline Matrix random_matrix(Random& random, std::int64_t rows, std::int64_t columns) {
  Matrix matrix(rows, columns);
  for (double& x : matrix.data) x = random.normal();
  return matrix;
}

/// The gradient of value(x) by central differences.
template <class Value>
void expect_derivative(const Value& value, Matrix x, const Matrix& gradient) {
  const double step = 1e-5;
  for (std::size_t i = 0; i < x.data.size(); ++i) {
    const double before = x.data[i];
    x.data[i] = before + step;
    const double above = value(x);
    x.data[i] = before - step;
    const double below = value(x);
    x.data[i] = before;
    EXPECT_NEAR(gradient.data[i], (above - below) / (2.0 * step), 1e-8 * (1.0 + std::abs(gradient.data[i])))
        << "element " << i;
  }
}

/// The sizes at which widths of vectors, half-warps and warps end.
inline const std::vector<std::int64_t>& edge_sizes() {
  static const std::vector<std::int64_t> sizes = {1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 121, 129};
  return sizes;
}

}  // namespace cugad::test
