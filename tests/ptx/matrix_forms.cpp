#include <bit>

#include "tests/ptx/fixture.hpp"

/// Matrices: small whole numbers, so that every product and sum is exact. The positions of elements follow the PTX ISA:
/// the fragments of mma, the canonical layouts of wgmma.
namespace ptx::test {
namespace {

struct Matrix {
  int rows, columns;
  std::vector<float> values;
  Matrix(int r, int c, unsigned seed) : rows(r), columns(c), values(static_cast<std::size_t>(r * c)) {
    std::mt19937 random(seed);
    for (float& x : values) x = static_cast<float>(static_cast<int>(random() % 17) - 8);
  }
  float& at(int row, int column) { return values[static_cast<std::size_t>(row * columns + column)]; }
};
std::uint32_t bf16(float x) { return std::bit_cast<std::uint32_t>(x) >> 16; }
std::uint32_t word(float x) { return std::bit_cast<std::uint32_t>(x); }
float product(Matrix& a, Matrix& b, int row, int column, float sum) {
  for (int k = 0; k < a.columns; ++k) sum += a.at(row, k) * b.at(k, column);
  return sum;
}

std::string registers(const std::string& prefix, int first, int count) {
  std::string list;
  for (int n = 0; n < count; ++n) list += (n > 0 ? ", " : "") + prefix + std::to_string(first + n);
  return "{" + list + "}";
}
/// Loads of `count` words of each thread from `in`, which holds `stride` for each, into %r`first`...
std::string load_words(int first, int count, int stride, int from = 0) {
  std::string body = "  mul.wide.u32 %rd1, %r0, " + std::to_string(4 * stride) + ";\n  add.u64 %rd2, %in, %rd1;\n";
  for (int n = 0; n < count; ++n)
    body += "  ld.global.u32 %r" + std::to_string(first + n) + ", [%rd2+" + std::to_string(4 * (from + n)) + "];\n";
  return body;
}
std::string store_words(int first, int count) {
  std::string body = "  mul.wide.u32 %rd1, %r0, " + std::to_string(4 * count) + ";\n  add.u64 %rd3, %out, %rd1;\n";
  for (int n = 0; n < count; ++n)
    body += "  st.global.u32 [%rd3+" + std::to_string(4 * n) + "], %r" + std::to_string(first + n) + ";\n";
  return body;
}

TEST(MatrixForms, MultiplyBf16) {  // "Matrix fragments for mma.m16n8k16", .bf16
  const std::string form = "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32";
  tested_forms().insert(form);
  Matrix a(16, 16, 1), b(16, 8, 2), c(16, 8, 3);
  Memory in(4 * 32 * 10), out(4 * 32 * 4);
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane >> 2, thread = lane % 4;
    std::uint32_t* words = in.as<std::uint32_t>() + 10 * lane;
    for (int i = 0; i < 8; ++i) {
      const int row = (0 <= i && i < 2) || (4 <= i && i < 6) ? group : group + 8;
      const int column = i < 4 ? thread * 2 + (i & 1) : thread * 2 + (i & 1) + 8;
      words[i / 2] |= bf16(a.at(row, column)) << (16 * (i & 1));
    }
    for (int i = 0; i < 4; ++i) {
      const int row = i < 2 ? thread * 2 + (i & 1) : thread * 2 + (i & 1) + 8;
      words[4 + i / 2] |= bf16(b.at(row, group)) << (16 * (i & 1));
      words[6 + i] = word(c.at(i < 2 ? group : group + 8, thread * 2 + (i & 1)));
    }
  }
  ASSERT_EQ(
      run(kernel(load_words(10, 10, 10) + "  " + form + " " + registers("%r", 16, 4) + ", " + registers("%r", 10, 4) +
                 ", " + registers("%r", 14, 2) + ", " + registers("%r", 16, 4) + ";\n" + store_words(16, 4)),
          in, out),
      "");
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const int row = i < 2 ? lane / 4 : lane / 4 + 8, column = lane % 4 * 2 + (i & 1);
      EXPECT_EQ(out.as<float>()[4 * lane + i], product(a, b, row, column, c.at(row, column))) << lane << " " << i;
    }
  }
}

