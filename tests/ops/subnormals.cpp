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
constexpr unsigned flush_bits = 0x8040, modes[] = {0x0000, 0x0040, 0x8000, 0x8040};
unsigned mode() { return _mm_getcsr(); }
void set_mode(unsigned wanted) { _mm_setcsr(wanted); }
#elif defined(__aarch64__)
constexpr unsigned flush_bits = 1u << 24, modes[] = {0, flush_bits};
unsigned mode() { return static_cast<unsigned>(__builtin_aarch64_get_fpcr()); }
void set_mode(unsigned wanted) { __builtin_aarch64_set_fpcr(wanted); }
#endif

#if defined(__SSE2__) || defined(__aarch64__)

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
  const unsigned before = mode();
  for (const unsigned wanted : modes) {
    set_mode((before & ~flush_bits) | wanted);
    products_of_subnormals(1);
    EXPECT_EQ(mode() & flush_bits, wanted);
    EXPECT_THROW(refused(), Error);
    EXPECT_EQ(mode() & flush_bits, wanted) << "after a refusal";
  }
  set_mode(before);
}
#endif

}  // namespace
}  // namespace cugad::test
