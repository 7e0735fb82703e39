#pragma once

#include "kernels/elementary.hpp"

/// Two random words to two normal numbers (Box and Muller 1958), the same bits on every backend (see
/// kernels/elementary.hpp).
namespace cugad {

struct NormalPair {
  float cosine, sine;
};

/// u1 = ((word0 >> 8) + 1) * 2^-24 in (0, 1], u2 = (word1 >> 8) * 2^-24 in [0, 1):
/// sqrt(-2 log u1) * (cos, sin)(2 pi u2). At most 5.77 in magnitude, absolute error below 1e-6 (7.2e-7 is the largest
/// of 4e7 random pairs).
CUGAD_INLINE NormalPair box_muller(std::uint32_t word0, std::uint32_t word1) {
  const float u1 = static_cast<float>(static_cast<std::int32_t>(word0 >> 8) + 1) * 0x1p-24f;
  const float radius = square_root_exact(-2.0f * log_positive(u1));
  // The nearest quarter turn and the remainder, in [-1/2, 1/2), are exact.
  const auto turn = static_cast<std::int32_t>(word1 >> 8);
  const std::int32_t quarter = (turn + (1 << 21)) >> 22;
  const float s = static_cast<float>(turn - quarter * (1 << 22)) * 0x1p-22f;
  const float square = s * s;
  float p = 0.000158651514f;  // sin(pi/2 s) = s (pi/2 + s^2 p(s^2)); relative error 1.9e-9 before rounding
  p = multiply_add(p, square, -0.00468147499f);
  p = multiply_add(p, square, 0.0796926096f);
  p = multiply_add(p, square, -0.645964086f);
  p = multiply_add(p, square, -4.37113901e-8f);
  const float sine = multiply_add(s, 1.57079637f, s * p);
  float q = 0.000906739908f;  // cos(pi/2 s) = 1 + s^2 q(s^2); absolute error 9.1e-9 before rounding
  q = multiply_add(q, square, -0.0208615288f);
  q = multiply_add(q, square, 0.253669411f);
  q = multiply_add(q, square, -1.23370051f);
  const float cosine = multiply_add(q, square, 1.0f);
  const bool odd = (quarter & 1) != 0;
  const std::int32_t cosine_bits = to_bits(odd ? sine : cosine) ^ (((quarter + 1) & 2) << 30);
  const std::int32_t sine_bits = to_bits(odd ? cosine : sine) ^ ((quarter & 2) << 30);
  return {radius * from_bits(cosine_bits), radius * from_bits(sine_bits)};
}

}  // namespace cugad