TEST(MatrixForms, MultiplyTf32) {  // "Matrix fragments for mma.m16n8k8", .tf32
  const std::string form = "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32";
  tested_forms().insert(form);
  Matrix a(16, 8, 1), b(8, 8, 2), c(16, 8, 3);
  Memory in(4 * 32 * 10), out(4 * 32 * 4);
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane >> 2, thread = lane % 4;
    std::uint32_t* words = in.as<std::uint32_t>() + 10 * lane;
    for (int i = 0; i < 4; ++i) {
      const int row = i == 0 || i == 2 ? group : group + 8, column = i < 2 ? thread : thread + 4;
      words[i] = word(a.at(row, column)) | 0x1abc;  // bits that tf32 has not
      words[6 + i] = word(c.at(i < 2 ? group : group + 8, thread * 2 + (i & 1)));
    }
    for (int i = 0; i < 2; ++i) words[4 + i] = word(b.at(i == 0 ? thread : thread + 4, group)) | 0x1fff;
  }
  ASSERT_EQ(
      run(kernel(load_words(10, 10, 10) + "  " + form + " " + registers("%r", 20, 4) + ", " + registers("%r", 10, 4) +
                 ", " + registers("%r", 14, 2) + ", " + registers("%r", 16, 4) + ";\n" + store_words(20, 4)),
          in, out),
      "");
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const int row = i < 2 ? lane / 4 : lane / 4 + 8, column = lane % 4 * 2 + (i & 1);
      EXPECT_EQ(out.as<float>()[4 * lane + i], product(a, b, row, column, c.at(row, column))) << lane << " " << i;
    }
  }
}

TEST(MatrixForms, LoadMatrix) {  // threads 8 i to 8 i + 7 give the rows of matrix i
  for (const int count : {1, 2, 4}) {
    for (const std::string trans : {"", ".trans"}) {
      const std::string form = "ldmatrix.sync.aligned.m8n8.x" + std::to_string(count) + trans + ".shared.b16";
      tested_forms().insert(form);
      Memory in(16 * 32), out(4 * 32 * 4);
      for (int n = 0; n < 256; ++n) in.as<std::uint16_t>()[n] = static_cast<std::uint16_t>(n * 257);
      // Row r is in shared memory at the bit-reversed position of r: any order of rows will do.
      const std::string body =
          "  mul.wide.u32 %rd1, %r0, 16;\n  add.u64 %rd2, %in, %rd1;\n  ld.global.v2.u64 {%rd5, %rd6}, [%rd2];\n  "
          "xor.b32 %r1, %r0, 21;\n  mul.wide.u32 %rd3, %r1, 16;\n  mov.u64 %rd4, dynamic;\n  add.u64 %rd4, %rd4, "
          "%rd3;\n  st.shared.v2.u64 [%rd4], {%rd5, %rd6};\n  bar.sync 0;\n  cvt.u32.u64 %r2, %rd4;\n  " +
          form + " " + registers("%r", 10, count) + ", [%r2];\n" + store_words(10, count);
      ASSERT_EQ(run(kernel(body), in, out, {1, 32, 512}), "");
      for (int lane = 0; lane < 32; ++lane) {
        for (int n = 0; n < count; ++n) {
          const auto element = [&](int row, int column) {
            return std::uint32_t{in.as<std::uint16_t>()[8 * (8 * n + row) + column]};
          };
          const int row = lane / 4, column = lane % 4 * 2;
          const std::uint32_t expected = trans.empty() ? element(row, column) | element(row, column + 1) << 16
                                                       : element(column, row) | element(column + 1, row) << 16;
          EXPECT_EQ(out.as<std::uint32_t>()[count * lane + n], expected)
              << form << " lane " << lane << " register " << n;
        }
      }
    }
  }
}

