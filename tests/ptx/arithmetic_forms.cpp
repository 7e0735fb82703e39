#include <bit>
#include <cmath>
#include <limits>

#include "tests/ptx/executor/statement.hpp"
#include "tests/ptx/fixture.hpp"

/// Arithmetic, comparisons, conversions and moves: each form against what the PTX ISA says of it, computed another way
/// (in wider types, bit by bit), for edge values and random ones.
namespace ptx::test {
namespace {

__extension__ typedef __int128 Wide;
__extension__ typedef unsigned __int128 UnsignedWide;
__extension__ typedef __float128 Quad;

/// The operands of one lane.
struct Values {
  std::uint64_t bits[4];
  Type type[4];
  /// As a number: extended by its type's sign.
  Wide number(int n) const {
    const std::uint64_t kept = bits[n] << (64 - type[n].bits) >> (64 - type[n].bits);
    const bool negative = type[n].kind == 's' && (kept >> (type[n].bits - 1) & 1) != 0;
    return negative ? static_cast<Wide>(kept) - (static_cast<Wide>(1) << type[n].bits) : static_cast<Wide>(kept);
  }
  std::uint64_t word(int n) const { return static_cast<std::uint64_t>(number(n)); }
  float single(int n) const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits[n])); }
  double real(int n) const { return type[n].bits == 32 ? single(n) : std::bit_cast<double>(bits[n]); }
};
using Reference = std::function<std::uint64_t(const Values&)>;

Type type_of(const std::string& name) {
  Type type;
  EXPECT_TRUE(parse_type(name, type)) << name;
  return type;
}
std::uint64_t bits_of(float x) { return std::bit_cast<std::uint32_t>(x); }
std::uint64_t bits_of(double x) { return std::bit_cast<std::uint64_t>(x); }
bool is_denormal(double x, double least) { return x != 0 && std::fabs(x) < least; }
/// .ftz: a denormal number is a zero of its sign.
float flush(float x) { return is_denormal(x, std::numeric_limits<float>::min()) ? std::copysign(0.0f, x) : x; }
float canonical_nan(float x) { return x == x ? x : std::bit_cast<float>(0x7fffffffu); }

std::uint64_t edge(const Type& t, std::size_t n) {
  static const double reals[] = {0.0,   -0.0,         1.0,          -1.0,          0.5,    1.5,
                                 -2.5,  3.0,          1e-40,        -1e-40,        1e-300, 1e10,
                                 -1e10, 4294967296.0, 2147483647.0, -2147483649.0, 9.3e18, 1e30,
                                 3e38,  1e300,        INFINITY,     -INFINITY,     NAN,    1.1754943508222875e-38,
                                 0.1,   65504.0,      7.25,         -0.75};
  static const std::uint64_t whole[] = {0,
                                        1,
                                        2,
                                        3,
                                        7,
                                        31,
                                        32,
                                        33,
                                        63,
                                        64,
                                        65,
                                        127,
                                        128,
                                        255,
                                        256,
                                        0x7fff,
                                        0x8000,
                                        0xffff,
                                        0x7fffffff,
                                        0x80000000,
                                        0xffffffff,
                                        0x100000000,
                                        0x7fffffffffffffff,
                                        0x8000000000000000,
                                        0xffffffffffffffff,
                                        0x5555555555555555,
                                        0xfffffffe,
                                        0xfffffffffffffffe};
  if (t.kind != 'f') return whole[n % std::size(whole)];
  const double x = reals[n % std::size(reals)];
  return t.bits == 32 ? bits_of(static_cast<float>(x)) : bits_of(x);
}
std::string register_name(const Type& t, int n) {
  return (t.kind == 'p' ? "%p" : t.bits <= 16 ? "%h" : t.bits == 32 ? "%r" : "%rd") + std::to_string(n + 1);
}
std::string access_type(const Type& t) { return t.kind == 'p' || t.bits <= 16 ? "u16" : t.bits == 32 ? "u32" : "u64"; }
bool same(const Type& t, std::uint64_t got, std::uint64_t expected) {
  if (t.kind == 'p') return (got != 0) == (expected != 0);
  const std::uint64_t mask = t.bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << t.bits) - 1;
  if (t.kind == 'f' && t.bits == 64 && std::bit_cast<double>(expected) != std::bit_cast<double>(expected))
    return std::bit_cast<double>(got) != std::bit_cast<double>(got);
  return ((got ^ expected) & mask) == 0;
}

