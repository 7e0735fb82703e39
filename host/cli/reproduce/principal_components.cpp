#include "host/cli/reproduce/principal_components.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "cugad/device.hpp"
#include "cugad/ops.hpp"

namespace cugad::cli {
namespace {

constexpr std::int64_t more_directions = 32;
constexpr int iterations = 12;
constexpr int most_sweeps = 30;

StackView<const float> stack(const Matrix& matrix) { return {matrix.data.data(), 1, matrix.rows, matrix.columns}; }
StackView<float> stack(Matrix& matrix) { return {matrix.data.data(), 1, matrix.rows, matrix.columns}; }

/// a b'.
Matrix product(Context& context, const Matrix& a, const Matrix& b) {
  Matrix result(a.rows, b.rows);
  DenseForward forward;
  forward.x = stack(a);
  forward.weight = stack(b);
  forward.y = stack(result);
  run(context, forward);
  return result;
}

Matrix transposed(const Matrix& matrix) {
  Matrix result(matrix.columns, matrix.rows);
  for (std::int64_t r = 0; r < matrix.rows; ++r) {
    for (std::int64_t c = 0; c < matrix.columns; ++c) result.row(c)[r] = matrix.row(r)[c];
  }
  return result;
}

/// Gram and Schmidt, twice: once leaves an error of the condition's size. A direction without a part of its own, as of
/// fewer distinct rows than directions, becomes 0.
void orthonormalise(Matrix& rows) {
  const std::int64_t d = rows.columns;
  const auto dot = [d](const float* a, const float* b) {
    double sum = 0;
    for (std::int64_t c = 0; c < d; ++c) sum += double{a[c]} * b[c];
    return sum;
  };
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    float* row = rows.row(r);
    const double before = std::sqrt(dot(row, row));
    for (int pass = 0; pass < 2; ++pass) {
      for (std::int64_t other = 0; other < r; ++other) {
        const double share = dot(row, rows.row(other));
        for (std::int64_t c = 0; c < d; ++c) row[c] = static_cast<float>(row[c] - share * rows.row(other)[c]);
      }
    }
    const double length = std::sqrt(dot(row, row));
    const double scale = length > 1e-5 * before ? 1 / length : 0.0;
    for (std::int64_t c = 0; c < d; ++c) row[c] = static_cast<float>(scale * row[c]);
  }
}

/// Jacobi's method on a symmetric matrix, whose diagonal becomes the eigenvalues; returns the eigenvectors as columns.
std::vector<double> diagonalise(std::vector<double>& a, std::int64_t n) {
  std::vector<double> vectors(static_cast<std::size_t>(n * n));
  for (std::int64_t i = 0; i < n; ++i) vectors[i * n + i] = 1;
  const auto rotate = [](double& x, double& y, double c, double s) {
    const double turned = c * x - s * y;
    y = s * x + c * y;
    x = turned;
  };
  for (int sweep = 0; sweep < most_sweeps; ++sweep) {
    double off_diagonal = 0, diagonal = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      diagonal += a[i * n + i] * a[i * n + i];
      for (std::int64_t j = 0; j < i; ++j) off_diagonal += a[i * n + j] * a[i * n + j];
    }
    if (off_diagonal <= 1e-24 * diagonal) break;
    for (std::int64_t p = 0; p < n; ++p) {
      for (std::int64_t q = p + 1; q < n; ++q) {
        if (a[p * n + q] == 0) continue;
        const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
        const double t = std::copysign(1 / (std::abs(theta) + std::sqrt(theta * theta + 1)), theta);
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (std::int64_t k = 0; k < n; ++k) rotate(a[k * n + p], a[k * n + q], c, s);
        for (std::int64_t k = 0; k < n; ++k) rotate(a[p * n + k], a[q * n + k], c, s);
        for (std::int64_t k = 0; k < n; ++k) rotate(vectors[k * n + p], vectors[k * n + q], c, s);
      }
    }
  }
  return vectors;
}

/// The axes of the rows' variance within the span of `block`, by falling variance.
Matrix axes_within(Context& context, const Matrix& rows, const Matrix& block, std::int64_t count) {
  const Matrix places = product(context, rows, block);
  const std::int64_t n = block.rows, d = block.columns;
  std::vector<double> variance(static_cast<std::size_t>(n * n));
  for (std::int64_t r = 0; r < places.rows; ++r) {
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) variance[i * n + j] += double{places.row(r)[i]} * places.row(r)[j];
    }
  }
  const std::vector<double> vectors = diagonalise(variance, n);
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return variance[a * n + a] > variance[b * n + b]; });
  Matrix axes(count, d);
  std::vector<double> sum(static_cast<std::size_t>(d));
  for (std::int64_t axis = 0; axis < count; ++axis) {
    std::fill(sum.begin(), sum.end(), 0.0);
    for (std::int64_t k = 0; k < n; ++k) {
      const double share = vectors[k * n + order[static_cast<std::size_t>(axis)]];
      for (std::int64_t c = 0; c < d; ++c) sum[c] += share * block.row(k)[c];
    }
    std::copy(sum.begin(), sum.end(), axes.row(axis));
  }
  return axes;
}

}  // namespace

PrincipalComponents::PrincipalComponents(const Matrix& rows, std::int64_t components, int threads) : threads_(threads) {
  const std::int64_t most = std::min(rows.rows, rows.columns);
  Context context = Device::open("cpu", threads).make_context();
  Matrix block(std::min(components + more_directions, most), rows.columns);
  FillNormal start;
  start.out = stack(block);
  start.key.purpose = RandomPurpose::evaluation;
  run(context, start);
  for (int iteration = 0; iteration < iterations; ++iteration) {
    orthonormalise(block);
    Matrix places = product(context, rows, block);
    DenseBackward backward;
    backward.x = stack(rows);
    backward.weight = stack(std::as_const(block));
    backward.y = stack(std::as_const(places));
    backward.dy = stack(places);
    backward.dweight = stack(block);
    run(context, backward);
  }
  orthonormalise(block);
  components_ = axes_within(context, rows, block, std::min(components, most));
}

Matrix PrincipalComponents::residuals(const Matrix& rows) const {
  Context context = Device::open("cpu", threads_).make_context();
  Matrix result = product(context, product(context, rows, components_), transposed(components_));
  std::transform(rows.data.begin(), rows.data.end(), result.data.begin(), result.data.begin(), std::minus<>());
  return result;
}

}  // namespace cugad::cli
