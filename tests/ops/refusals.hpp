#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "cugad/error.hpp"
#include "tests/ops/parity.hpp"

/// What the tests of the contracts share.
namespace cugad::test {

/// Memory that no refused call may touch.
inline float numbers[4096];
inline double doubles[256];
inline std::int32_t indices[256];
inline std::uint8_t flags[64];

template <class T>
StackView<T> matrix(T* data, std::int64_t rows, std::int64_t columns) {
  return {data, 1, rows, columns};
}

/// Runs on every device: `good` must be accepted, `good` after each change refused with the field's name.
template <class Args>
void expect_refusals(const std::string& op, const Args& good,
                     const std::vector<std::pair<const char*, std::function<void(Args&)>>>& changes) {
  for (const NamedDevice& named : devices()) {
    Context context = named.device.make_context();
    EXPECT_EQ(can_run(context, good).reason, "") << op << " on " << named.name;
    for (const auto& [field, change] : changes) {
      Args args = good;
      change(args);
      EXPECT_FALSE(can_run(context, args)) << op << " accepts a wrong " << field << " on " << named.name;
      const std::vector<float> before(numbers, numbers + 4096);
      try {
        run(context, args);
        ADD_FAILURE() << op << " ran with a wrong " << field << " on " << named.name;
      } catch (const Error& error) {
        const std::string text = error.what();
        EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << text;
        EXPECT_NE(text.find(op), std::string::npos) << "the op is not named: " << text;
        EXPECT_NE(text.find(field), std::string::npos) << op << ": '" << field << "' is not named: " << text;
      }
      EXPECT_TRUE(std::equal(before.begin(), before.end(), numbers)) << op << " wrote in spite of a wrong " << field;
    }
  }
}

inline const float not_a_number = std::numeric_limits<float>::quiet_NaN();

}  // namespace cugad::test
