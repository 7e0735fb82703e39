#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/activation.hpp"
#include "kernels/cpu/philox.hpp"

/// Dropout of the units of one row, and the gradient through activation and dropout, as the contracts of the layers
/// state them.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

/// Multiplies kept units by 1 / (1 - rate) and stores dropped ones as -0. `first_word` is the random word of units[0].
inline void drop_units(const Dropout& dropout, std::int64_t model, std::int64_t first_word, float* units,
                       std::int64_t count) {
  constexpr std::int64_t chunk = 512;
  const auto limit = static_cast<std::uint32_t>(std::ceil(static_cast<double>(dropout.rate) * 4294967296.0));
  const float scale = 1.0f / (1.0f - dropout.rate);
  alignas(64) std::uint32_t words[chunk];
  for (std::int64_t first = 0; first < count; first += chunk) {
    const std::int64_t size = std::min(chunk, count - first);
    philox_words(dropout.key, model, static_cast<std::uint64_t>(first_word + first), size, words);
    float* unit = units + first;
    // Adding +0 turns a -0 that an activation produced into +0: only dropped units are -0.
    for (std::int64_t i = 0; i < size; ++i) unit[i] = words[i] < limit ? -0.0f : unit[i] * scale + 0.0f;
  }
}

/// 0 where the unit is -0, which only dropped ones are, else the value.
inline Vec zero_if_dropped(Vec unit, Vec value) {
  typedef std::int32_t Integers __attribute__((vector_size(sizeof(Vec))));
  Integers units, values;
  std::memcpy(&units, &unit, sizeof units);
  std::memcpy(&values, &value, sizeof values);
  values &= units != std::numeric_limits<std::int32_t>::min();
  std::memcpy(&value, &values, sizeof value);
  return value;
}

/// dy becomes dy * act'(y) * dropout scale, 0 at dropped units. y is not read for identity without dropout.
inline void activation_gradient(Activation activation, float slope, float dropout_rate, const float* y, float* dy,
                                std::int64_t count) {
  if (activation == Activation::identity && dropout_rate == 0.0f) return;
  if (dropout_rate == 0.0f) {
    for_vectors(count, [&](std::int64_t c, int n) {
      store_some(dy + c, load_some(dy + c, n) * derivative(activation, slope, load_some(y + c, n)), n);
    });
    return;
  }
  const float keep_share = 1.0f - dropout_rate;
  for_vectors(count, [&](std::int64_t c, int n) {
    const Vec unit = load_some(y + c, n), factor = derivative(activation, slope, unit * set(keep_share));
    store_some(dy + c, zero_if_dropped(unit, load_some(dy + c, n) * (factor * set(1.0f / keep_share))), n);
  });
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
