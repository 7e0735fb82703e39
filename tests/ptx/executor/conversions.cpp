#include <algorithm>
#include <cstring>

#include "tests/ptx/executor/arithmetic.hpp"
#include "tests/ptx/executor/tables.hpp"

/// cvt.
namespace ptx {
namespace {

using U16 = std::uint16_t;
using U32 = std::uint32_t;
using U64 = std::uint64_t;
using S32 = std::int32_t;
using S64 = std::int64_t;

template <class S>
S round_to_integer(S x, std::uint32_t mode) {
  const std::uint32_t round = mode & rounding_bits;
  return round == nearest       ? std::nearbyint(x)
         : round == toward_zero ? std::trunc(x)
         : round == down        ? std::floor(x)
                                : std::ceil(x);
}
/// The low `bits` bits of a register, extended by sign or zeros to 64.
U64 extend(U64 value, const Type& type) {
  const int rest = 64 - type.bits;
  return type.kind == 's' ? static_cast<U64>(static_cast<S64>(value << rest) >> rest) : value << rest >> rest;
}
U64 integer_to_integer(U64 value, const Instruction& i) {
  if ((i.mode & saturate) == 0) return value;
  const bool to_signed = i.to.kind == 's';
  const Int128 wide = i.from.kind == 's' ? static_cast<Int128>(static_cast<S64>(value)) : static_cast<Int128>(value);
  const Int128 most = (static_cast<Int128>(1) << (i.to.bits - (to_signed ? 1 : 0))) - 1,
               least = to_signed ? -most - 1 : 0;
  return static_cast<U64>(std::clamp(wide, least, most));
}
template <class S>
U64 float_to_integer(S s, const Instruction& i) {
  const bool to_signed = i.to.kind == 's';
  // PTX ISA, cvt: a NaN becomes 0, or only the highest bit if one side has 64 bits.
  if (s != s) return i.from.bits == 64 || i.to.bits == 64 ? U64{1} << (i.to.bits - 1) : 0;
  const S x = round_to_integer(s, i.mode);
  const int bits = i.to.bits - (to_signed ? 1 : 0);
  const S limit = std::ldexp(S{1}, bits);
  const U64 most = bits == 64 ? ~U64{0} : (U64{1} << bits) - 1;
  if (x >= limit) return most;
  if (x < (to_signed ? -limit : S{0})) return to_signed ? ~most : 0;
  return to_signed ? static_cast<U64>(static_cast<S64>(x)) : static_cast<U64>(x);
}
template <class D, class S>
D float_to_float(S s, const Instruction& i) {
  const std::uint32_t round = i.mode & rounding_bits;
  const S x = (i.mode & to_integer) != 0 ? round_to_integer(s, i.mode) : s;
  D r = static_cast<D>(x);
  if (sizeof(D) < sizeof(S) && round != nearest) {  // rounded to nearest: a step back if that was the wrong direction
    const bool above = static_cast<S>(r) > x, below = static_cast<S>(r) < x;
    if (above && (round == down || (round == toward_zero && x > 0)))
      r = std::nextafter(r, -std::numeric_limits<D>::infinity());
    if (below && (round == up || (round == toward_zero && x < 0)))
      r = std::nextafter(r, std::numeric_limits<D>::infinity());
  }
  if ((i.mode & saturate) != 0) r = r >= D{0} ? (r < D{1} ? r : D{1}) : D{0};
  return canonical(r);
}

/// From a register that holds an S to one that holds a D.
template <class D, class S, bool flush>
void convert(Warp& w, const Instruction& i, Mask mask) {
  [[maybe_unused]] const Mode<std::conditional_t<std::is_floating_point_v<D>, D, S>, flush> mode;
  D* out = w.out<D>(i.out);
  const S* a = w.in<S>(i.in[0]);
  each_lane(mask, [&](int l) {
    const S s = a[l];
    if constexpr (std::is_integral_v<S>) {
      const U64 value = extend(s, i.from);
      if constexpr (std::is_integral_v<D>)
        out[l] = static_cast<D>(extend(integer_to_integer(value, i), i.to));
      else
        out[l] = i.from.kind == 's' ? static_cast<D>(static_cast<S64>(value)) : static_cast<D>(value);
    } else if constexpr (std::is_integral_v<D>) {
      out[l] = static_cast<D>(extend(float_to_integer(s, i), i.to));
    } else {
      out[l] = float_to_float<D>(s, i);
    }
  });
}
/// The common ones: nothing to cut off, no rounding of their own.
template <class D>
struct Cast {
  template <class S>
  D operator()(S s) const {
    return canonical(static_cast<D>(s));
  }
};

template <class D, class S>
Handler flushed(bool flush) {
  return flush ? &convert<D, S, true> : &convert<D, S, false>;
}
template <class D>
Handler conversion_to(const Type& from, int register_bits, bool flush) {
  if (from.kind == 'f')
    return from.bits == 32 ? flushed<D, float>(flush) : from.bits == 64 ? flushed<D, double>(flush) : nullptr;
  return register_bits == 16   ? flushed<D, U16>(true)
         : register_bits == 32 ? flushed<D, U32>(true)
                               : flushed<D, U64>(true);
}

}  // namespace

Handler find_conversion(const Instruction& i, int to_register, int from_register, bool flush) {
  const Type &to = i.to, &from = i.from;
  if (to.bits == to_register && from.bits == from_register && (i.mode & ~std::uint32_t{to_integer}) == 0) {
    const auto is = [](const Type& t, char kind, int bits) { return t.kind == kind && t.bits == bits; };
    const auto whole = [](const Type& t, int bits) { return t.kind != 'f' && t.bits == bits; };
    if (whole(to, 64) && whole(from, 32))
      return from.kind == 's' ? &lanewise<Cast<S64>, true, S64, S32> : &lanewise<Cast<U64>, true, U64, U32>;
    if (whole(to, 32) && whole(from, 64)) return &lanewise<Cast<U32>, true, U32, U64>;
    if (is(to, 'f', 64) && is(from, 'f', 32) && flush) return &lanewise<Cast<double>, true, double, float>;
    if (is(to, 'f', 32) && is(from, 'f', 64) && flush) return &lanewise<Cast<float>, true, float, double>;
    if (is(to, 'f', 32) && is(from, 's', 32)) return &lanewise<Cast<float>, true, float, S32>;
  }
  if (to.kind == 'f')
    return to.bits == 32   ? conversion_to<float>(from, from_register, flush)
           : to.bits == 64 ? conversion_to<double>(from, from_register, flush)
                           : nullptr;
  return to_register == 16   ? conversion_to<U16>(from, from_register, flush)
         : to_register == 32 ? conversion_to<U32>(from, from_register, flush)
                             : conversion_to<U64>(from, from_register, flush);
}

}  // namespace ptx
