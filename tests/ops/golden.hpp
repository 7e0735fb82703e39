#pragma once

#include <gtest/gtest.h>

#include <sstream>

#include "tests/common/npz.hpp"
#include "tests/ops/parity.hpp"

/// The golden vectors of tests/golden (float64 automatic differentiation of another program) against the ops.
namespace cugad::test {

using Arrays = std::map<std::string, Array>;

inline Arrays read_golden(const std::string& name) {
  return read_npz(CUGAD_SOURCE_DIR "/tests/golden/" + name + ".npz");
}

/// "name" and a number.
inline std::string numbered(const std::string& name, int number) {
  std::ostringstream text;
  text << name << number;
  return text.str();
}

/// Fills an input [1, rows, columns] from an array in the file's order, or transposed.
inline void fill_from(TypedTensor<float>& tensor, const Array& array, bool transposed = false) {
  for (std::int64_t r = 0; r < tensor.rows; ++r)
    for (std::int64_t c = 0; c < tensor.columns; ++c) {
      const std::int64_t at = transposed ? c * tensor.rows + r : r * tensor.columns + c;
      tensor.set(0, r, c, static_cast<float>(array.values[static_cast<std::size_t>(at)]));
    }
}

inline void expect_from(TypedTensor<float>& tensor, const Array& array, double relative, bool transposed = false) {
  for (std::int64_t r = 0; r < tensor.rows; ++r)
    for (std::int64_t c = 0; c < tensor.columns; ++c) {
      const std::int64_t at = transposed ? c * tensor.rows + r : r * tensor.columns + c;
      const double value = array.values[static_cast<std::size_t>(at)];
      tensor.expect(0, r, c, value, relative * std::abs(value));
    }
}

inline void expect_match(const Problem& problem, const std::string& what) {
  for (const NamedDevice& named : devices()) {
    std::string refusal;
    double worst = 0.0;
    const Results results = execute(problem, initial_images(problem), named.device, 1, {{}}, &refusal);
    EXPECT_EQ(refusal, "") << named.name << ' ' << what;
    EXPECT_EQ(compare(problem, results, false, &worst), "") << named.name << ' ' << what;
  }
}

}  // namespace cugad::test