/// `form OUT, IN...;` for many operands. Types of `in` may be predicates; `allowed`: relative error of a float.
void check(const std::string& form, const std::string& out_name, const std::vector<std::string>& in_names,
           const Reference& reference, const std::string& suffix = "", double allowed = 0.0) {
  tested_forms().insert(form);
  const Type out = type_of(out_name);
  std::string body;
  std::vector<Type> in;
  std::string operands = register_name(out, 7);
  if (out.kind == 'p') operands = "%p7";
  for (std::size_t n = 0; n < in_names.size(); ++n) {
    const Type t = type_of(in_names[n]);
    in.push_back(t);
    const std::string place = "[%rd9+" + std::to_string(256 * n) + "]";
    const int number = static_cast<int>(n);
    if (t.kind == 'p')
      body += "  ld.global.u16 %h15, " + place + ";\n  setp.ne.u16 %p" + std::to_string(n + 1) + ", %h15, 0;\n";
    else
      body += "  ld.global." + access_type(t) + " " + register_name(t, number) + ", " + place + ";\n";
    operands += ", " + register_name(t, number);
  }
  body = "  add.u64 %rd9, %in, %offset;\n  add.u64 %rd10, %out, %offset;\n" + body + "  " + form + " " + operands +
         suffix + ";\n";
  if (out.kind == 'p') body += "  selp.u16 %h8, 1, 0, %p7;\n";
  const Type stored = out.kind == 'p' ? Type{'u', 16} : out;
  body += "  st.global." + access_type(stored) + " [%rd10], " + register_name(stored, 7) + ";\n";
  const std::string text = kernel(body);
  const Module module(text);
  Memory inputs(4 * 256), outputs(256);
  std::mt19937_64 random(std::hash<std::string>()(form));
  Launch launch;
  launch.module = &module;
  launch.function = module.find("test");
  launch.find_allocation = &find_memory;
  launch.block[0] = lanes;
  const std::uint64_t parameters[2] = {inputs.address(), outputs.address()};
  launch.parameters = reinterpret_cast<const unsigned char*>(parameters);
  for (int round = 0; round < 60; ++round) {
    Values values[lanes];
    for (int l = 0; l < lanes; ++l) {
      for (std::size_t n = 0; n < in.size(); ++n) {
        const std::uint64_t r = random();
        values[l].type[n] = in[n];
        // Edges with edges first, then edges with anything.
        values[l].bits[n] = round < 30 || r % 4 == 0          ? edge(in[n], static_cast<std::size_t>(random()))
                            : in[n].kind == 'f' && r % 4 == 1 ? edge({'f', in[n].bits}, 2) ^ (random() & 0x7fffff)
                                                              : random();
        if (in[n].kind == 'p') values[l].bits[n] = r & 1;
        inputs.as<std::uint64_t>()[32 * n + static_cast<std::size_t>(l)] = values[l].bits[n];
      }
    }
    try {
      execute(launch);
    } catch (const std::exception& e) {
      FAIL() << form << ": " << e.what();
    }
    for (int l = 0; l < lanes; ++l) {
      const std::uint64_t got = outputs.as<std::uint64_t>()[l], expected = reference(values[l]);
      if (same(out, got, expected)) continue;
      if (allowed > 0) {
        const double x =
            out.bits == 32 ? std::bit_cast<float>(static_cast<std::uint32_t>(got)) : std::bit_cast<double>(got);
        const double y = out.bits == 32 ? std::bit_cast<float>(static_cast<std::uint32_t>(expected))
                                        : std::bit_cast<double>(expected);
        if (std::fabs(x - y) <= allowed * std::fabs(y) + (allowed > 1e-10 ? 1.2e-38 : 0)) continue;
      }
      std::string operands_text;
      for (std::size_t n = 0; n < in.size(); ++n) operands_text += " " + std::to_string(values[l].bits[n]);
      FAIL() << form << " of" << std::hex << operands_text << ": " << got << ", expected " << expected;
    }
  }
}

using Names = std::vector<std::string>;
const Names all_integers = {"s16", "u16", "s32", "u32", "s64", "u64"};

