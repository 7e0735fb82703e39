#include "host/c_api/rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "cugad/error.hpp"
#include "host/backend/backend.hpp"

namespace cugad::c_api {
namespace {

std::string text(std::int64_t number) { return std::to_string(number); }

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::invalid_argument, what); }

std::int64_t element_bytes(const cugad_matrix& x) {
  if (x.dtype == CUGAD_FLOAT32) return sizeof(float);
  if (x.dtype == CUGAD_FLOAT64) return sizeof(double);
  refuse("x has dtype " + text(x.dtype) + ", expected CUGAD_FLOAT32 (1) or CUGAD_FLOAT64 (2)");
}

/// Fewer float32 numbers between the smallest and the largest value of a column cause a message.
constexpr double few_steps = 4096;

/// The elements from the first to the last of a matrix that has some.
std::int64_t elements_of(const cugad_matrix& x) {
  const auto described = [&] {
    return "x has " + text(x.rows) + " rows with row_stride " + text(x.row_stride) + " and " + text(x.columns) +
           " columns with column_stride " + text(x.column_stride);
  };
  if (x.row_stride < 1 || x.column_stride < 1) refuse(described() + ", expected strides of at least 1");
  std::int64_t row = 0, column = 0, elements = 0;
  if (__builtin_mul_overflow(x.columns - 1, x.column_stride, &row) ||
      __builtin_mul_overflow(x.rows - 1, x.row_stride, &column) || __builtin_add_overflow(row, column, &elements) ||
      __builtin_add_overflow(elements, 1, &elements)) {
    refuse(described() + ", expected a size that memory can hold");
  }
  if (x.row_stride <= row && x.column_stride <= column) {
    refuse(described() +
           ", expected that no two elements share a place: row_stride >= columns and column_stride 1, or "
           "row_stride 1 and column_stride >= rows");
  }
  return elements;
}

}  // namespace

Rows::Rows(const Device& device, MatrixView<const float> x)
    : given_{sizeof given_, x.data, CUGAD_FLOAT32, x.rows, x.columns, x.row_stride, 1} {
  require_matrix(device, x);
  extent_ = extent_of(x);
}

Rows::Rows(const Device& device, const cugad_matrix* given) : given_(known_struct(given, "x")) {
  const std::int64_t bytes = element_bytes(given_);
  if (given_.rows < 0 || given_.columns < 0) {
    refuse("x has " + text(given_.rows) + " rows and " + text(given_.columns) +
           " columns, expected no negative number");
  }
  if (given_.rows <= 1) given_.row_stride = std::max<std::int64_t>(1, given_.columns);
  if (given_.columns <= 1) given_.column_stride = 1;
  const std::int64_t elements = given_.rows == 0 || given_.columns == 0 ? 0 : elements_of(given_);
  require_extent(given_.data, elements, bytes, "x");
  if (is_row_major_float32()) {
    require_array(device, static_cast<const float*>(given_.data), elements, "x");
  } else {
    require_host(device, given_.data, "x");
  }
  extent_ = {given_.data, static_cast<std::uintptr_t>(elements * bytes)};
}

template <class T>
void Rows::copy() {
  const T* const data = static_cast<const T*>(given_.data);
  copied_.resize(static_cast<std::size_t>(given_.rows * given_.columns));
  for (std::int64_t r = 0; r < given_.rows; ++r) {
    for (std::int64_t c = 0; c < given_.columns; ++c) {
      const T cell = data[r * given_.row_stride + c * given_.column_stride];
      const float value = static_cast<float>(cell);
      if (std::isinf(value) && !std::isinf(cell)) {
        refuse(fmt::format("x has {} in row {}, column {}, expected a number of at most {}", cell, r, c,
                           std::numeric_limits<float>::max()));
      }
      copied_[static_cast<std::size_t>(r * given_.columns + c)] = value;
    }
  }
}

void Rows::report_lost_digits(const std::vector<std::string>& names,
                              const std::function<void(const std::string&)>& on_message) const {
  if (given_.dtype != CUGAD_FLOAT64) return;
  const auto* const data = static_cast<const double*>(given_.data);
  for (std::int64_t c = 0; c < given_.columns; ++c) {
    double least = std::numeric_limits<double>::infinity(), largest = -least;
    bool is_rounded = false;
    for (std::int64_t r = 0; r < given_.rows; ++r) {
      const double cell = data[r * given_.row_stride + c * given_.column_stride];
      if (!std::isfinite(cell)) continue;
      least = std::min(least, cell);
      largest = std::max(largest, cell);
      is_rounded = is_rounded || double{static_cast<float>(cell)} != cell;
    }
    if (!is_rounded || !(least < largest)) continue;
    const auto farthest = static_cast<float>(std::max(std::abs(least), std::abs(largest)));
    const double step = double{std::nextafter(farthest, std::numeric_limits<float>::infinity())} - double{farthest};
    if (const double steps = (largest - least) / step; steps < few_steps) {
      on_message(
          fmt::format("column '{}': float32 has about {:.0f} numbers from {} to {}: subtract a constant from it before",
                      names.empty() ? std::to_string(c) : names[static_cast<std::size_t>(c)], std::max(1.0, steps),
                      least, largest));
    }
  }
}

MatrixView<const float> Rows::bring(const Device& device, void* stream) {
  if (is_row_major_float32()) {
    return {static_cast<const float*>(given_.data), given_.rows, given_.columns, given_.row_stride};
  }
  if (stream != nullptr) {
    Backend& backend = device.backend();
    if (backend.is_recording(stream)) {
      throw Error(ErrorCode::unsupported,
                  "x is copied, which cannot be while the stream is captured: give row-major "
                  "float32");
    }
    backend.synchronize(stream);
  }
  if (given_.dtype == CUGAD_FLOAT64) {
    copy<double>();
  } else {
    copy<float>();
  }
  return {copied_.data(), given_.rows, given_.columns};
}

}  // namespace cugad::c_api
