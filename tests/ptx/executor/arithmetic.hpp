#pragma once

#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include "tests/ptx/executor/warp.hpp"

/// What arithmetic instructions compute in one lane, and the loop over the lanes that the compiler vectorises.
namespace ptx {

/// Subnormal numbers count while this lives: for instructions without .ftz. Otherwise the executor flushes them.
class Subnormals {
#if defined(__SSE2__)
 public:
  static constexpr unsigned flush = 0x8040u;
  Subnormals() {
    _mm_setcsr(_mm_getcsr() & ~flush);
    asm volatile("" ::: "memory");
  }
  ~Subnormals() {
    asm volatile("" ::: "memory");
    _mm_setcsr(_mm_getcsr() | flush);
  }
#endif
};
struct Flushed {};
template <class T, bool flush>
using Mode = std::conditional_t<std::is_floating_point_v<T> && !flush, Subnormals, Flushed>;

/// PTX's float results: any NaN is the canonical one.
template <class T>
T canonical(T x) {
  if constexpr (std::is_same_v<T, float>) return x == x ? x : std::bit_cast<float>(0x7fffffffu);
  return x;
}

/// out = F(in[0], in[1], ...) in each lane of the mask.
template <class F, bool flush, class D, class... S>
void lanewise(Warp& w, const Instruction& i, Mask mask) {
  [[maybe_unused]] const Mode<std::tuple_element_t<0, std::tuple<S...>>, flush> mode;
  D* out = w.out<D>(i.out);
  [&]<std::size_t... n>(std::index_sequence<n...>) {
    const std::tuple<const S*...> in = {w.in<S>(i.in[n])...};
    const F f;
    if (mask == all_lanes) {
#pragma GCC ivdep
      for (int l = 0; l < lanes; ++l) out[l] = f(std::get<n>(in)[l]...);
    } else {
      const LaneMask on(mask);
#pragma GCC ivdep
      for (int l = 0; l < lanes; ++l) out[l] = on.lane[l] ? f(std::get<n>(in)[l]...) : out[l];
    }
  }
  (std::index_sequence_for<S...>());
}

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UnsignedInt128;
template <class T>
using Unsigned = std::make_unsigned_t<T>;
template <class T>
using Wide = std::conditional_t<sizeof(T) == 8, std::conditional_t<std::is_signed_v<T>, Int128, UnsignedInt128>,
                                std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>;
template <class T>
constexpr bool is_whole = std::is_integral_v<T>;

struct Add {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (is_whole<T>)
      return static_cast<T>(static_cast<Unsigned<T>>(a) + static_cast<Unsigned<T>>(b));
    else
      return canonical(a + b);
  }
};
struct Subtract {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (is_whole<T>)
      return static_cast<T>(static_cast<Unsigned<T>>(a) - static_cast<Unsigned<T>>(b));
    else
      return canonical(a - b);
  }
};
struct Multiply {  // of integers: .lo
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (is_whole<T>)
      return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
    else
      return canonical(a * b);
  }
};
struct MultiplyHigh {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>((static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b)) >> (8 * sizeof(T)));
  }
};
template <class D>
struct MultiplyWide {
  template <class T>
  D operator()(T a, T b) const {
    return static_cast<D>(static_cast<D>(a) * static_cast<D>(b));
  }
};
/// mad and fma: one rounding of floats; `Product` of integers.
template <class Product>
struct MultiplyAdd {
  template <class T, class D>
  D operator()(T a, T b, D c) const {
    if constexpr (std::is_same_v<T, float>)
      return canonical(__builtin_fmaf(a, b, c));
    else if constexpr (std::is_same_v<T, double>)
      return __builtin_fma(a, b, c);
    else
      return Add{}(static_cast<D>(Product{}(a, b)), c);
  }
};
struct Divide {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (is_whole<T>) {
      if (b == 0) return static_cast<T>(~T{0});
      if constexpr (std::is_signed_v<T>) {
        if (b == -1) return static_cast<T>(0 - static_cast<Unsigned<T>>(a));
      }
      return static_cast<T>(a / b);
    } else {
      return canonical(a / b);
    }
  }
};
struct Remainder {
  template <class T>
  T operator()(T a, T b) const {
    if (b == 0) return a;
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return 0;
    }
    return static_cast<T>(a % b);
  }
};
template <bool flush, class T>
T flushed_to_zero(T a) {
  return flush && std::fabs(a) < std::numeric_limits<T>::min() ? std::copysign(T{0}, a) : a;
}
/// .NaN: a NaN wins; otherwise the number does. -0 is less than +0.
template <bool is_minimum, bool flush = false, bool keeps_nan = false>
struct Extreme {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      if (keeps_nan && (a != a || b != b)) return canonical(std::numeric_limits<T>::quiet_NaN());
      a = flushed_to_zero<flush>(a);
      b = flushed_to_zero<flush>(b);
      if (a != a) return canonical(b);
      if (b != b) return a;
      if (a == 0 && b == 0) return std::signbit(a) == is_minimum ? a : b;
    }
    return (is_minimum ? a < b : a > b) ? a : b;
  }
};
struct And {
  template <class T>
  T operator()(T a, T b) const {
    return a & b;
  }
};
struct Or {
  template <class T>
  T operator()(T a, T b) const {
    return a | b;
  }
};
struct Xor {
  template <class T>
  T operator()(T a, T b) const {
    return a ^ b;
  }
};
struct Not {
  template <class T>
  T operator()(T a) const {
    return static_cast<T>(~a);
  }
};
struct ShiftLeft {
  template <class T>
  T operator()(T a, std::uint32_t by) const {
    return by >= 8 * sizeof(T) ? T{0} : static_cast<T>(a << by);
  }
};
struct ShiftRight {  // arithmetic if T is signed
  template <class T>
  T operator()(T a, std::uint32_t by) const {
    constexpr std::uint32_t most = 8 * sizeof(T) - 1;
    if constexpr (std::is_signed_v<T>)
      return static_cast<T>(a >> (by > most ? most : by));
    else
      return by > most ? T{0} : static_cast<T>(a >> by);
  }
};
template <bool left, bool wrap>
struct FunnelShift {  // of high b and low a
  std::uint32_t operator()(std::uint32_t a, std::uint32_t b, std::uint32_t c) const {
    const std::uint32_t n = wrap ? c & 31 : c > 32 ? 32 : c;
    const std::uint64_t both = static_cast<std::uint64_t>(b) << 32 | a;
    return static_cast<std::uint32_t>(left ? (both << n) >> 32 : both >> n);
  }
};
struct Move {
  template <class T>
  T operator()(T a) const {
    return a;
  }
};
/// neg and abs change the sign alone; with .ftz a subnormal number becomes 0.
template <bool flush>
struct Negate {
  template <class T>
  T operator()(T a) const {
    if constexpr (is_whole<T>)
      return static_cast<T>(0 - static_cast<Unsigned<T>>(a));
    else
      return canonical(-flushed_to_zero<flush>(a));
  }
};
template <bool flush>
struct Absolute {
  template <class T>
  T operator()(T a) const {
    if constexpr (is_whole<T>)
      return a < 0 ? Negate<false>{}(a) : a;
    else
      return canonical(std::fabs(flushed_to_zero<flush>(a)));
  }
};
struct CopySign {  // the sign of a, the rest of b
  template <class T>
  T operator()(T a, T b) const {
    return std::copysign(b, a);
  }
};
struct SquareRoot {
  template <class T>
  T operator()(T a) const {
    return canonical(std::sqrt(a));
  }
};
struct Reciprocal {
  template <class T>
  T operator()(T a) const {
    return canonical(T{1} / a);
  }
};
struct ReciprocalEstimate {  // rcp.approx.ftz.f64: of the upper word, to the upper word
  double operator()(double a) const {
    const auto upper = [](double x) {
      return std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) & 0xffffffff00000000u);
    };
    return upper(1.0 / upper(a));
  }
};
/// Approximations of a function of floats (ex2, lg2, sin, ...): PTX allows some error, this has none but the rounding.
template <double (*f)(double)>
struct Accurate {
  float operator()(float a) const { return canonical(static_cast<float>(f(a))); }
  double operator()(double a) const { return f(a); }
};
inline double reciprocal_root(double a) { return 1.0 / std::sqrt(a); }

