#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <limits>

namespace cugad::bench {

/// Time of the fastest iteration: on a machine that other programs use as well, means vary far more. Wall-clock time,
/// because a virtual machine's processor time was found to be too short for some iterations, by a third and more.
class LeastTime {
 public:
  template <class Work>
  void measure(Work&& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    least_ = std::min(least_, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  void report(benchmark::State& state, double flops) const {
    state.counters["least_us"] = 1e6 * least_;
    state.counters["best_flop/s"] = flops / least_;
  }

 private:
  double least_ = std::numeric_limits<double>::infinity();
};

}  // namespace cugad::bench
