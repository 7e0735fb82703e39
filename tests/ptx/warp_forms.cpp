#include <numeric>

#include "tests/ptx/lanes.hpp"

/// Operations of a warp, carries, calls, branches and barriers: each form against its definition in the PTX ISA.
namespace ptx::test {
namespace {

__extension__ typedef unsigned __int128 UnsignedWide;

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

/// A kernel launched early works after the wait (its faults: Faults.AreReported).
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

}  // namespace
}  // namespace ptx::test
