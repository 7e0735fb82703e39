#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cugad/cugad.h"
#include "host/c_api/arguments.hpp"

namespace cugad::c_api {

/// The caller's rows in the form that the library takes: row-major float32. Rows of this form are viewed in place;
/// others are copied. The constructors throw Error{invalid_argument} for invalid rows, before reading any.
class Rows {
 public:
  Rows(const Device& device, MatrixView<const float> x);
  Rows(const Device& device, const cugad_matrix* given);

  std::int64_t columns() const { return given_.columns; }
  std::int64_t rows() const { return given_.rows; }
  /// Where the caller's rows lie.
  const Extent& extent() const { return extent_; }
  /// The rows, after the work on the device's stream (null: none) if they are copied. Throws Error{invalid_argument}
  /// for a finite number that float32 cannot hold, Error{unsupported} for a copy while the stream is captured.
  MatrixView<const float> bring(const Device& device, void* stream);
  /// Tells of each column of float64 whose values are so close together, and so far from 0, that float32 makes few of
  /// them. `names`: of the columns; empty: their numbers. The rows were brought before.
  void report_lost_digits(const std::vector<std::string>& names,
                          const std::function<void(const std::string&)>& on_message) const;

 private:
  bool is_row_major_float32() const { return given_.dtype == CUGAD_FLOAT32 && given_.column_stride == 1; }
  template <class T>
  void copy();

  cugad_matrix given_ = {};
  Extent extent_;
  std::vector<float> copied_;
};

}  // namespace cugad::c_api
