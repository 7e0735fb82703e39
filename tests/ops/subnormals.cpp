#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "cugad/error.hpp"
#include "cugad/ops.hpp"
#include "tests/common/device.hpp"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace cugad::test {
namespace {

#if defined(__SSE2__)
constexpr unsigned flush_bits = 0x8040;

/// Sums of products of a subnormal row, on enough rows for several threads.
std::vector<float> products_of_subnormals(int threads) {
  constexpr std::int64_t rows = 4096, in = 128, out = 128;
  Device device = Device::open("cpu", threads);
  Context context = device.make_context();
  const std::vector<float> x(rows * in, std::numeric_limits<float>::min() / 8), weight(in * out, 1.0f);
  std::vector<float> y(rows * out, 1.0f);
  run(context, DenseForward{.x = {x.data(), 1, rows, in, 0, in},
                            .weight = {weight.data(), 1, out, in, 0, in},
                            .bias = {},
                            .y = {y.data(), 1, rows, out, 0, out},
                            .dropout = {},
                            .derivative_of = {}});
  return y;
}

void refused() {
  Device device = Device::open("cpu", 1);
  Context context = device.make_context();
  DenseForward args;
  args.x = {nullptr, 1, 1, 1, 0, 1};
  run(context, args);
}

TEST(Subnormals, AreZeroInOpsOfTheCpu) {
  if (device_name() != "cpu") GTEST_SKIP() << "about the CPU backend";
  for (const int threads : {1, 2}) {
    EXPECT_EQ(products_of_subnormals(threads), std::vector<float>(4096 * 128, 0.0f)) << threads << " threads";
  }
}

TEST(Subnormals, TheCallersModeStays) {
  if (device_name() != "cpu") GTEST_SKIP() << "about the CPU backend";
  const unsigned before = _mm_getcsr();
  for (const unsigned mode : {0x0000u, 0x0040u, 0x8000u, 0x8040u}) {
    _mm_setcsr((before & ~flush_bits) | mode);
    products_of_subnormals(1);
    EXPECT_EQ(_mm_getcsr() & flush_bits, mode);
    EXPECT_THROW(refused(), Error);
    EXPECT_EQ(_mm_getcsr() & flush_bits, mode) << "after a refusal";
  }
  _mm_setcsr(before);
}
#endif

}  // namespace
}  // namespace cugad::test
