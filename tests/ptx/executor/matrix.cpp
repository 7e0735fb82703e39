#include <algorithm>
#include <cstring>

#include "tests/ptx/executor/arithmetic.hpp"
#include "tests/ptx/executor/memory.hpp"

/// Tensor-core products: fragments and descriptors as the PTX ISA lays them out. Products are exact and their sums in
/// double; a sum is rounded once, to float.
namespace ptx {
namespace {

constexpr int rows = 16;  // of A that one warp holds

/// How many elements of a 16-row operand share a register, and of which depth a product is.
struct Bf16Element {
  static constexpr int depth = 16, per_register = 2, bytes = 2;
  static float value(std::uint32_t bits, int half) { return std::bit_cast<float>(bits >> (16 * half) << 16); }
  // Element i of a lane's fragment, PTX ISA "Matrix fragments for mma.m16n8k16" (.bf16).
  static int a_row(int lane, int i) { return lane / 4 + 8 * (i / 2 % 2); }
  static int a_column(int lane, int i) { return lane % 4 * 2 + i % 2 + 8 * (i / 4); }
  static int b_row(int lane, int i) { return lane % 4 * 2 + i % 2 + 8 * (i / 2); }
};
struct Tf32Element {
  static constexpr int depth = 8, per_register = 1, bytes = 4;
  static float value(std::uint32_t bits, int) {
    return std::bit_cast<float>(bits & 0xffffe000u);
  }  // 13 bits are not read
  static int a_row(int lane, int i) { return lane / 4 + 8 * (i % 2); }
  static int a_column(int lane, int i) { return lane % 4 + 4 * (i / 2); }
  static int b_row(int lane, int i) { return lane % 4 + 4 * i; }
};

/// sum += a b for 8 columns.
template <int depth>
void multiply(double (&sum)[rows][8], const double (&a)[rows][depth], const double (&b)[depth][8]) {
  for (int row = 0; row < rows; ++row) {
    for (int k = 0; k < depth; ++k) {
      for (int column = 0; column < 8; ++column) sum[row][column] += a[row][k] * b[k][column];
    }
  }
}
template <class E>
void read_a(double (&a)[rows][E::depth], const std::uint32_t (&registers)[4][lanes]) {
  for (int i = 0; i < 4 * E::per_register; ++i) {
    for (int l = 0; l < lanes; ++l)
      a[E::a_row(l, i)][E::a_column(l, i)] = E::value(registers[i / E::per_register][l], i % E::per_register);
  }
}
/// Element i of a lane's sums: every lane has four of each tile of 8 columns.
int c_row(int lane, int i) { return lane / 4 + 8 * (i / 2 % 2); }
int c_column(int lane, int i) { return lane % 4 * 2 + i % 2; }

template <class E>
void multiply_add(Warp& w, const Instruction& i, Mask) {  // list: d, a, b, c
  std::uint32_t registers[4][lanes];
  for (int n = 0; n < 4; ++n) std::memcpy(registers[n], w.in<std::uint32_t>(i.list[4 + n]), sizeof registers[n]);
  double a[rows][E::depth], b[E::depth][8], sum[rows][8] = {};
  read_a<E>(a, registers);
  for (int n = 0; n < 2 * E::per_register; ++n) {
    const auto* from = w.in<std::uint32_t>(i.list[8 + n / E::per_register]);
    for (int l = 0; l < lanes; ++l) b[E::b_row(l, n)][l / 4] = E::value(from[l], n % E::per_register);
  }
  multiply<E::depth>(sum, a, b);
  float result[4][lanes];
  for (int n = 0; n < 4; ++n) {
    const float* c = w.in<float>(i.list[10 + n]);
    for (int l = 0; l < lanes; ++l)
      result[n][l] = canonical(static_cast<float>(sum[c_row(l, n)][c_column(l, n)] + static_cast<double>(c[l])));
  }
  for (int n = 0; n < 4; ++n) std::memcpy(w.out<float>(i.list[n]), result[n], sizeof result[n]);
}

void load_matrix(Warp& w, const Instruction& i, Mask) {  // ldmatrix .m8n8 .b16; target 1: .trans
  const int matrices = i.count;
  const Mask rows_of = matrices == 4 ? all_lanes : (Mask{1} << (8 * matrices)) - 1;
  const Places p = locate(w, i, rows_of, {i.in[0], i.from.bits, i.offset, Space::shared, 16, 16});
  check_written(w, i, rows_of, p, 0, 16);
  std::uint32_t result[4][lanes];
  const auto element = [&](int n, int row, int column) {
    std::uint16_t value = 0;
    std::memcpy(&value, reinterpret_cast<const unsigned char*>(p.at[8 * n + row]) + 2 * column, 2);
    return std::uint32_t{value};
  };
  for (int n = 0; n < matrices; ++n) {
    for (int l = 0; l < lanes; ++l) {
      const int row = l / 4, column = l % 4 * 2;
      result[n][l] = i.target == 0 ? element(n, row, column) | element(n, row, column + 1) << 16
                                   : element(n, column, row) | element(n, column + 1, row) << 16;
    }
  }
  for (int n = 0; n < matrices; ++n) std::memcpy(w.out<std::uint32_t>(i.list[n]), result[n], sizeof result[n]);
}

// ---- products of a warpgroup
// -----------------------------------------------------------------------------------------

/// A shared-memory matrix, PTX ISA "Matrix descriptor" of wgmma: all in bytes.
struct Descriptor {
  std::uint32_t start, leading, stride;
  int swizzle;  ///< 0: none; bytes of a row of the pattern: 128, 64, 32
  explicit Descriptor(std::uint64_t bits)
      : start(static_cast<std::uint32_t>(bits & 0x3fff) << 4),
        leading(static_cast<std::uint32_t>(bits >> 16 & 0x3fff) << 4),
        stride(static_cast<std::uint32_t>(bits >> 32 & 0x3fff) << 4),
        swizzle(bits >> 62 == 0 ? 0 : 256 >> (bits >> 62)) {}
  /// The position of element (mn, k), of `bytes` each: the canonical layouts of "Strides", in units of 16 bytes, then
  /// the swizzle: as many of the bits 4, 5, 6 of the address as the pattern has chunks ^= the bits from 7 on.
  std::uint32_t address(bool mn_major, int mn, int k, int bytes) const {
    const int chunk = 16 / bytes;  // elements
    const int fast = mn_major ? mn : k, slow = mn_major ? k : mn;
    const auto within = static_cast<std::uint32_t>(fast % chunk * bytes), eight = static_cast<std::uint32_t>(slow % 8);
    const auto groups = static_cast<std::uint32_t>(slow / 8);
    auto chunks = static_cast<std::uint32_t>(fast / chunk);
    std::uint32_t at = start + within;
    if (swizzle == 0) {
      at += eight * 16 + (mn_major ? chunks * stride + groups * leading : chunks * leading + groups * stride);
      return at;
    }
    const auto per_row = static_cast<std::uint32_t>(swizzle / 16);
    if (mn_major) {
      at += chunks / per_row * leading;
      chunks %= per_row;
    }
    at += chunks * 16 + eight * static_cast<std::uint32_t>(swizzle) + groups * stride;
    return at ^ (at >> 7 & (per_row - 1)) << 4;
  }
};

float element_of(const Warp& w, const Instruction& i, const Descriptor& d, bool mn_major, int mn, int k, int bytes) {
  const std::uint32_t at = d.address(mn_major, mn, k, bytes);
  const Block& block = *w.block;
  if (at + static_cast<unsigned>(bytes) > block.shared_bytes)
    fail(w, i,
         "the descriptor leads to address " + std::to_string(at) + ", outside the block's " +
             std::to_string(block.shared_bytes) + " bytes of shared memory");
  if (block.written[at] == 0)
    fail(w, i, "the descriptor leads to byte " + std::to_string(at) + " of shared memory, which nobody has written");
  if (block.unpublished[at] != 0) {
    fail(w, i,
         "warp " + std::to_string(block.unpublished[at] - 1) + " wrote byte " + std::to_string(at) +
             " of shared memory without fence.proxy.async before the product");
  }
  std::uint32_t bits = 0;
  std::memcpy(&bits, block.shared + at, static_cast<unsigned>(bytes));
  return bytes == 2 ? Bf16Element::value(bits, 0) : Tf32Element::value(bits, 0);
}

/// list: d, then the registers of A if there are any; in[0], in[1]: descriptors of A and B; in[2]: scale-d; mode: bits
/// 0 and 1: A and B are transposed, bits 2 and 3: negated; count: registers of A.
template <class E>
void finish_product(Warp& w, const WarpgroupProduct& product) {
  const Instruction& i = *product.instruction;
  const std::size_t sums = i.list.size() - i.count;
  double a[rows][E::depth], b[E::depth][8];
  if (i.count > 0) {
    read_a<E>(a, product.a);
  } else {
    const Descriptor from(product.a_descriptor);
    for (int row = 0; row < rows; ++row) {
      for (int k = 0; k < E::depth; ++k)
        a[row][k] = element_of(w, i, from, (i.mode & 1) != 0, static_cast<int>(w.number % 4) * rows + row, k, E::bytes);
    }
  }
  const double sign = ((i.mode >> 2 ^ i.mode >> 3) & 1) != 0 ? -1.0 : 1.0;
  const Descriptor from(product.b_descriptor);
  for (std::size_t tile = 0; 4 * tile < sums; ++tile) {
    for (int k = 0; k < E::depth; ++k) {
      for (int column = 0; column < 8; ++column)
        b[k][column] =
            sign * element_of(w, i, from, (i.mode & 2) != 0, static_cast<int>(8 * tile) + column, k, E::bytes);
    }
    double sum[rows][8] = {};
    multiply<E::depth>(sum, a, b);
    for (int n = 0; n < 4; ++n) {
      auto& d = w.sums.at(i.list[4 * tile + static_cast<unsigned>(n)]);
      for (int l = 0; l < lanes; ++l) {
        const double before = product.adds ? static_cast<double>(d[static_cast<unsigned>(l)]) : 0.0;
        d[static_cast<unsigned>(l)] = canonical(static_cast<float>(sum[c_row(l, n)][c_column(l, n)] + before));
      }
    }
  }
}

/// Operands in registers are taken now; shared memory is read, and sums are written, when the warp waits: until then
/// they are NaN.
template <class E>
void issue_product(Warp& w, const Instruction& i, Mask) {
  if (!w.fenced) fail(w, i, "a product without wgmma.fence since the last wait");
  WarpgroupProduct product;
  product.instruction = &i;
  product.finish = &finish_product<E>;
  product.group = w.product_groups;
  for (unsigned n = 0; n < i.count; ++n)
    std::memcpy(product.a[n], w.in<std::uint32_t>(i.list[i.list.size() - i.count + n]), sizeof product.a[n]);
  if (i.count == 0) product.a_descriptor = w.in<std::uint64_t>(i.in[0])[0];
  product.b_descriptor = w.in<std::uint64_t>(i.in[1])[0];
  product.adds = (w.predicate(i.in[2]) & 1) != 0;
  for (std::size_t n = 0; n + i.count < i.list.size(); ++n) {
    const Slot slot = i.list[n];
    float* d = w.out<float>(slot);
    const auto [sums, fresh] = w.sums.try_emplace(slot);
    if (!fresh) continue;
    for (unsigned l = 0; l < lanes; ++l) {
      sums->second[l] = d[l];
      d[l] = std::bit_cast<float>(~0u);
    }
  }
  w.products.push_back(product);
  ++w.issued_products;
}
void fence_products(Warp& w, const Instruction&, Mask) { w.fenced = true; }
void commit_products(Warp& w, const Instruction&, Mask) { ++w.product_groups; }
void wait_products(Warp& w, const Instruction& i, Mask) {  // mode: groups that may be under way
  std::size_t done = 0;
  while (done < w.products.size() && w.products[done].group + i.mode < w.product_groups) {
    w.products[done].finish(w, w.products[done]);
    ++done;
  }
  w.products.erase(w.products.begin(), w.products.begin() + static_cast<std::ptrdiff_t>(done));
  w.fenced = false;
  if (!w.products.empty()) return;
  for (const auto& [slot, values] : w.sums) std::memcpy(w.out<float>(slot), values.data(), sizeof values);
  w.sums.clear();
}
void publish_shared(Warp& w, const Instruction&, Mask) {
  std::replace(w.block->unpublished.begin(), w.block->unpublished.end(), static_cast<unsigned char>(w.number + 1),
               static_cast<unsigned char>(0));
}

}  // namespace

Handler find_matrix(const std::string& name) {
  static const std::map<std::string, Handler> handlers = {{"ldmatrix", &load_matrix},
                                                          {"mma.bf16", &multiply_add<Bf16Element>},
                                                          {"mma.tf32", &multiply_add<Tf32Element>},
                                                          {"wgmma.bf16", &issue_product<Bf16Element>},
                                                          {"wgmma.tf32", &issue_product<Tf32Element>},
                                                          {"wgmma.fence", &fence_products},
                                                          {"wgmma.commit_group", &commit_products},
                                                          {"wgmma.wait_group", &wait_products},
                                                          {"fence.proxy.async", &publish_shared}};
  const auto found = handlers.find(name);
  return found == handlers.end() ? nullptr : found->second;
}

}  // namespace ptx
