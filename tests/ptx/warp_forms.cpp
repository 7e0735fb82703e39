#include <bit>
#include <numeric>

#include "tests/ptx/fixture.hpp"

/// Memory, lanes together, barriers and tensor-core products: each form against its definition in the PTX ISA.
namespace ptx::test {
namespace {

__extension__ typedef unsigned __int128 UnsignedWide;

std::string text_of(std::uint64_t value) { return std::to_string(value); }

/// One u32 of each lane in, one out: `body` makes %r9 of %r8 in lane %r0.
std::vector<std::uint32_t> run_lanes(const std::string& form, const std::string& body,
                                     const std::vector<std::uint32_t>& in, unsigned threads = 32,
                                     std::size_t shared_bytes = 0) {
  tested_forms().insert(form);
  Memory from(4 * in.size()), to(4 * threads);
  std::copy(in.begin(), in.end(), from.as<std::uint32_t>());
  const std::string failure = run(kernel("  mul.wide.u32 %rd1, %r0, 4;\n  add.u64 %rd2, %in, %rd1;\n  add.u64 %rd3, "
                                         "%out, %rd1;\n  ld.global.u32 %r8, [%rd2];\n" +
                                         body + "\n  st.global.u32 [%rd3], %r9;\n"),
                                  from, to, {1, threads, shared_bytes});
  EXPECT_EQ(failure, "") << form;
  return {to.as<std::uint32_t>(), to.as<std::uint32_t>() + threads};
}
std::vector<std::uint32_t> some_words(std::size_t count = 32, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<std::uint32_t> words(count);
  for (auto& w : words) w = random();
  return words;
}

TEST(WarpForms, Shuffles) {
  const auto in = some_words();
  for (const std::string mode : {"up", "down", "bfly", "idx"}) {
    for (const int width : {32, 8}) {
      for (const int by : {0, 1, 3, 8, 17, 31}) {
        const int segment = 32 - width, clamp = mode == "up" ? 0 : 31;
        const auto got = run_lanes("shfl.sync." + mode + ".b32",
                                   "  shfl.sync." + mode + ".b32 %r10|%p1, %r8, " + text_of(by) + ", " +
                                       text_of(segment << 8 | clamp) +
                                       ", 0xffffffff;\n  selp.b32 %r11, 0, 1, %p1;\n  xor.b32 %r9, %r10, %r11;",
                                   in);
        for (int l = 0; l < 32; ++l) {
          const int first = l / width * width;
          int j = mode == "up" ? l - by : mode == "down" ? l + by : mode == "bfly" ? l ^ by : first + by % width;
          // The segment's lanes alone; butterfly may name one of an earlier segment (CUDA leaves such widths out).
          const bool inside = mode == "up" ? j >= first : j < first + width;
          if (!inside) j = l;
          EXPECT_EQ(got[static_cast<std::size_t>(l)], in[static_cast<std::size_t>(j)] ^ (inside ? 0u : 1u))
              << mode << " " << width << " " << by << " lane " << l;
        }
      }
    }
  }
}

TEST(WarpForms, Votes) {
  for (const std::uint32_t holding : {0u, 0xffffffffu, 0x00ff0010u}) {
    std::vector<std::uint32_t> in(32);
    for (int l = 0; l < 32; ++l) in[static_cast<std::size_t>(l)] = holding >> l & 1;
    const bool all = holding == ~0u, any = holding != 0;
    const std::string test = "  setp.ne.u32 %p1, %r8, 0;\n  ";
    const auto voted = [&](const std::string& mode) {
      return run_lanes("vote.sync." + mode + ".pred",
                       test + "vote.sync." + mode + ".pred %p2, %p1, 0xffffffff;\n  selp.b32 %r9, 1, 0, %p2;", in)[5];
    };
    EXPECT_EQ(voted("all"), all ? 1u : 0u);
    EXPECT_EQ(voted("any"), any ? 1u : 0u);
    EXPECT_EQ(voted("uni"), all || !any ? 1u : 0u);
    for (const std::string form : {"vote.sync.ballot.b32", "vote.ballot.sync.b32"})
      EXPECT_EQ(run_lanes(form, test + form + " %r9, %p1, 0xffffffff;", in)[9], holding);
    EXPECT_EQ(run_lanes("vote.sync.ballot.b32", test + "vote.sync.ballot.b32 %r9, !%p1, 0xffffffff;", in)[9], ~holding);
  }
  EXPECT_EQ(run_lanes("activemask.b32", "  mov.u32 %r9, 0;\n  setp.lt.u32 %p1, %r0, 5;\n  @%p1 activemask.b32 %r9;",
                      some_words())[3],
            31u);
}

TEST(WarpForms, MatchesAndReductions) {
  std::vector<std::uint32_t> in(32);
  for (std::size_t l = 0; l < 32; ++l) in[l] = static_cast<std::uint32_t>(l % 5 == 0 ? 7 : l % 3);
  for (const int bits : {32, 64}) {
    const std::string value = bits == 32 ? "%r8" : "%rd4", b = ".b" + text_of(bits);
    const auto got = run_lanes(
        "match.any.sync" + b,
        "  mul.wide.u32 %rd4, %r8, 0x40000001;\n  match.any.sync" + b + " %r9, " + value + ", 0xffffffff;", in);
    for (std::size_t l = 0; l < 32; ++l) {
      std::uint32_t same = 0;
      for (std::size_t m = 0; m < 32; ++m) same |= in[l] == in[m] ? 1u << m : 0;
      EXPECT_EQ(got[l], same) << l;
    }
    EXPECT_EQ(run_lanes("match.all.sync" + b,
                        "  mul.wide.u32 %rd4, %r8, 0x40000001;\n  match.all.sync" + b + " %r9|%p1, " + value +
                            ", 0xffffffff;",
                        in)[4],
              0u);
  }
  const auto words = some_words();
  const auto reduced = [&](const std::string& form, auto f) {
    std::uint32_t expected = words[0];
    for (std::size_t l = 1; l < 32; ++l) expected = f(expected, words[l]);
    EXPECT_EQ(run_lanes("redux.sync." + form, "  redux.sync." + form + " %r9, %r8, 0xffffffff;", words)[11], expected)
        << form;
  };
  reduced("add.u32", [](std::uint32_t a, std::uint32_t b) { return a + b; });
  reduced("min.u32", [](std::uint32_t a, std::uint32_t b) { return std::min(a, b); });
  reduced("max.s32", [](std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(a) > static_cast<std::int32_t>(b) ? a : b;
  });
  reduced("and.b32", [](std::uint32_t a, std::uint32_t b) { return a & b; });
  reduced("or.b32", [](std::uint32_t a, std::uint32_t b) { return a | b; });
  reduced("xor.b32", [](std::uint32_t a, std::uint32_t b) { return a ^ b; });
}

TEST(WarpForms, LoadsAndStores) {
  // Each type out of memory and back, by space and by number of elements: the bytes are the same, and loads extend.
  std::vector<unsigned char> bytes(32 * 32);
  std::mt19937 random(3);
  for (auto& b : bytes) b = static_cast<unsigned char>(random());
  for (const std::string space : {"global", "shared", "local", ""}) {
    for (const std::string type :
         {"u8", "s8", "b8", "u16", "s16", "b16", "u32", "s32", "b32", "f32", "u64", "s64", "b64", "f64"}) {
      const int size = std::stoi(type.substr(1)) / 8;
      for (const int count : {1, 2, 4}) {
        if (size * count > 16) continue;
        const std::string s =
            (space.empty() ? "" : "." + space) + (count > 1 ? ".v" + text_of(count) : "") + "." + type;
        const std::string each = size == 1 || size == 2 ? "%h" : size == 4 ? "%r1" : "%rd1";
        std::string list;
        for (int n = 0; n < count; ++n) list += (n > 0 ? ", " : "") + each + text_of(n + 1);
        if (count > 1) list = "{" + list + "}";
        const auto raw = [&](const std::string& what) {
          return what + ".global" + (count > 1 ? ".v" + text_of(count) : "") +
                 (size == 8   ? ".b64"
                  : size == 4 ? ".b32"
                  : size == 2 ? ".b16"
                              : ".b8");
        };
        // From `in` to the space and back to `out`: by raw accesses of the global side.
        std::string at = "%rd2", body =
                                     "  .local .align 16 .b8 depot[32];\n  mul.wide.u32 %rd1, %r0, 32;\n  add.u64 "
                                     "%rd2, %in, %rd1;\n  add.u64 %rd3, %out, %rd1;\n";
        if (space == "shared") body += "  mov.u64 %rd4, dynamic;\n  add.u64 %rd4, %rd4, %rd1;\n";
        if (space == "local") body += "  mov.u64 %rd4, depot;\n";
        if (space == "shared" || space == "local") {
          body += "  " + raw("ld") + " " + list + ", [%rd2+16];\n  st" + s + " [%rd4+16], " + list + ";\n";
          for (int n = 0; n < count; ++n)
            body += "  mov.b" + text_of(std::max(16, 8 * size)) + " " + each + text_of(n + 1) + ", 0;\n";
          at = "%rd4";
          tested_forms().insert("st" + s);
        }
        body += "  ld" + s + " " + list + ", [" + at + "+16];\n";
        tested_forms().insert("ld" + s);
        if (space == "" || space == "global") {
          body += "  st" + s + " [%rd3+16], " + list + ";\n";
          tested_forms().insert("st" + s);
        } else {
          body += "  " + raw("st") + " [%rd3+16], " + list + ";\n";
        }
        if (size < 4 && count == 1)
          body += "  cvt." + type.substr(0, 1) + "32." + type.substr(0, 1) +
                  "16 %r20, %h1;\n  st.global.u32 [%rd3], %r20;\n";
        if (type[0] == 'b' && size < 4 && count == 1) continue;
        Memory in(bytes.size()), out(bytes.size());
        std::memcpy(in.as<unsigned char>(), bytes.data(), bytes.size());
        ASSERT_EQ(run(kernel(body), in, out, {1, 32, 2048}), "") << s;
        for (int l = 0; l < 32; ++l) {
          const unsigned char* expected = &bytes[static_cast<std::size_t>(32 * l + 16)];
          EXPECT_EQ(
              std::memcmp(out.as<unsigned char>() + 32 * l + 16, expected, static_cast<std::size_t>(size * count)), 0)
              << s << " lane " << l;
          if (size >= 4 || count > 1) continue;
          const int value = size == 1 ? (type[0] == 's' ? static_cast<signed char>(expected[0]) : expected[0])
                                      : (type[0] == 's' ? static_cast<std::int16_t>(expected[0] | expected[1] << 8)
                                                        : expected[0] | expected[1] << 8);
          EXPECT_EQ(out.as<std::int32_t>()[8 * l], value) << s << " lane " << l;
        }
      }
    }
  }
}

TEST(WarpForms, ConstantsParametersAndVolatile) {
  const std::string head =
      ".version 8.0\n.target sm_80\n.address_size 64\n.const .align 4 .b32 table[3] = {5, 6, 7};\n.global .align 8 .b8 "
      "bytes[4] = {1, 2, 3, 255};\n";
  const std::string text =
      head +
      ".visible .entry test(.param .u64 p_in, .param .align 8 .b8 p_struct[8])\n{ .reg .b32 %r<9>; .reg .b64 %rd<9>; "
      ".reg .b16 %h<9>; .reg .pred %p;\n"
      "ld.param.u64 %rd1, [p_in]; ld.const.u32 %r1, [table+8]; ld.global.u8 %h1, [bytes+3]; cvt.u32.u16 %r2, %h1;\n"
      "ld.param.v2.u32 {%r3, %r4}, [p_struct]; mov.b64 %rd2, p_struct; cvta.param.u64 %rd3, %rd2; ld.u32 %r5, "
      "[%rd3+4];\n"
      "cvta.to.global.u64 %rd4, %rd1; st.volatile.global.u32 [%rd4], %r1; ld.volatile.global.u32 %r6, [%rd4]; "
      "st.global.v4.u32 [%rd4], {%r6, %r2, %r3, %r5}; ret; }\n";
  for (const char* form : {"ld.const.u32", "ld.param.u64", "ld.param.v2.u32", "cvta.param.u64", "cvta.to.global.u64",
                           "st.volatile.global.u32", "ld.volatile.global.u32"})
    tested_forms().insert(form);
  Memory in(16), out(8);
  // The second parameter is taken for a structure: here the address of `out`.
  ASSERT_EQ(run(text, in, out), "");
  EXPECT_EQ(in.as<std::uint32_t>()[0], 7u);
  EXPECT_EQ(in.as<std::uint32_t>()[1], 255u);
  EXPECT_EQ(in.as<std::uint32_t>()[2], static_cast<std::uint32_t>(out.address()));
  EXPECT_EQ(in.as<std::uint32_t>()[3], static_cast<std::uint32_t>(out.address() >> 32));
}

TEST(WarpForms, ParametersOfEveryType) {
  // A structure of 48 bytes, read by type and stored as raw bytes.
  for (const std::string type :
       {"b8", "u8", "s8", "b16", "u16", "s16", "b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64"}) {
    const int size = std::stoi(type.substr(1)) / 8;
    for (const int count : {1, 2, 4}) {
      if (size * count > 16) continue;
      const std::string vector = count > 1 ? ".v" + text_of(count) : "", each = size <= 2   ? "%h"
                                                                                : size == 4 ? "%r"
                                                                                            : "%d";
      std::string list = each + "1";
      for (int n = 2; n <= count; ++n) list += ", " + each + text_of(n);
      if (count > 1) list = "{" + list + "}";
      const std::string text =
          ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry test(.param .u64 p_out, .param .align 16 .b8 "
          "p_struct[16])\n{ .reg .b16 %h<5>; .reg .b32 %r<5>; .reg .b64 %d<5>; .reg .b64 %out;\n ld.param.u64 %out, "
          "[p_out]; ld.param" +
          vector + "." + type + " " + list + ", [p_struct]; st.global" + vector + ".b" + text_of(8 * size) +
          " [%out], " + list + "; ret; }\n";
      tested_forms().insert("ld.param" + vector + "." + type);
      alignas(16) std::uint64_t parameters[4] = {0, 0, 0x8899aabbccddeeff, 0x0123456789abcdef};
      Memory out(16);
      parameters[0] = out.address();
      const Module module(text);
      Launch launch;
      launch.module = &module;
      launch.function = module.find("test");
      launch.find_allocation = &find_memory;
      launch.parameters = reinterpret_cast<const unsigned char*>(parameters);
      EXPECT_NO_THROW(execute(launch));
      EXPECT_EQ(std::memcmp(out.as<unsigned char>(), parameters + 2, static_cast<std::size_t>(size * count)), 0)
          << type;
    }
  }
}

TEST(WarpForms, Calls) {
  // A function that is called under a guard, with parameters and a result of each width.
  for (const std::string type : {"b32", "b64", "f64", "f32", "u32", "u64"}) {
    for (const char* access : {"st.param.", "ld.param."}) tested_forms().insert(access + type);
    const std::string bits = ".b" + type.substr(1), r = type.ends_with("32") ? "%a" : "%b";
    const std::string text =
        ".version 8.0\n.target sm_80\n.address_size 64\n.func (.param " + bits + " result) twice(.param " + bits +
        " x)\n{ .reg .b32 %a<3>; .reg .b64 %b<3>; .reg .pred %p; ld.param." + type + " " + r + "1, [x]; setp.ne" +
        bits + " %p, " + r + "1, 5; @%p bra END; mov" + bits + " " + r + "1, 50; END: add.u" + type.substr(1) + " " +
        r + "2, " + r + "1, " + r + "1; st.param." + type + " [result], " + r +
        "2; ret; }\n.visible .entry test(.param .u64 p_in, .param .u64 p_out)\n{ .reg .b32 %a<9>; .reg .b64 %b<9>, "
        "%out, %offset; .reg .pred %p; ld.param.u64 %out, [p_out]; mov.u32 %a3, %tid.x; mul.wide.u32 %offset, %a3, 8; "
        "add.u64 %out, %out, %offset; cvt.u64.u32 %b3, %a3; "
        "mov.u32 %a4, 1; mov.u64 %b4, 1; setp.lt.u32 %p, %a3, 8; { .param " +
        bits + " p0; .param " + bits + " r0; st.param." + type + " [p0], " + r +
        "3; @%p call (r0), twice, (p0); @%p ld.param." + type + " " + r + "4, [r0]; } st.global" + bits + " [%out], " +
        r + "4; ret; }\n";
    Memory in(8), out(256);
    ASSERT_EQ(run(text, in, out), "") << type;
    for (std::uint32_t l = 0; l < 32; ++l)
      EXPECT_EQ(out.as<std::uint32_t>()[2 * l], l >= 8 ? 1 : l == 5 ? 100 : 2 * l) << type;
  }
}

TEST(WarpForms, GenericAddresses) {
  const auto in = some_words();
  for (const char* form : {"cvta.shared.u64", "cvta.to.shared.u64", "st.u32", "ld.u32"}) tested_forms().insert(form);
  const auto got = run_lanes(
      "cvta.shared.u64",
      "  mov.u64 %rd4, dynamic;\n  cvta.shared.u64 %rd5, %rd4;\n  add.u64 %rd5, %rd5, %rd1;\n  st.u32 [%rd5], %r8;\n  "
      "cvta.to.shared.u64 %rd6, %rd5;\n  cvt.u32.u64 %r10, %rd6;\n  ld.shared.u32 %r9, [%r10];",
      in, 32, 128);
  EXPECT_EQ(got, in);
}

TEST(WarpForms, PacksAndUnpacks) {
  const auto in = some_words();
  tested_forms().insert("mov.b64");
  EXPECT_EQ(run_lanes("mov.b32", "  mov.b32 {%h1, %h2}, %r8;\n  mov.b32 %r9, {%h2, %h1};", in)[2],
            in[2] >> 16 | in[2] << 16);
  EXPECT_EQ(
      run_lanes("mov.b64",
                "  mov.b64 %rd4, {%r0, %r8};\n  mov.b64 {%h1, _, %h2, %h3}, %rd4;\n  mov.b32 %r9, {%h2, %h3};", in)[7],
      in[7]);
  EXPECT_EQ(
      run_lanes("mov.b64",
                "  mov.b64 %rd4, {%h1, %h1, %h1, %h1};\n  mov.b64 %rd4, {%r0, %r8};\n  mov.b64 {_, %r9}, %rd4;", in)[7],
      in[7]);
}

/// Numbers of 96 bits in three registers each: the carry runs through the middle one.
TEST(WarpForms, Carries) {
  const auto in = some_words(64, 7);
  const std::string parts = "  ld.global.u32 %r10, [%rd2+128];\n  mul.lo.u32 %r11, %r8, %r10;\n";
  UnsignedWide a = 0, b = 0;
  for (const auto& [first, last, f] : std::vector<std::tuple<std::string, std::string, std::function<UnsignedWide()>>>{
           {"add.cc", "addc", [&] { return a + b; }}, {"sub.cc", "subc", [&] { return a - b; }}}) {
    for (const std::string type : {".u32", ".s32"}) {
      for (const std::string& form : {first + type, last + ".cc" + type, last + type}) tested_forms().insert(form);
      // a = (r8, r10, r11), b = (r11, r8, r10), from the lowest word on.
      const auto got =
          run_lanes(last + type,
                    parts + "  " + first + type + " %r12, %r8, %r11;\n  " + last + ".cc" + type +
                        " %r13, %r10, %r8;\n  " + last + type + " %r9, %r11, %r10;\n  xor.b32 %r9, %r9, %r13;",
                    in);
      for (std::size_t l = 0; l < 32; ++l) {
        const std::uint32_t r8 = in[l], r10 = in[l + 32], r11 = r8 * r10;
        a = static_cast<UnsignedWide>(r11) << 64 | static_cast<UnsignedWide>(r10) << 32 | r8;
        b = static_cast<UnsignedWide>(r10) << 64 | static_cast<UnsignedWide>(r8) << 32 | r11;
        EXPECT_EQ(got[l], static_cast<std::uint32_t>(f() >> 64) ^ static_cast<std::uint32_t>(f() >> 32)) << first;
      }
    }
  }
  // A product of 64 by 32 bits, and a sum: (r10, r8) r11 + (r8, r10, r11).
  for (const std::string type : {".u32"}) {
    for (const char* form : {"mad.lo.cc", "madc.lo.cc", "madc.hi.cc", "madc.hi"}) tested_forms().insert(form + type);
    const auto got = run_lanes("madc.hi.u32",
                               parts +
                                   "  mad.lo.cc.u32 %r12, %r8, %r11, %r8;\n  madc.lo.cc.u32 %r13, %r10, %r11, %r10;\n"
                                   "  madc.hi.u32 %r14, %r10, %r11, %r11;\n  mad.hi.cc.u32 %r13, %r8, %r11, %r13;\n"
                                   "  addc.u32 %r9, %r14, 0;\n  xor.b32 %r9, %r9, %r13;",
                               in);
    for (std::size_t l = 0; l < 32; ++l) {
      const std::uint32_t r8 = in[l], r10 = in[l + 32], r11 = r8 * r10;
      const auto product = static_cast<UnsignedWide>(static_cast<std::uint64_t>(r10) << 32 | r8) * r11;
      const auto sum = product + (static_cast<UnsignedWide>(r11) << 64 | static_cast<UnsignedWide>(r10) << 32 | r8);
      EXPECT_EQ(got[l], static_cast<std::uint32_t>(sum >> 64) ^ static_cast<std::uint32_t>(sum >> 32));
    }
    const auto chained =
        run_lanes("madc.hi.cc.u32",
                  parts +
                      "  mad.lo.cc.u32 %r12, %r8, %r11, %r10;\n  madc.hi.cc.u32 %r13, %r8, %r11, 4294967295;\n"
                      "  addc.u32 %r9, %r13, 0;",
                  in);
    for (std::size_t l = 0; l < 32; ++l) {
      const std::uint32_t r8 = in[l], r10 = in[l + 32], r11 = r8 * r10;
      const auto sum =
          static_cast<UnsignedWide>(static_cast<std::uint64_t>(r8) * r11) + (std::uint64_t{0xffffffff} << 32 | r10);
      EXPECT_EQ(chained[l], static_cast<std::uint32_t>(sum >> 32) + static_cast<std::uint32_t>(sum >> 64));
    }
  }
}

TEST(WarpForms, Atomics) {
  // All lanes on one word: old values are those of some order, here the lanes'.
  const auto in = some_words();
  for (const std::string space : {"global", "shared"}) {
    const std::string prepare =
        space == "global" ? "  mov.u64 %rd4, %out;\n" : "  mov.u64 %rd4, dynamic;\n  st.shared.u64 [%rd4], 0;\n";
    for (const auto& [operation, f] :
         std::vector<std::pair<std::string, std::function<std::uint64_t(std::uint64_t, std::uint64_t)>>>{
             {"add.u32", [](auto a, auto b) { return a + b; }},
             {"min.u32", [](auto a, auto b) { return std::min(a, b); }},
             {"max.u32", [](auto a, auto b) { return std::max(a, b); }},
             {"or.b32", [](auto a, auto b) { return a | b; }},
             {"and.b32", [](auto a, auto b) { return a & b; }},
             {"xor.b32", [](auto a, auto b) { return a ^ b; }},
             {"exch.b32", [](auto, auto b) { return b; }},
             {"add.u64", [](auto a, auto b) { return a + b; }},
             {"inc.u32", [](auto a, auto b) { return a >= b ? 0 : a + 1; }}}) {
      const bool is_wide = operation.ends_with("64");
      const std::string form = "atom." + space + "." + operation;
      tested_forms().insert(form);
      Memory from(4 * 32), to(8 * 33);
      std::copy(in.begin(), in.end(), from.as<std::uint32_t>());
      const std::string value = is_wide ? "%rd7" : "%r8", old = is_wide ? "%rd8" : "%r10";
      const std::string failure =
          run(kernel(prepare +
                     "  mul.wide.u32 %rd1, %r0, 4;\n  add.u64 %rd2, %in, %rd1;\n  add.u64 %rd3, %out, %offset;\n  "
                     "ld.global.u32 %r8, [%rd2];\n  cvt.u64.u32 %rd7, %r8;\n  " +
                     form + " " + old + ", [%rd4], " + value + ";\n  st.global.u" + (is_wide ? "64" : "32") +
                     " [%rd3+8], " + old + ";\n"),
              from, to, {1, 32, 64});
      ASSERT_EQ(failure, "");
      std::uint64_t expected = 0;
      for (std::size_t l = 0; l < 32; ++l) {
        const std::uint64_t got = is_wide ? to.as<std::uint64_t>()[l + 1] : to.as<std::uint32_t>()[2 * l + 2];
        EXPECT_EQ(got, is_wide ? expected : expected & 0xffffffffu) << form;
        expected = f(is_wide ? expected : expected & 0xffffffffu, in[l]);
      }
    }
  }
  Memory from(8), to(8);
  tested_forms().insert("atom.global.cas.b32");
  tested_forms().insert("red.global.add.f32");
  ASSERT_EQ(run(kernel("  atom.global.cas.b32 %r1, [%out], %r0, 9;\n  mov.b32 %r2, 0f3f000000;\n  red.global.add.f32 "
                       "[%out+4], %r2;\n"),
                from, to),
            "");
  EXPECT_EQ(to.as<std::uint32_t>()[0], 9u);
  EXPECT_EQ(to.as<float>()[1], 16.0f);
}

/// A kernel launched early does its work behind the wait (its faults: Faults.AreReported).
TEST(WarpForms, WaitsForEarlierKernels) {
  for (const char* form : {"griddepcontrol.launch_dependents", "griddepcontrol.wait"}) tested_forms().insert(form);
  for (const bool early : {false, true}) {
    Memory in(8), out(8);
    in.as<std::uint32_t>()[0] = 41;
    EXPECT_EQ(run(kernel("  griddepcontrol.launch_dependents;\n  griddepcontrol.wait;\n  ld.global.u32 %r1, [%in];\n"
                         "  add.u32 %r1, %r1, 1;\n  st.global.u32 [%out], %r1;\n"),
                  in, out, {1, 32, 0, false, 1, early}),
              "");
    EXPECT_EQ(out.as<std::uint32_t>()[0], 42u);
  }
}

TEST(WarpForms, Branches) {
  // Lanes part, loop for different counts, and meet again.
  for (const char* form : {"bra", "bra.uni", "ret", "exit", "bar.warp.sync", "membar.cta", "membar.gl", "fence.sc.gpu",
                           "nanosleep.u32", "call", "call.uni"})
    tested_forms().insert(form);
  std::vector<std::uint32_t> in(32);
  std::iota(in.begin(), in.end(), 0u);
  const auto got = run_lanes(
      "bra",
      "  mov.u32 %r9, 0;\n  mov.u32 %r10, 0;\nLOOP:\n  setp.ge.u32 %p1, %r10, %r8;\n  @%p1 bra DONE;\n  add.u32 %r9, "
      "%r9, %r10;\n  add.u32 %r10, %r10, 1;\n  bra.uni LOOP;\nDONE:\n  membar.cta;\n  bar.warp.sync 0xffffffff;\n  "
      "activemask.b32 %r11;\n  setp.ne.u32 %p1, %r11, 0xffffffff;\n  @%p1 mov.u32 %r9, 77;",
      in);
  for (std::uint32_t l = 1; l < 32; ++l) EXPECT_EQ(got[l], l * (l - 1) / 2);
}

TEST(WarpForms, Barriers) {
  // Warp w writes, the next one reads after the barrier.
  const auto in = some_words(128);
  for (const std::string barrier : {"bar.sync 0", "barrier.sync 0", "bar.sync 3, 128", "barrier.sync.aligned 0"}) {
    const auto got =
        run_lanes(barrier.substr(0, barrier.find(' ')),
                  "  mov.u64 %rd4, dynamic;\n  add.u64 %rd5, %rd4, %rd1;\n  st.shared.u32 [%rd5], %r8;\n  " + barrier +
                      ";\n  add.u32 %r10, %r0, 32;\n  and.b32 %r10, %r10, 127;\n  mul.wide.u32 %rd6, %r10, 4;\n  "
                      "add.u64 %rd6, %rd4, %rd6;\n  ld.shared.u32 %r9, [%rd6];",
                  in, 128, 512);
    for (std::size_t l = 0; l < 128; ++l) EXPECT_EQ(got[l], in[(l + 32) % 128]) << barrier;
  }
  // Producers arrive, consumers wait: warps 0 and 1 of one barrier.
  tested_forms().insert("bar.arrive");
  const auto handed = run_lanes(
      "bar.arrive",
      "  mov.u64 %rd4, dynamic;\n  and.b32 %r10, %r0, 31;\n  mul.wide.u32 %rd5, %r10, 4;\n  add.u64 %rd5, %rd4, "
      "%rd5;\n  mov.u32 %r9, 0;\n  setp.lt.u32 %p1, %r0, 32;\n  @%p1 bra PRODUCE;\n  bar.sync 1, 64;\n  ld.shared.u32 "
      "%r9, [%rd5];\n  bra DONE;\nPRODUCE:\n  st.shared.u32 [%rd5], %r8;\n  bar.arrive 1, 64;\nDONE:",
      in, 64, 128);
  for (std::size_t l = 0; l < 32; ++l) EXPECT_EQ(handed[32 + l], in[l]);
  for (const std::string how : {"and", "or", "popc"}) {
    const std::string form = "bar.red." + how + (how == "popc" ? ".u32" : ".pred");
    const auto got =
        run_lanes(form,
                  "  setp.lt.u32 %p1, %r0, 70;\n  " +
                      (how == "popc" ? form + " %r9, 0, %p1;" : form + " %p2, 0, %p1;\n  selp.b32 %r9, 1, 0, %p2;"),
                  in, 128);
    EXPECT_EQ(got[99], how == "and" ? 0u : how == "or" ? 1u : 70u);
  }
}

TEST(WarpForms, AsynchronousCopies) {
  const auto in = some_words(128);
  for (const char* form : {"cp.async.commit_group", "cp.async.wait_group", "cp.async.wait_all"})
    tested_forms().insert(form);
  for (const auto& [form, width] : {std::pair{"cp.async.ca.shared.global", 4},
                                    {"cp.async.ca.shared.global", 8},
                                    {"cp.async.ca.shared.global", 16},
                                    {"cp.async.cg.shared.global", 16}}) {
    for (const int valid : {0, width / 2, width}) {
      tested_forms().insert(form);
      Memory from(512), to(32 * 16);
      std::copy(in.begin(), in.end(), from.as<std::uint32_t>());
      std::string body =
          "  mul.wide.u32 %rd1, %r0, 16;\n  add.u64 %rd2, %in, %rd1;\n  add.u64 %rd3, %out, %rd1;\n  mov.u64 %rd4, "
          "dynamic;\n  add.u64 %rd4, %rd4, %rd1;\n  cvt.u32.u64 %r1, %rd4;\n  mov.u32 %r2, " +
          text_of(valid) + ";\n  " + form + " [%r1], [%rd2], " + text_of(width) + ", %r2;\n  cp.async.commit_group;\n";
      body += width == 4 ? "  cp.async.wait_all;\n" : "  cp.async.wait_group 0;\n";
      for (int n = 0; n < width; n += 4)
        body += "  ld.shared.u32 %r3, [%r1+" + text_of(n) + "];\n  st.global.u32 [%rd3+" + text_of(n) + "], %r3;\n";
      ASSERT_EQ(run(kernel(body), from, to, {1, 32, 512}), "");
      for (int n = 0; n < 32 * 16; ++n) {
        if (n % 16 >= width) continue;
        const auto* bytes = reinterpret_cast<const unsigned char*>(in.data());
        EXPECT_EQ(to.as<unsigned char>()[n], n % 16 < valid ? bytes[n] : 0) << form << " " << width << " " << valid;
      }
    }
  }
  // The older of two groups has landed when one may be under way; the younger has not.
  Memory from(256), to(8);
  const std::string two =
      "  mov.u64 %rd4, dynamic;\n  cvt.u32.u64 %r1, %rd4;\n  cp.async.ca.shared.global [%r1], [%in], 4;\n  "
      "cp.async.commit_group;\n  cp.async.ca.shared.global [%r1+4], [%in+4], 4;\n  cp.async.commit_group;\n  "
      "cp.async.wait_group 1;\n";
  EXPECT_EQ(run(kernel(two + "  ld.shared.u32 %r2, [%r1];\n  cp.async.wait_all;\n"), from, to, {1, 1, 64}), "");
  EXPECT_NE(run(kernel(two + "  ld.shared.u32 %r2, [%r1+4];\n  cp.async.wait_all;\n"), from, to, {1, 1, 64}), "");
}

}  // namespace
}  // namespace ptx::test