/// A canonical layout of wgmma's shared-memory operands, "Strides": the shapes and strides of ((mn), (k)), in elements;
/// T elements are 16 bytes.
struct Layout {
  int swizzle;  ///< bytes
  bool mn_major;
  int leading, stride;  ///< bytes: LBO, SBO
  /// In bytes, before the swizzle.
  int offset(int mn, int k, int bytes) const {
    const int t = 16 / bytes, lbo = leading / bytes, sbo = stride / bytes, w = swizzle / 16;
    // Coordinates run through a shape from its first mode on.
    const auto walk = [](int at, std::initializer_list<std::pair<int, int>> modes) {
      int offset = 0;
      for (const auto& [shape, step] : modes) {
        offset += at % shape * step;
        at /= shape;
      }
      return offset;
    };
    constexpr int rest = 1 << 20;
    int elements = 0;
    if (!mn_major && swizzle == 0) elements = walk(mn, {{8, t}, {rest, sbo}}) + walk(k, {{t, 1}, {rest, lbo}});
    if (!mn_major && swizzle != 0) elements = walk(mn, {{8, w * t}, {rest, sbo}}) + walk(k, {{t, 1}, {rest, t}});
    if (mn_major && swizzle == 0) elements = walk(mn, {{t, 1}, {1, t}, {rest, sbo}}) + walk(k, {{8, t}, {rest, lbo}});
    if (mn_major && swizzle != 0)
      elements = walk(mn, {{t, 1}, {w, t}, {rest, lbo}}) + walk(k, {{8, w * t}, {rest, sbo}});
    return elements * bytes;
  }
  /// Chunks of 16 bytes are exchanged within 8 (4, 2) of them by the number of the 128-byte line.
  int address(int mn, int k, int bytes) const {
    const int at = offset(mn, k, bytes), chunks = swizzle == 0 ? 1 : swizzle / 16;
    return at / 16 / chunks * chunks * 16 + (at / 16 % chunks ^ at / 128 % chunks) * 16 + at % 16;
  }
  std::uint64_t descriptor(int start) const {
    const auto field = [](int value) { return static_cast<std::uint64_t>(value / 16); };
    const std::uint64_t mode = swizzle == 128 ? 1 : swizzle == 64 ? 2 : swizzle == 32 ? 3 : 0;
    return field(start) | field(leading) << 16 | field(stride) << 32 | mode << 62;
  }
};

