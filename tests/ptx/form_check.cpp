#include "tests/ptx/form_check.hpp"

namespace ptx::test {
namespace {

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
std::string access_type(const Type& t) { return t.kind == 'p' || t.bits <= 16 ? "u16" : t.bits == 32 ? "u32" : "u64"; }
bool same(const Type& t, std::uint64_t got, std::uint64_t expected) {
  if (t.kind == 'p') return (got != 0) == (expected != 0);
  const std::uint64_t mask = t.bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << t.bits) - 1;
  if (t.kind == 'f' && t.bits == 64 && std::bit_cast<double>(expected) != std::bit_cast<double>(expected))
    return std::bit_cast<double>(got) != std::bit_cast<double>(got);
  return ((got ^ expected) & mask) == 0;
}

}  // namespace

Type type_of(const std::string& name) {
  Type type;
  EXPECT_TRUE(parse_type(name, type)) << name;
  return type;
}
std::string register_name(const Type& t, int n) {
  return (t.kind == 'p' ? "%p" : t.bits <= 16 ? "%h" : t.bits == 32 ? "%r" : "%rd") + std::to_string(n + 1);
}

void check(const std::string& form, const std::string& out_name, const std::vector<std::string>& in_names,
           const Reference& reference, const std::string& suffix, double allowed) {
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

}  // namespace ptx::test
