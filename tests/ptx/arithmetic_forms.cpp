#include "tests/ptx/form_check.hpp"

/// Integers and bits: each form against its definition in the PTX ISA.
namespace ptx::test {
namespace {

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
    // A division by 0 is unspecified, and left out.
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

}  // namespace
}  // namespace ptx::test
