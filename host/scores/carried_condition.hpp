#pragma once

#include "cugad/network.hpp"

namespace cugad {

/// A network that takes a condition as the last of its inputs, and a network that gives the same outputs with the
/// condition behind them: each hidden layer gets units that carry f(c) and f(-c), from which c is put together again.
/// What scores through G and E then needs no word of conditions: rows, latents and networks are just wider.
struct CarriedCondition {
  /// The carrying form of the first `outputs` outputs of `from`, whose last `condition` inputs are the condition.
  /// Throws Error{unsupported} where an activation is not piecewise linear, so that c could not be got back.
  CarriedCondition(const Mlp& from, int outputs, int condition);
  /// Its parameters, from those of one model of `from`; both on the host.
  std::vector<float> parameters(const float* flat) const;

  Mlp from, network;
  int outputs, condition;
};

}  // namespace cugad
