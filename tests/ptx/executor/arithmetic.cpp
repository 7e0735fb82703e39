#include "tests/ptx/executor/arithmetic.hpp"

#include "tests/ptx/executor/tables.hpp"

/// Arithmetic and comparisons by type.
namespace ptx {
namespace {

using U16 = std::uint16_t;
using U32 = std::uint32_t;
using U64 = std::uint64_t;
using S16 = std::int16_t;
using S32 = std::int32_t;
using S64 = std::int64_t;

template <class F>
Handler of_integers(const Type& t, F f) {
  const bool s = t.kind == 's';
  if (t.kind == 'f') return nullptr;
  switch (t.bits) {
    case 16:
      return s ? f.template operator()<S16>() : f.template operator()<U16>();
    case 32:
      return s ? f.template operator()<S32>() : f.template operator()<U32>();
    case 64:
      return s ? f.template operator()<S64>() : f.template operator()<U64>();
  }
  return nullptr;
}
/// f<T, flush>.
template <class F>
Handler of_floats(const Type& t, bool flush, F f) {
  if (t.kind != 'f') return nullptr;
  if (t.bits == 64) return f.template operator()<double, false>();
  return t.bits != 32 ? nullptr : flush ? f.template operator()<float, true>() : f.template operator()<float, false>();
}

template <class F>
Handler integers1(const Type& t) {
  return of_integers(t, []<class T>() -> Handler { return &lanewise<F, true, T, T>; });
}
template <class F>
Handler integers2(const Type& t) {
  return of_integers(t, []<class T>() -> Handler { return &lanewise<F, true, T, T, T>; });
}
template <class F>
Handler floats1(const Type& t, bool flush) {
  return of_floats(t, flush, []<class T, bool ftz>() -> Handler { return &lanewise<F, ftz, T, T>; });
}
template <class F>
Handler both2(const Type& t, bool flush) {
  if (t.kind != 'f') return integers2<F>(t);
  return of_floats(t, flush, []<class T, bool ftz>() -> Handler { return &lanewise<F, ftz, T, T, T>; });
}
template <class F>
Handler shift(const Type& t) {
  return of_integers(t, []<class T>() -> Handler { return &lanewise<F, true, T, T, U32>; });
}
template <class F>
Handler counted(const Type& t) {
  return t.bits == 32 ? &lanewise<F, true, U32, U32> : &lanewise<F, true, U32, U64>;
}
template <template <bool> class F>
Handler sign(const Type& t, bool flush) {
  if (t.kind != 'f') return integers1<F<false>>(Type{'s', t.bits});
  return flush ? &lanewise<F<true>, true, float, float> : floats1<F<false>>(t, false);
}
template <bool left>
Handler funnel(const Opcode& o) {
  return o.has("wrap") ? &lanewise<FunnelShift<left, true>, true, U32, U32, U32, U32>
                       : &lanewise<FunnelShift<left, false>, true, U32, U32, U32, U32>;
}

Handler multiply(const Opcode& o, const Type& t) {
  if (o.has("wide")) {
    if (t.bits == 16)
      return t.kind == 's' ? &lanewise<MultiplyWide<S32>, true, S32, S16, S16>
                           : &lanewise<MultiplyWide<U32>, true, U32, U16, U16>;
    return t.kind == 's' ? &lanewise<MultiplyWide<S64>, true, S64, S32, S32>
                         : &lanewise<MultiplyWide<U64>, true, U64, U32, U32>;
  }
  return o.has("hi") ? integers2<MultiplyHigh>(t) : both2<Multiply>(t, o.has("ftz"));
}
Handler multiply_add(const Opcode& o, const Type& t) {
  if (t.kind == 'f')
    return of_floats(t, o.has("ftz"),
                     []<class T, bool ftz>() -> Handler { return &lanewise<MultiplyAdd<void>, ftz, T, T, T, T>; });
  if (o.has("wide")) {
    if (t.bits == 16)
      return t.kind == 's' ? &lanewise<MultiplyAdd<MultiplyWide<S32>>, true, S32, S16, S16, S32>
                           : &lanewise<MultiplyAdd<MultiplyWide<U32>>, true, U32, U16, U16, U32>;
    return t.kind == 's' ? &lanewise<MultiplyAdd<MultiplyWide<S64>>, true, S64, S32, S32, S64>
                         : &lanewise<MultiplyAdd<MultiplyWide<U64>>, true, U64, U32, U32, U64>;
  }
  if (o.has("hi"))
    return of_integers(t, []<class T>() -> Handler { return &lanewise<MultiplyAdd<MultiplyHigh>, true, T, T, T, T>; });
  return of_integers(t, []<class T>() -> Handler { return &lanewise<MultiplyAdd<Multiply>, true, T, T, T, T>; });
}
template <bool is_minimum, bool keeps_nan>
Handler extreme(const Opcode& o, const Type& t) {
  if (t.kind == 'f' && o.has("ftz")) return &lanewise<Extreme<is_minimum, true, keeps_nan>, true, float, float, float>;
  return both2<Extreme<is_minimum, false, keeps_nan>>(t, false);
}
template <bool is_minimum>
Handler extreme(const Opcode& o, const Type& t) {
  return o.has("NaN") ? extreme<is_minimum, true>(o, t) : extreme<is_minimum, false>(o, t);
}

/// How mode combines a comparison with a predicate.
template <class F, bool flush, class T>
void compare(Warp& w, const Instruction& i, Mask mask) {
  [[maybe_unused]] const Mode<T, flush> mode;
  const T *a = w.in<T>(i.in[0]), *b = w.in<T>(i.in[1]);
  const F f;
  std::uint32_t holds[lanes];
#pragma GCC ivdep
  for (int l = 0; l < lanes; ++l) holds[l] = f(a[l], b[l]) ? std::uint32_t{1} << l : 0u;
  Mask first = 0;
  for (int l = 0; l < lanes; ++l) first |= holds[l];
  Mask second = ~first;
  if (i.in[2] != no_slot) {
    const Mask with = w.predicate(i.in[2]);
    const auto combine = [&](Mask x) { return i.mode == 'a' ? x & with : i.mode == 'o' ? x | with : x ^ with; };
    first = combine(first);
    second = combine(second);
  }
  if (i.out != no_slot) w.set_predicate(i.out, first, mask);
  if (i.in[3] != no_slot) w.set_predicate(i.in[3], second, mask);
}

// Ordered comparisons are false if one side is a NaN, unordered ones true.
#define PTX_COMPARISON(name, expression) \
  struct name {                          \
    template <class T>                   \
    bool operator()(T a, T b) const {    \
      return expression;                 \
    }                                    \
  };
PTX_COMPARISON(Equal, a == b)
PTX_COMPARISON(NotEqual, a<b || a> b)
PTX_COMPARISON(Less, a < b)
PTX_COMPARISON(LessEqual, a <= b)
PTX_COMPARISON(Greater, a > b)
PTX_COMPARISON(GreaterEqual, a >= b)
PTX_COMPARISON(EqualOrNan, !(a < b || a > b))
PTX_COMPARISON(NotEqualOrNan, !(a == b))
PTX_COMPARISON(LessOrNan, !(a >= b))
PTX_COMPARISON(LessEqualOrNan, !(a > b))
PTX_COMPARISON(GreaterOrNan, !(a <= b))
PTX_COMPARISON(GreaterEqualOrNan, !(a < b))
PTX_COMPARISON(Numbers, a == a && b == b)
PTX_COMPARISON(SomeNan, a != a || b != b)
#undef PTX_COMPARISON

template <class F>
Handler float_comparison(const Type& t, bool flush) {
  return of_floats(t, flush, []<class T, bool ftz>() -> Handler { return &compare<F, ftz, T>; });
}
template <class F>
Handler comparison(const Type& t, bool flush) {
  if (t.kind == 'f') return float_comparison<F>(t, flush);
  return of_integers(t, []<class T>() -> Handler { return &compare<F, true, T>; });
}

double exp2_of(double x) { return std::exp2(x); }
double log2_of(double x) { return std::log2(x); }
double sine_of(double x) { return std::sin(x); }
double cosine_of(double x) { return std::cos(x); }
double tanh_of(double x) { return std::tanh(x); }

}  // namespace

// t: of the instruction's type; w: twice as wide with .wide; u: u32.
const char* arithmetic_operands(const std::string& base) {
  static const std::map<std::string, const char*> operands = {
      {"add", "tt"},  {"sub", "tt"},   {"mul", "tt"},  {"div", "tt"},  {"rem", "tt"},      {"min", "tt"},
      {"max", "tt"},  {"and", "tt"},   {"or", "tt"},   {"xor", "tt"},  {"copysign", "tt"}, {"shl", "tu"},
      {"shr", "tu"},  {"fma", "ttt"},  {"mad", "ttw"}, {"shf", "ttu"}, {"prmt", "ttt"},    {"lop3", "tttu"},
      {"bfe", "tuu"}, {"bfi", "ttuu"}, {"not", "t"},   {"neg", "t"},   {"abs", "t"},       {"sqrt", "t"},
      {"rcp", "t"},   {"rsqrt", "t"},  {"ex2", "t"},   {"lg2", "t"},   {"sin", "t"},       {"cos", "t"},
      {"tanh", "t"},  {"popc", "t"},   {"clz", "t"},   {"brev", "t"},  {"bfind", "t"}};
  const auto found = operands.find(base);
  return found == operands.end() ? nullptr : found->second;
}

Handler find_arithmetic(const Opcode& o, const Type& t) {
  const std::string& base = o.base;
  const bool ftz = o.has("ftz"), is_float = t.kind == 'f';
  const Type bits{'u', t.bits}, sum = t.kind == 's' ? bits : t;  // sums wrap, signed or not
  if (o.has("sat") || o.has("relu") || (base == "prmt" && o.modifiers.size() > 1)) return nullptr;
  if (is_float && (o.has("rz") || o.has("rm") || o.has("rp"))) return nullptr;
  if (base == "add") return both2<Add>(sum, ftz);
  if (base == "sub") return both2<Subtract>(sum, ftz);
  if (base == "mul") return multiply(o, t);
  if (base == "fma" || base == "mad") return multiply_add(o, t);
  if (base == "div") return both2<Divide>(t, ftz);
  if (base == "rem") return integers2<Remainder>(t);
  if (base == "min") return extreme<true>(o, t);
  if (base == "max") return extreme<false>(o, t);
  if (base == "and") return integers2<And>(bits);
  if (base == "or") return integers2<Or>(bits);
  if (base == "xor") return integers2<Xor>(bits);
  if (base == "not") return integers1<Not>(bits);
  if (base == "shl") return shift<ShiftLeft>(bits);
  if (base == "shr") return shift<ShiftRight>(t);
  if (base == "neg") return sign<Negate>(t, ftz);
  if (base == "abs") return sign<Absolute>(t, ftz);
  if (base == "popc") return counted<PopulationCount>(t);
  if (base == "clz") return counted<LeadingZeros>(t);
  if (base == "brev") return integers1<ReverseBits>(bits);
  if (base == "bfind" && t.kind == 'u')
    return o.has("shiftamt") ? counted<FindBit<true>>(t) : counted<FindBit<false>>(t);
  if (base == "bfe")
    return of_integers(t, []<class T>() -> Handler { return &lanewise<ExtractBits, true, T, T, U32, U32>; });
  if (base == "bfi")
    return t.bits == 32 ? &lanewise<InsertBits, true, U32, U32, U32, U32, U32>
                        : &lanewise<InsertBits, true, U64, U64, U64, U32, U32>;
  if (t.bits == 32 && !is_float) {
    if (base == "shf") return o.has("l") ? funnel<true>(o) : funnel<false>(o);
    if (base == "prmt") return &lanewise<PermuteBytes, true, U32, U32, U32, U32>;
    if (base == "lop3") return &lanewise<Logic3, true, U32, U32, U32, U32, U32>;
  }
  if (!is_float) return nullptr;
  if (base == "copysign") return both2<CopySign>(t, true);
  if (base == "sqrt") return floats1<SquareRoot>(t, ftz);
  if (base == "rcp" && t.bits == 64 && o.has("approx")) return &lanewise<ReciprocalEstimate, true, double, double>;
  if (base == "rcp") return floats1<Reciprocal>(t, ftz);
  if (base == "rsqrt") return floats1<Accurate<reciprocal_root>>(t, ftz);
  if (t.bits != 32) return nullptr;
  if (base == "ex2") return floats1<Accurate<exp2_of>>(t, ftz);
  if (base == "lg2") return floats1<Accurate<log2_of>>(t, ftz);
  if (base == "sin") return floats1<Accurate<sine_of>>(t, ftz);
  if (base == "cos") return floats1<Accurate<cosine_of>>(t, ftz);
  if (base == "tanh") return floats1<Accurate<tanh_of>>(t, ftz);
  return nullptr;
}

Handler find_comparison(const std::string& how, const Type& t, bool ftz) {
  if (how == "eq") return comparison<Equal>(t, ftz);
  if (how == "ne") return comparison<NotEqual>(t, ftz);
  if (how == "lt" || how == "lo") return comparison<Less>(t, ftz);
  if (how == "le" || how == "ls") return comparison<LessEqual>(t, ftz);
  if (how == "gt" || how == "hi") return comparison<Greater>(t, ftz);
  if (how == "ge" || how == "hs") return comparison<GreaterEqual>(t, ftz);
  if (how == "equ") return float_comparison<EqualOrNan>(t, ftz);
  if (how == "neu") return float_comparison<NotEqualOrNan>(t, ftz);
  if (how == "ltu") return float_comparison<LessOrNan>(t, ftz);
  if (how == "leu") return float_comparison<LessEqualOrNan>(t, ftz);
  if (how == "gtu") return float_comparison<GreaterOrNan>(t, ftz);
  if (how == "geu") return float_comparison<GreaterEqualOrNan>(t, ftz);
  if (how == "num") return float_comparison<Numbers>(t, ftz);
  if (how == "nan") return float_comparison<SomeNan>(t, ftz);
  return nullptr;
}

}  // namespace ptx
