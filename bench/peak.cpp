#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "bench/least_time.hpp"

/// The ceiling that the other figures are held against: fp32 fused multiply-adds of one core, from registers.
namespace {

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif
typedef float Vec __attribute__((vector_size(4 * lanes)));
constexpr int chains = 10;  // at least latency x issue width

void fma_peak(benchmark::State& state) {
  constexpr int rounds = 1000000;
  const Vec a = Vec{} + 0.999999f, b = Vec{} + 1e-7f, one = Vec{} + 1.0f;
  const auto work = [&] {
    // Names instead of an array: the compiler keeps an array of these in memory.
    Vec s0 = one, s1 = one, s2 = one, s3 = one, s4 = one, s5 = one, s6 = one, s7 = one, s8 = one, s9 = one;
    const auto step = [&](Vec& sum) {
      sum = sum * a + b;             // contracted: see bench/CMakeLists.txt
      asm volatile("" : "+v"(sum));  // keeps every product
    };
    for (int r = 0; r < rounds; ++r) {
      step(s0), step(s1), step(s2), step(s3), step(s4), step(s5), step(s6), step(s7), step(s8), step(s9);
    }
    Vec total = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9;
    benchmark::DoNotOptimize(total);
  };
  cugad::bench::LeastTime least;
  for (auto _ : state) least.measure(work);
  constexpr double flops = 2.0 * rounds * chains * lanes;
  state.counters["flop/s"] = benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
  least.report(state, flops);
}
}  // namespace

namespace cugad::bench {
void add_peaks();
void add_peaks() { benchmark::RegisterBenchmark("fma_peak", fma_peak)->Unit(benchmark::kMillisecond); }
}  // namespace cugad::bench
