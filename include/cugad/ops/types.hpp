#pragma once

#include <cstdint>
#include <string>

#include "cugad/rng.hpp"
#include "cugad/tensor.hpp"

/// What the arguments of several ops share.
namespace cugad {

enum class Activation : std::int32_t { identity, relu, leaky_relu, sigmoid, tanh };
enum class Distance : std::int32_t { l1, l2, squared };

/// Whether an op can serve the arguments on this backend; when not, why, in one line.
struct Verdict {
  std::string reason;
  explicit operator bool() const { return reason.empty(); }
};

/// Inverted dropout: a unit is dropped where its random word is below rate * 2^32, survivors are scaled by
/// 1 / (1 - rate). The word of unit (r, c) is word r * columns + c of the stream `key`. Dropped units are stored as
/// -0.0f and kept ones never are, which is how the backward pass knows them: no mask is stored.
struct Dropout {
  float rate = 0.0f;  ///< in [0, 1)
  RandomKey key;
};

}  // namespace cugad
