#include "tests/ptx/lanes.hpp"

/// Loads, stores, parameters, atomic operations and asynchronous copies: each form against its definition in the PTX
/// ISA.
namespace ptx::test {
namespace {

TEST(MemoryForms, LoadsAndStores) {
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

TEST(MemoryForms, ConstantsParametersAndVolatile) {
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

TEST(MemoryForms, ParametersOfEveryType) {
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

TEST(MemoryForms, GenericAddresses) {
  const auto in = some_words();
  for (const char* form : {"cvta.shared.u64", "cvta.to.shared.u64", "st.u32", "ld.u32"}) tested_forms().insert(form);
  const auto got = run_lanes(
      "cvta.shared.u64",
      "  mov.u64 %rd4, dynamic;\n  cvta.shared.u64 %rd5, %rd4;\n  add.u64 %rd5, %rd5, %rd1;\n  st.u32 [%rd5], %r8;\n  "
      "cvta.to.shared.u64 %rd6, %rd5;\n  cvt.u32.u64 %r10, %rd6;\n  ld.shared.u32 %r9, [%r10];",
      in, 32, 128);
  EXPECT_EQ(got, in);
}

TEST(MemoryForms, Atomics) {
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

TEST(MemoryForms, AsynchronousCopies) {
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