/// D = A B + D of a warpgroup; `a_layout`: null for A in registers.
void check_warpgroup(const Layout& b_layout, const Layout* a_layout, int n, bool tf32, bool adds = true) {
  const int k = tf32 ? 8 : 16, bytes = tf32 ? 4 : 2, sums = n / 2;
  const std::string type = tf32 ? "tf32" : "bf16";
  const std::string form =
      "wgmma.mma_async.sync.aligned.m64n" + std::to_string(n) + "k" + std::to_string(k) + ".f32." + type + "." + type;
  tested_forms().insert(form);
  Matrix a(64, k, 4), b(k, n, 5), d(64, n, 6);
  constexpr int half = 16 * 1024;  // bytes of shared memory for each operand
  Memory in(2 * half + 4 * 128 * 68), out(static_cast<std::size_t>(4 * 128 * sums));
  const auto place = [&](const Layout& layout, int start, int mn, int at_k, float value) {
    unsigned char* to = in.as<unsigned char>() + start + layout.address(mn, at_k, bytes);
    const std::uint32_t bits = tf32 ? word(value) : bf16(value);
    std::memcpy(to, &bits, static_cast<std::size_t>(bytes));
  };
  for (int at_k = 0; at_k < k; ++at_k) {
    for (int column = 0; column < n; ++column) place(b_layout, 0, column, at_k, b.at(at_k, column));
    for (int row = 0; row < 64 && a_layout != nullptr; ++row) place(*a_layout, half, row, at_k, a.at(row, at_k));
  }
  std::uint32_t* words = in.as<std::uint32_t>() + 2 * half / 4;
  for (int thread = 0; thread < 128; ++thread) {
    const int warp = thread / 32, group = thread % 32 / 4, member = thread % 4;
    for (int i = 0; i < 4 && a_layout == nullptr; ++i) {
      const int row = 16 * warp + group + (i % 2) * 8;
      if (tf32)
        words[68 * thread + i] = word(a.at(row, member + 4 * (i / 2)));
      else
        words[68 * thread + i] =
            bf16(a.at(row, 2 * member + 8 * (i / 2))) | bf16(a.at(row, 2 * member + 1 + 8 * (i / 2))) << 16;
    }
    for (int i = 0; i < sums; ++i)
      words[68 * thread + 4 + i] = word(d.at(16 * warp + group + 8 * (i / 2 % 2), i / 4 * 8 + 2 * member + i % 2));
  }
  std::string body =
      "  mov.u64 %rd4, dynamic;\n  mul.wide.u32 %rd1, %r0, 4;\n  mov.u32 %r1, 0;\nCOPY:\n  add.u64 %rd2, %in, %rd1;\n  "
      "add.u64 %rd3, %rd4, %rd1;\n  ld.global.u32 %r2, [%rd2];\n  st.shared.u32 [%rd3], %r2;\n  add.u64 %rd1, %rd1, "
      "512;\n  add.u32 %r1, %r1, 1;\n  setp.lt.u32 %p1, %r1, " +
      std::to_string(2 * half / 512) +
      ";\n  @%p1 bra COPY;\n  fence.proxy.async.shared::cta;\n  bar.sync 0;\n  add.u64 %in, %in, " +
      std::to_string(2 * half) + ";\n" + load_words(10, 4 + sums, 68);
  const std::string a_operand =
      a_layout != nullptr ? std::to_string(a_layout->descriptor(half)) + "U" : registers("%r", 10, 4);
  std::string transposes;
  if (!tf32)
    transposes = std::string(a_layout != nullptr ? (a_layout->mn_major ? ", 1" : ", 0") : "") +
                 (b_layout.mn_major ? ", 1" : ", 0");
  body += "  mov.u64 %rd8, " + std::to_string(b_layout.descriptor(0)) + "U;\n  wgmma.fence.sync.aligned;\n  " + form +
          " " + registers("%r", 14, sums) + ", " + a_operand + ", %rd8, " + (adds ? "1" : "0") + ", 1, 1" + transposes +
          ";\n  wgmma.commit_group.sync.aligned;\n  wgmma.wait_group.sync.aligned 0;\n" + store_words(14, sums);
  for (const char* other : {"wgmma.fence.sync.aligned", "wgmma.commit_group.sync.aligned",
                            "wgmma.wait_group.sync.aligned", "fence.proxy.async.shared::cta"})
    tested_forms().insert(other);
  ASSERT_EQ(run(kernel(body), in, out, {1, 128, 2 * half}), "") << form;
  for (int thread = 0; thread < 128; ++thread) {
    for (int i = 0; i < sums; ++i) {
      const int row = 16 * (thread / 32) + thread % 32 / 4 + 8 * (i / 2 % 2),
                column = i / 4 * 8 + thread % 4 * 2 + i % 2;
      ASSERT_EQ(out.as<float>()[sums * thread + i], product(a, b, row, column, adds ? d.at(row, column) : 0.0f))
          << form << " swizzle " << b_layout.swizzle << (b_layout.mn_major ? " MN-major" : " K-major") << " row " << row
          << " column " << column;
    }
  }
}

TEST(MatrixForms, WarpgroupsWithBAlongK) {
  for (const int n : {8, 32, 64, 128}) {
    check_warpgroup({128, false, 16, 1024}, nullptr, n, false);
    check_warpgroup({64, false, 16, 512}, nullptr, n, false);
    check_warpgroup({32, false, 16, 256}, nullptr, n, false);
    check_warpgroup({0, false, 128, 256}, nullptr, n, false);
    check_warpgroup({128, false, 16, 1024}, nullptr, n, true);
  }
  check_warpgroup({128, false, 16, 1024}, nullptr, 32, false, false);
}
TEST(MatrixForms, WarpgroupsWithBAlongN) {
  check_warpgroup({128, true, 2048, 1024}, nullptr, 128, false);  // two panels of 64 columns
  check_warpgroup({128, true, 2048, 1024}, nullptr, 64, false);
  check_warpgroup({64, true, 1024, 512}, nullptr, 64, false);
  check_warpgroup({32, true, 512, 256}, nullptr, 32, false);
  check_warpgroup({0, true, 128, 256}, nullptr, 64, false);
}
TEST(MatrixForms, WarpgroupsWithAInSharedMemory) {
  const Layout along_k{128, false, 16, 1024}, along_m{128, true, 4096, 1024};
  check_warpgroup(along_k, &along_k, 64, false);
  check_warpgroup(along_k, &along_m, 64, false);
  check_warpgroup(along_k, &along_k, 64, true);
}

}  // namespace
}  // namespace ptx::test
