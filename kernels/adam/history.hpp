#pragma once

#include "cugad/ops.hpp"
#include "kernels/elementary.hpp"

/// The scalar parts of historical averaging, the same bits on every backend.
namespace cugad {

struct HistoryConstants {
  float share;  ///< 1 / t; 1 replaces the mean
  float pull;   ///< 2 weight
};

/// The counter is read here (device memory).
CUGAD_INLINE HistoryConstants history_constants(const HistoricalAverage& args) {
  const std::int64_t counted = args.step_counter == nullptr ? 0 : static_cast<std::int64_t>(*args.step_counter);
  const std::int64_t t = args.step + args.step_stride * counted;
  return {static_cast<float>(1.0 / static_cast<double>(t)), 2.0f * args.weight};
}

CUGAD_INLINE float history_mean(const HistoryConstants& c, float mean, float parameter) {
  return c.share == 1.0f ? parameter : multiply_add(c.share, parameter - mean, mean);
}

}  // namespace cugad