TEST(ArithmeticForms, Integers) {
  for (const std::string& t : all_integers) {
    const Type type = type_of(t);
    const auto two = [&](const std::string& name, const Reference& f) { check(name + "." + t, t, {t, t}, f); };
    two("add", [](const Values& v) { return v.word(0) + v.word(1); });
    two("sub", [](const Values& v) { return v.word(0) - v.word(1); });
    two("mul.lo", [](const Values& v) { return v.word(0) * v.word(1); });
    two("min", [](const Values& v) { return v.word(v.number(0) < v.number(1) ? 0 : 1); });
    two("max", [](const Values& v) { return v.word(v.number(0) > v.number(1) ? 0 : 1); });
    check("mad.lo." + t, t, {t, t, t}, [](const Values& v) { return v.word(0) * v.word(1) + v.word(2); });
    if (type.bits < 64) {
      const std::string wide = t.substr(0, 1) + std::to_string(2 * type.bits);
      check("mul.wide." + t, wide, {t, t},
            [](const Values& v) { return static_cast<std::uint64_t>(v.number(0) * v.number(1)); });
      check("mad.wide." + t, wide, {t, t, wide},
            [](const Values& v) { return static_cast<std::uint64_t>(v.number(0) * v.number(1)) + v.word(2); });
      two("mul.hi",
          [type](const Values& v) { return static_cast<std::uint64_t>(v.number(0) * v.number(1) >> type.bits); });
    } else {  // by halves
      two("mul.hi", [type](const Values& v) {
        const bool negative = (v.number(0) < 0) != (v.number(1) < 0);
        const auto size = [&](int n) {
          return static_cast<std::uint64_t>(v.number(n) < 0 ? -v.number(n) : v.number(n));
        };
        const std::uint64_t a = size(0), b = size(1), low = 0xffffffff;
        const std::uint64_t ll = (a & low) * (b & low), lh = (a & low) * (b >> 32), hl = (a >> 32) * (b & low);
        const std::uint64_t middle = (ll >> 32) + (lh & low) + (hl & low);
        std::uint64_t high = (a >> 32) * (b >> 32) + (lh >> 32) + (hl >> 32) + (middle >> 32);
        if (negative) high = ~high + (((middle << 32) | (ll & low)) == 0 ? 1 : 0);
        return high;
      });
    }
    // A division by 0 gives what the machine likes: it is left out.
    const auto divisor = [](const Values& v) { return v.number(1) == 0 ? Wide{1} : v.number(1); };
    const std::string quotient = "setp.eq." + t + " %p1, " + register_name(type, 1) + ", 0;\n  @%p1 mov.b" +
                                 std::to_string(type.bits) + " " + register_name(type, 1) + ", 1;\n  ";
    tested_forms().insert("div." + t);
    tested_forms().insert("rem." + t);
    check(quotient + "div." + t, t, {t, t},
          [=](const Values& v) { return static_cast<std::uint64_t>(v.number(0) / divisor(v)); });
    check(quotient + "rem." + t, t, {t, t},
          [=](const Values& v) { return static_cast<std::uint64_t>(v.number(0) % divisor(v)); });
    check("shr." + t, t, {t, "u32"}, [type](const Values& v) {
      const auto by = static_cast<int>(std::min<std::uint64_t>(v.word(1), 100));
      return static_cast<std::uint64_t>(v.number(0) >> by);
    });
    if (type.kind == 's') {
      check("neg." + t, t, {t}, [](const Values& v) { return 0 - v.word(0); });
      check("abs." + t, t, {t}, [](const Values& v) { return v.number(0) < 0 ? 0 - v.word(0) : v.word(0); });
    }
  }
}

