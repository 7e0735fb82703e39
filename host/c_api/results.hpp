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

static_assert(CUGAD_FINDING_MISSING == static_cast<int>(Finding::missing) &&
              CUGAD_FINDING_UNSEEN == static_cast<int>(Finding::unseen));

/// `count` reasons per row; column -1 after the last.
inline void copy_to(const std::vector<Explanation>& explanations, std::int32_t count, cugad_reason* reasons) {
  for (const Explanation& row : explanations) {
    for (std::size_t k = 0; k < static_cast<std::size_t>(count); ++k, ++reasons) {
      *reasons = {};
      reasons->column = reasons->category = -1;
      if (k >= row.column.size()) continue;
      const ExpectedCell& expected = row.expected[k];
      *reasons = {row.column[k],     static_cast<std::int32_t>(row.finding[k]),
                  row.share[k],      row.residual[k],
                  expected.low,      expected.high,
                  expected.category, expected.likelihood,
                  expected.least,    expected.most};
    }
  }
}

inline Probability probability_kind(std::int32_t kind) {
  if (kind == CUGAD_PROBABILITY_RANK) return Probability::rank;
  if (kind == CUGAD_PROBABILITY_GAUSSIAN) return Probability::gaussian;
  throw Error(ErrorCode::invalid_argument,
              "kind is " + std::to_string(kind) + ", expected CUGAD_PROBABILITY_RANK or CUGAD_PROBABILITY_GAUSSIAN");
}

}  // namespace cugad::c_api
