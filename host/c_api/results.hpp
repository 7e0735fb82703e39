#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "cugad/cugad.h"
#include "cugad/detector.hpp"
#include "cugad/error.hpp"

/// What the library gives, in the caller's arrays.
namespace cugad::c_api {

/// NULL: not requested.
inline void copy_to(const std::vector<float>& values, float* target) {
  if (target != nullptr) std::copy(values.begin(), values.end(), target);
}

inline std::int64_t product(std::int64_t rows, std::int64_t each, const char* name) {
  std::int64_t count = 0;
  if (!__builtin_mul_overflow(rows, each, &count)) return count;
  throw Error(ErrorCode::invalid_argument, std::string(name) + " has " + std::to_string(rows) + " x " +
                                               std::to_string(each) + " elements, expected what memory can hold");
}

/// `count` columns and residuals per row; -1 and 0 after the last.
inline void copy_to(const std::vector<Explanation>& explanations, std::int32_t count, std::int32_t* column_indices,
                    float* residuals) {
  for (const Explanation& row : explanations) {
    std::fill(std::copy(row.column.begin(), row.column.end(), column_indices), column_indices + count, -1);
    std::fill(std::copy(row.residual.begin(), row.residual.end(), residuals), residuals + count, 0.0f);
    column_indices += count;
    residuals += count;
  }
}

inline Probability probability_kind(std::int32_t kind) {
  if (kind == CUGAD_PROBABILITY_RANK) return Probability::rank;
  if (kind == CUGAD_PROBABILITY_GAUSSIAN) return Probability::gaussian;
  throw Error(ErrorCode::invalid_argument,
              "kind is " + std::to_string(kind) + ", expected CUGAD_PROBABILITY_RANK or CUGAD_PROBABILITY_GAUSSIAN");
}

}  // namespace cugad::c_api