struct PopulationCount {
  template <class T>
  std::uint32_t operator()(T a) const {
    return static_cast<std::uint32_t>(std::popcount(a));
  }
};
struct LeadingZeros {
  template <class T>
  std::uint32_t operator()(T a) const {
    return static_cast<std::uint32_t>(std::countl_zero(a));
  }
};
template <bool as_shift>
struct FindBit {  // the highest set bit of an unsigned number
  template <class T>
  std::uint32_t operator()(T a) const {
    const auto zeros = static_cast<std::uint32_t>(std::countl_zero(a));
    return a == 0 ? ~0u : as_shift ? zeros : static_cast<std::uint32_t>(8 * sizeof(T)) - 1 - zeros;
  }
};
struct ReverseBits {
  template <class T>
  T operator()(T a) const {
    T r = 0;
    for (unsigned n = 0; n < 8 * sizeof(T); ++n) r = static_cast<T>(r | ((a >> n) & 1) << (8 * sizeof(T) - 1 - n));
    return r;
  }
};
struct ExtractBits {  // bfe
  template <class T>
  T operator()(T a, std::uint32_t b, std::uint32_t c) const {
    constexpr unsigned bits = 8 * sizeof(T), last = bits - 1;
    const unsigned position = b & 0xff, length = c & 0xff;
    const auto value = static_cast<Unsigned<T>>(a);
    const bool sign = std::is_signed_v<T> && length != 0 && ((value >> std::min(position + length - 1, last)) & 1) != 0;
    Unsigned<T> result = 0;
    for (unsigned n = 0; n < bits; ++n) {
      const bool bit = n < length && position + n <= last ? ((value >> (position + n)) & 1) != 0 : sign;
      result |= static_cast<Unsigned<T>>(bit) << n;
    }
    return static_cast<T>(result);
  }
};
struct InsertBits {  // bfi: a into b
  template <class T>
  T operator()(T a, T b, std::uint32_t c, std::uint32_t d) const {
    const unsigned position = c & 0xff, length = d & 0xff;
    for (unsigned n = 0; n < length && position + n < 8 * sizeof(T); ++n) {
      const T bit = T{1} << (position + n);
      b = ((a >> n) & 1) != 0 ? b | bit : b & ~bit;
    }
    return b;
  }
};
struct PermuteBytes {  // prmt, default mode
  std::uint32_t operator()(std::uint32_t a, std::uint32_t b, std::uint32_t c) const {
    const std::uint64_t both = static_cast<std::uint64_t>(b) << 32 | a;
    std::uint32_t result = 0;
    for (int n = 0; n < 4; ++n) {
      const std::uint32_t selector = c >> (4 * n) & 0xf;
      auto byte = static_cast<std::uint32_t>(both >> (8 * (selector & 7)) & 0xff);
      if ((selector & 8) != 0) byte = (byte & 0x80) != 0 ? 0xff : 0;
      result |= byte << (8 * n);
    }
    return result;
  }
};
/// lop3: bit n of the table is the result for a, b, c equal to the bits 2, 1, 0 of n.
struct Logic3 {
  std::uint32_t operator()(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t table) const {
    std::uint32_t result = 0;
    for (unsigned n = 0; n < 8; ++n) {
      const std::uint32_t here = ((n & 4) != 0 ? a : ~a) & ((n & 2) != 0 ? b : ~b) & ((n & 1) != 0 ? c : ~c);
      result |= here & (0 - (table >> n & 1));
    }
    return result;
  }
};
template <bool to_nearest>  // even; else towards zero
struct Bf16 {
  std::uint16_t operator()(float x) const {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
    return static_cast<std::uint16_t>((to_nearest ? bits + 0x7fffu + ((bits >> 16) & 1) : bits) >> 16);
  }
};
template <bool to_nearest>
struct Bf16Pair {
  std::uint32_t operator()(float high, float low) const {
    const Bf16<to_nearest> round;
    return static_cast<std::uint32_t>(round(high)) << 16 | round(low);
  }
};
struct FromBf16 {
  float operator()(std::uint16_t x) const { return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16); }
};
struct RoundTf32 {  // .rna: nearest, ties away from zero
  std::uint32_t operator()(float x) const {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffffffu;
    return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u;
  }
};

}  // namespace ptx
