#pragma once

#include <cstdint>
#include <string>

#include "cugad/rng.hpp"
#include "cugad/tensor.hpp"

/// Types shared by the arguments of several ops.
namespace cugad {

enum class Activation : std::int32_t { identity, relu, leaky_relu, sigmoid, tanh };
enum class Distance : std::int32_t { l1, l2, squared };

/// Whether an op can serve the arguments on this backend; if not, the reason, in one line.
struct Verdict {
  std::string reason;
  explicit operator bool() const { return reason.empty(); }
};

/// Inverted dropout: a unit is dropped if its random word is below rate * 2^32, kept units are scaled by
/// 1 / (1 - rate). The word of unit (r, c) is word r * columns + c of the stream `key`. Dropped units are stored as
/// -0.0f and kept ones never are, which the backward pass relies on: no mask is stored.
struct Dropout {
  float rate = 0.0f;  ///< in [0, 1)
  RandomKey key;
};

/// An image as a row of at most 2^30 numbers: column (y * width + x) * channels + c is channel c of the pixel in line y
/// and column x (NHWC).
struct ImageShape {
  std::int32_t height = 1, width = 1, channels = 1;
};

}  // namespace cugad