TEST(ArithmeticForms, Bits) {
  for (const std::string& t : Names{"b16", "b32", "b64"}) {
    const int bits = type_of(t).bits;
    check("and." + t, t, {t, t}, [](const Values& v) { return v.word(0) & v.word(1); });
    check("or." + t, t, {t, t}, [](const Values& v) { return v.word(0) | v.word(1); });
    check("xor." + t, t, {t, t}, [](const Values& v) { return v.word(0) ^ v.word(1); });
    check("not." + t, t, {t}, [](const Values& v) { return ~v.word(0); });
    check("shl." + t, t, {t, "u32"},
          [bits](const Values& v) { return v.word(1) >= static_cast<unsigned>(bits) ? 0 : v.word(0) << v.word(1); });
    check("shr." + t, t, {t, "u32"},
          [bits](const Values& v) { return v.word(1) >= static_cast<unsigned>(bits) ? 0 : v.word(0) >> v.word(1); });
    if (bits == 16) continue;
    check("popc." + t, "u32", {t}, [](const Values& v) {
      std::uint64_t n = 0;
      for (int b = 0; b < 64; ++b) n += v.word(0) >> b & 1;
      return n;
    });
    check("clz." + t, "u32", {t}, [bits](const Values& v) {
      int n = 0;
      while (n < bits && (v.word(0) >> (bits - 1 - n) & 1) == 0) ++n;
      return static_cast<std::uint64_t>(n);
    });
    check("brev." + t, t, {t}, [bits](const Values& v) {
      std::uint64_t r = 0;
      for (int b = 0; b < bits; ++b) r |= (v.word(0) >> b & 1) << (bits - 1 - b);
      return r;
    });
    check("bfi." + t, t, {t, t, "u32", "u32"}, [bits](const Values& v) {
      const auto from = static_cast<unsigned>(v.word(2) & 0xff), count = static_cast<unsigned>(v.word(3) & 0xff);
      std::uint64_t r = 0;
      for (unsigned b = 0; b < static_cast<unsigned>(bits); ++b)
        r |= ((b >= from && b - from < count ? v.word(0) >> (b - from) : v.word(1) >> b) & 1) << b;
      return r;
    });
    for (const std::string sign : {"u", "s"}) {
      const std::string s = sign + std::to_string(bits);
      check("bfe." + s, s, {s, "u32", "u32"}, [bits, sign](const Values& v) {
        const auto from = static_cast<int>(v.word(1) & 0xff), count = static_cast<int>(v.word(2) & 0xff);
        if (count == 0) return std::uint64_t{0};
        const bool fill = sign == "s" && (v.word(0) >> std::min(from + count - 1, bits - 1) & 1) != 0;
        std::uint64_t r = 0;
        for (int b = 0; b < bits; ++b)
          r |= static_cast<std::uint64_t>(b < count && from + b < bits ? v.word(0) >> (from + b) & 1
                                          : fill                       ? 1
                                                                       : 0)
               << b;
        return r;
      });
    }
    const std::string u = "u" + std::to_string(bits);
    const auto highest = [bits](const Values& v) {
      int b = bits - 1;
      while (b >= 0 && (v.word(0) >> b & 1) == 0) --b;
      return b;
    };
    check("bfind." + u, "u32", {u}, [=](const Values& v) { return static_cast<std::uint64_t>(highest(v)); });
    check("bfind.shiftamt." + u, "u32", {u}, [=](const Values& v) {
      return highest(v) < 0 ? 0xffffffffu : static_cast<std::uint64_t>(bits - 1 - highest(v));
    });
  }
  const auto funnel = [](const Values& v, bool left, bool wrap) {
    const std::uint64_t n = wrap ? v.word(2) & 31 : std::min<std::uint64_t>(v.word(2), 32);
    const std::uint64_t both = v.word(1) << 32 | v.word(0);
    return left ? both >> (32 - n) : both >> n;
  };
  for (const bool left : {true, false}) {
    for (const bool wrap : {true, false}) {
      check(std::string("shf.") + (left ? "l" : "r") + (wrap ? ".wrap" : ".clamp") + ".b32", "b32",
            {"b32", "b32", "u32"}, [=](const Values& v) { return funnel(v, left, wrap); });
    }
  }
  check("prmt.b32", "b32", {"b32", "b32", "b32"}, [](const Values& v) {
    std::uint64_t r = 0;
    for (int n = 0; n < 4; ++n) {
      const std::uint64_t selector = v.word(2) >> (4 * n) & 15, source = selector & 7;
      const std::uint64_t byte = (source < 4 ? v.word(0) >> (8 * source) : v.word(1) >> (8 * (source - 4))) & 0xff;
      r |= ((selector & 8) != 0 ? (byte >= 128 ? 0xff : 0) : byte) << (8 * n);
    }
    return r;
  });
  for (const int table : {0x96, 0xe8, 0x40, 0xfe, 0x1b}) {
    check(
        "lop3.b32", "b32", {"b32", "b32", "b32"},
        [table](const Values& v) {
          std::uint64_t r = 0;
          for (int b = 0; b < 32; ++b) {
            const auto index = (v.word(0) >> b & 1) * 4 + (v.word(1) >> b & 1) * 2 + (v.word(2) >> b & 1);
            r |= static_cast<std::uint64_t>(table >> index & 1) << b;
          }
          return r;
        },
        ", " + std::to_string(table));
  }
  for (const std::string name : {"and", "or", "xor"}) {
    check(name + ".pred", "pred", {"pred", "pred"}, [=](const Values& v) {
      return name == "and" ? v.bits[0] & v.bits[1] : name == "or" ? v.bits[0] | v.bits[1] : v.bits[0] ^ v.bits[1];
    });
  }
  check("not.pred", "pred", {"pred"}, [](const Values& v) { return v.bits[0] ^ 1; });
  check("mov.pred", "pred", {"pred"}, [](const Values& v) { return v.bits[0]; });
}

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

TEST(ArithmeticForms, Floats) {
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
        return bits_of(is_denormal(v.real(0), 2.3e-308) || is_denormal(x, 2.3e-308)
                           ? 1 / std::copysign(is_denormal(x, 2.3e-308) ? INFINITY : 0.0, v.real(0))
                           : x);
      },
      "", 1e-5);
}

TEST(ArithmeticForms, Comparisons) {
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

TEST(ArithmeticForms, Conversions) {
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
