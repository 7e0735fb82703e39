#include "tests/ptx/form_check.hpp"

/// Floats, comparisons, conversions and moves: each form against its definition in the PTX ISA.
namespace ptx::test {
namespace {

/// f on floats: exact in double (or Quad), rounded once; with .ftz operands and results flushed.
Reference single(double (*f)(double, double), bool ftz) {
  return [=](const Values& v) {
    const auto in = [&](int n) { return ftz ? flush(v.single(n)) : v.single(n); };
    const float result = static_cast<float>(f(in(0), in(1)));
    return bits_of(canonical_nan(ftz ? flush(result) : result));
  };
}
double add(double a, double b) { return a + b; }
double subtract(double a, double b) { return a - b; }
double multiply(double a, double b) { return a * b; }
double divide(double a, double b) { return a / b; }
double root(double a, double) { return std::sqrt(a); }
double reciprocal(double a, double) { return 1 / a; }
double reciprocal_root(double a, double) { return 1 / std::sqrt(a); }
double least(double a, double b) {
  return a != a ? b : b != b ? a : a == b ? (std::signbit(a) ? a : b) : a < b ? a : b;
}
double most(double a, double b) { return a != a ? b : b != b ? a : a == b ? (std::signbit(a) ? b : a) : a > b ? a : b; }
double negate(double a, double) { return -a; }
double absolute(double a, double) { return std::fabs(a); }

/// a b + c so that one more rounding gives the right result: inexact sums end in an odd bit.
Quad exact_enough(Quad a, Quad b, Quad c) {
  const Quad product = a * b, sum = product + c, part = sum - product;
  const Quad error = (product - (sum - part)) + (c - part);
  UnsignedWide bits = 0;
  std::memcpy(&bits, &sum, sizeof bits);
  if (error == 0 || error != error || (bits & 1) != 0) return sum;
  bits = (error > 0) == (sum > 0) ? bits + 1 : bits - 1;
  Quad odd = 0;
  std::memcpy(&odd, &bits, sizeof odd);
  return odd;
}

TEST(FloatForms, Floats) {
  for (const std::string ftz : {"", ".ftz"}) {
    const bool f = !ftz.empty();
    for (const auto& [name, function] :
         {std::pair{"add", &add}, {"sub", &subtract}, {"mul", &multiply}, {"div", &divide}}) {
      check(std::string(name) + ".rn" + ftz + ".f32", "f32", {"f32", "f32"}, single(function, f));
      if (!f)
        check(std::string(name) + ".rn.f64", "f64", {"f64", "f64"},
              [function](const Values& v) { return bits_of(function(v.real(0), v.real(1))); });
    }
    for (const auto& [name, function] : {std::pair{"min", &least}, {"max", &most}}) {
      check(name + ftz + ".f32", "f32", {"f32", "f32"}, single(function, f));
      if (!f)
        check(std::string(name) + ".f64", "f64", {"f64", "f64"},
              [function](const Values& v) { return bits_of(function(v.real(0), v.real(1))); });
      check(std::string(name) + ftz + ".NaN.f32", "f32", {"f32", "f32"}, [function, f](const Values& v) {
        const bool nan = v.single(0) != v.single(0) || v.single(1) != v.single(1);
        return nan ? 0x7fffffffu : single(function, f)(v);
      });
    }
    for (const auto& [name, function] : {std::pair{"neg", &negate}, {"abs", &absolute}}) {
      check(name + ftz + ".f32", "f32", {"f32"}, single(function, f));
      if (!f)
        check(std::string(name) + ".f64", "f64", {"f64"},
              [function](const Values& v) { return bits_of(function(v.real(0), 0)); });
    }
    for (const auto& [name, function] : {std::pair{"sqrt", &root}, {"rcp", &reciprocal}}) {
      check(std::string(name) + ".rn" + ftz + ".f32", "f32", {"f32"}, single(function, f));
      if (!f)
        check(std::string(name) + ".rn.f64", "f64", {"f64"},
              [function](const Values& v) { return bits_of(function(v.real(0), 0)); });
    }
    check("fma.rn" + ftz + ".f32", "f32", {"f32", "f32", "f32"}, [f](const Values& v) {
      const auto in = [&](int n) { return static_cast<Quad>(f ? flush(v.single(n)) : v.single(n)); };
      const auto result = static_cast<float>(exact_enough(in(0), in(1), in(2)));
      return bits_of(canonical_nan(f ? flush(result) : result));
    });
    check("div.approx" + ftz + ".f32", "f32", {"f32", "f32"}, single(&divide, f), "", 3e-7);
    check("rsqrt.approx" + ftz + ".f32", "f32", {"f32"}, single(&reciprocal_root, f), "", 3e-7);
  }
  check("fma.rn.f64", "f64", {"f64", "f64", "f64"},
        [](const Values& v) { return bits_of(static_cast<double>(exact_enough(v.real(0), v.real(1), v.real(2)))); });
  check("copysign.f32", "f32", {"f32", "f32"},
        [](const Values& v) { return (v.bits[0] & 0x80000000u) | (v.bits[1] & 0x7fffffffu); });
  check("copysign.f64", "f64", {"f64", "f64"},
        [](const Values& v) { return (v.bits[0] & 1ull << 63) | (v.bits[1] & ~(1ull << 63)); });
  check(
      "rcp.approx.ftz.f64", "f64", {"f64"},
      [](const Values& v) {
        const double x = 1 / v.real(0);
        return bits_of(is_subnormal(v.real(0), 2.3e-308) || is_subnormal(x, 2.3e-308)
                           ? 1 / std::copysign(is_subnormal(x, 2.3e-308) ? INFINITY : 0.0, v.real(0))
                           : x);
      },
      "", 1e-5);
}

TEST(FloatForms, Comparisons) {
  const auto holds = [](const std::string& how, auto a, auto b) {
    const std::string ordered = how == "lo"   ? "lt"
                                : how == "ls" ? "le"
                                : how == "hi" ? "gt"
                                : how == "hs" ? "ge"
                                              : how.substr(0, 2);
    const bool nan = !(a == a) || !(b == b);
    if (how == "num") return !nan;
    if (how == "nan") return nan;
    if (nan) return how.size() == 3;  // the unordered ones
    return ordered == "eq"   ? a == b
           : ordered == "ne" ? a != b
           : ordered == "lt" ? a < b
           : ordered == "le" ? a <= b
           : ordered == "gt" ? a > b
                             : a >= b;
  };
  for (const std::string how : {"eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs"}) {
    for (const std::string& t : Names{"s16", "u16", "b16", "s32", "u32", "b32", "s64", "u64", "b64"}) {
      const bool is_unsigned_only =
          how[0] == 'l' || how[0] == 'h' ? how[1] == 'o' || how[1] == 's' || how[1] == 'i' : false;
      if ((t[0] == 'b' && how != "eq" && how != "ne") || (is_unsigned_only && t[0] != 'u')) continue;
      check("setp." + how + "." + t, "pred", {t, t},
            [=](const Values& v) { return holds(how, v.number(0), v.number(1)); });
    }
  }
  for (const std::string how :
       {"eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"}) {
    check("setp." + how + ".f64", "pred", {"f64", "f64"},
          [=](const Values& v) { return holds(how, v.real(0), v.real(1)); });
    check("setp." + how + ".f32", "pred", {"f32", "f32"},
          [=](const Values& v) { return holds(how, v.real(0), v.real(1)); });
    check("setp." + how + ".ftz.f32", "pred", {"f32", "f32"},
          [=](const Values& v) { return holds(how, flush(v.single(0)), flush(v.single(1))); });
  }
  for (const std::string with : {"and", "or", "xor"}) {
    check("setp.lt." + with + ".s32", "pred", {"s32", "s32", "pred"}, [=](const Values& v) {
      const std::uint64_t less = v.number(0) < v.number(1) ? 1 : 0;
      return with == "and" ? less & v.bits[2] : with == "or" ? less | v.bits[2] : less ^ v.bits[2];
    });
  }
  for (const std::string& t : Names{"b16", "u16", "s16", "b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64"}) {
    check("selp." + t, t[0] == 'f' ? "b" + t.substr(1) : t, {t, t, "pred"},
          [](const Values& v) { return v.bits[2] != 0 ? v.bits[0] : v.bits[1]; });
    check("mov." + t, t[0] == 'f' ? "b" + t.substr(1) : t, {t}, [](const Values& v) { return v.bits[0]; });
  }
}

/// What cvt to an integer makes of x, already rounded to a whole number.
std::uint64_t to_whole(double x, const Type& to, int from_bits) {
  if (x != x) return to.bits == 64 || from_bits == 64 ? std::uint64_t{1} << (to.bits - 1) : 0;
  const Quad limit = static_cast<Quad>(std::ldexp(1.0, to.bits - (to.kind == 's' ? 1 : 0)));
  const Quad lowest = to.kind == 's' ? -limit : 0;
  const Quad clamped = static_cast<Quad>(x) < lowest      ? lowest
                       : static_cast<Quad>(x) > limit - 1 ? limit - 1
                                                          : static_cast<Quad>(x);
  return static_cast<std::uint64_t>(static_cast<Wide>(clamped));
}

TEST(FloatForms, Conversions) {
  for (const std::string& to : all_integers) {
    for (const std::string& from : all_integers) {
      if (to == from) continue;
      check("cvt." + to + "." + from, to, {from}, [](const Values& v) { return v.word(0); });
    }
    const Type t = type_of(to);
    for (const std::string& from : Names{"f32", "f64"}) {
      for (const auto& [name, round] : {std::pair{"rni", +[](double x) { return std::nearbyint(x); }},
                                        {"rzi", +[](double x) { return std::trunc(x); }},
                                        {"rmi", +[](double x) { return std::floor(x); }},
                                        {"rpi", +[](double x) { return std::ceil(x); }}}) {
        const int bits = type_of(from).bits;
        check(std::string("cvt.") + name + "." + to + "." + from, to, {from},
              [=](const Values& v) { return to_whole(round(v.real(0)), t, bits); });
        if (bits == 32)
          check(std::string("cvt.") + name + ".ftz." + to + "." + from, to, {from},
                [=](const Values& v) { return to_whole(round(flush(v.single(0))), t, bits); });
      }
    }
    check("cvt.rn.f32." + to, "f32", {to},
          [](const Values& v) { return bits_of(static_cast<float>(static_cast<Quad>(v.number(0)))); });
    check("cvt.rn.f64." + to, "f64", {to},
          [](const Values& v) { return bits_of(static_cast<double>(static_cast<Quad>(v.number(0)))); });
  }
  check("cvt.f64.f32", "f64", {"f32"}, [](const Values& v) { return bits_of(v.real(0)); });
  check("cvt.ftz.f64.f32", "f64", {"f32"},
        [](const Values& v) { return bits_of(static_cast<double>(flush(v.single(0)))); });
  check("cvt.rn.f32.f64", "f32", {"f64"},
        [](const Values& v) { return bits_of(canonical_nan(static_cast<float>(v.real(0)))); });
  check("cvt.rn.ftz.f32.f64", "f32", {"f64"},
        [](const Values& v) { return bits_of(canonical_nan(flush(static_cast<float>(v.real(0))))); });
  for (const auto& [name, round] : {std::pair{"rni", +[](float x) { return std::nearbyint(x); }},
                                    {"rzi", +[](float x) { return std::trunc(x); }},
                                    {"rmi", +[](float x) { return std::floor(x); }},
                                    {"rpi", +[](float x) { return std::ceil(x); }}}) {
    check(std::string("cvt.") + name + ".ftz.f32.f32", "f32", {"f32"},
          [=](const Values& v) { return bits_of(canonical_nan(round(flush(v.single(0))))); });
  }
  // The nearest of all numbers of a shorter mantissa: `dropped` bits are 0.
  const auto nearest = [](float x, int dropped, bool to_even) -> std::uint64_t {
    const auto bits = static_cast<std::uint32_t>(bits_of(x)), unit = 1u << dropped;
    if (x != x) return 0x7fffffff;
    const std::uint32_t below = bits & ~(unit - 1), above = below + unit;
    const double half = static_cast<double>(bits - below) / unit;
    if (std::isinf(x) || half < 0.5) return below;
    return half > 0.5 || !to_even || (below & unit) != 0 ? above : below;
  };
  check("cvt.rna.tf32.f32", "b32", {"f32"}, [=](const Values& v) { return nearest(v.single(0), 13, false); });
  check("cvt.rn.bf16.f32", "b16", {"f32"}, [=](const Values& v) { return nearest(v.single(0), 16, true) >> 16; });
  check("cvt.rn.bf16x2.f32", "b32", {"f32", "f32"}, [=](const Values& v) {
    return (nearest(v.single(0), 16, true) & 0xffff0000u) | nearest(v.single(1), 16, true) >> 16;
  });
  const auto cut = [](float x) { return x != x ? 0x7fff0000u : bits_of(x) & 0xffff0000u; };
  check("cvt.rz.bf16.f32", "b16", {"f32"}, [=](const Values& v) { return cut(v.single(0)) >> 16; });
  check("cvt.rz.bf16x2.f32", "b32", {"f32", "f32"},
        [=](const Values& v) { return cut(v.single(0)) | cut(v.single(1)) >> 16; });
  check("cvt.f32.bf16", "b32", {"b16"}, [](const Values& v) { return v.word(0) << 16; });
}

}  // namespace
}  // namespace ptx::test
