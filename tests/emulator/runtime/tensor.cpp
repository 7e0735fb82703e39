#include <cmath>
#include <cstring>

#include "kernels/device/fragment.cuh"
#include "tests/emulator/runtime/races.hpp"
#include "tests/emulator/runtime/warp.hpp"

/// Tensor-core products and matrix loads of one warp, by the fragment maps that the kernels use.
namespace emulator {
namespace {

using cugad::device::Element;

struct ProductOperands {
  float* d;
  const std::uint32_t* a;
  const std::uint32_t* b;
};
struct LoadOperands {
  std::uint32_t* registers;
  const void* row;
};

float bf16_value(std::uint32_t packed, int half) {
  return std::bit_cast<float>(half == 0 ? packed << 16 : packed & 0xffff0000u);
}

const ProductOperands& product_of(const WarpOperands& all, int lane) {
  return *static_cast<const ProductOperands*>(all[static_cast<std::size_t>(lane)]);
}

void require_whole_warp(unsigned mask) {
  if (mask != ~0u) current_group().fail("a warp operation on matrices needs all 32 lanes");
}

/// d += a b, one rounding per term (the products of two bf16 or tf32 numbers are exact).
template <int depth>
void multiply(const WarpOperands& all, const float (&a)[16][depth], const float (&b)[depth][8]) {
  float d[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    for (int r = 0; r < 4; ++r) {
      const Element at = cugad::device::fragment_c(lane, r);
      d[at.row][at.column] = product_of(all, lane).d[r];
    }
  }
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < depth; ++k) {
      for (int column = 0; column < 8; ++column) d[row][column] += a[row][k] * b[k][column];
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    for (int r = 0; r < 4; ++r) {
      const Element at = cugad::device::fragment_c(lane, r);
      product_of(all, lane).d[r] = d[at.row][at.column];
    }
  }
}

void combine_bf16(const WarpOperands& all, unsigned mask) {
  require_whole_warp(mask);
  float a[16][16], b[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const ProductOperands& mine = product_of(all, lane);
    for (int half = 0; half < 2; ++half) {
      for (int r = 0; r < 4; ++r) {
        const Element at = cugad::device::fragment_a16(lane, r, half);
        a[at.row][at.column] = bf16_value(mine.a[r], half);
      }
      for (int r = 0; r < 2; ++r) {
        const Element at = cugad::device::fragment_b16(lane, r, half);
        b[at.row][at.column] = bf16_value(mine.b[r], half);
      }
    }
  }
  multiply<16>(all, a, b);
}

// The tensor core reads 19 of the 32 bits.
float tf32_value(std::uint32_t bits) { return std::bit_cast<float>(bits & 0xffffe000u); }

void combine_tf32(const WarpOperands& all, unsigned mask) {
  require_whole_warp(mask);
  float a[16][8], b[8][8];
  for (int lane = 0; lane < 32; ++lane) {
    const ProductOperands& mine = product_of(all, lane);
    for (int r = 0; r < 4; ++r) {
      const Element at = cugad::device::fragment_a8(lane, r);
      a[at.row][at.column] = tf32_value(mine.a[r]);
    }
    for (int r = 0; r < 2; ++r) {
      const Element at = cugad::device::fragment_b8(lane, r);
      b[at.row][at.column] = tf32_value(mine.b[r]);
    }
  }
  multiply<8>(all, a, b);
}

template <bool transposed>
void combine_load(const WarpOperands& all, unsigned mask) {
  require_whole_warp(mask);
  std::uint16_t matrix[4][8][8];
  for (int lane = 0; lane < 32; ++lane) {
    std::memcpy(matrix[lane / 8][lane % 8], static_cast<const LoadOperands*>(all[static_cast<std::size_t>(lane)])->row,
                16);
  }
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4, column = 2 * (lane % 4);
      const std::uint32_t low = transposed ? matrix[i][column][row] : matrix[i][row][column];
      const std::uint32_t high = transposed ? matrix[i][column + 1][row] : matrix[i][row][column + 1];
      static_cast<const LoadOperands*>(all[static_cast<std::size_t>(lane)])->registers[i] = low | high << 16;
    }
  }
}

}  // namespace

std::uint32_t round_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return 0x7fff;
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}

std::uint32_t round_to_tf32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return 0x7fffffffu;
  if ((bits & 0x7f800000u) == 0x7f800000u) return bits;
  return (bits + 0x1000u) & 0xffffe000u;
}

void multiply_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Site site) {
  ProductOperands operands{d, a, b};
  meet(~0u, "multiply_bf16", site, &operands, &combine_bf16);
}

void multiply_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Site site) {
  ProductOperands operands{d, a, b};
  meet(~0u, "multiply_tf32", site, &operands, &combine_tf32);
}

void load_matrices(std::uint32_t (&registers)[4], const void* shared_row, bool transposed, Site site) {
  Lane& lane = Group::current();
  const auto at = [&] { return " (" + text_of(site) + ", " + text_of(lane) + ")"; };
  if (reinterpret_cast<std::uintptr_t>(shared_row) % 16 != 0)
    current_group().fail("load_matrices: misaligned row" + at());
  if (find_array(*lane.block, shared_row, 16) == nullptr) {
    current_group().fail("load_matrices: the row does not lie in one array of shared memory" + at());
  }
  if constexpr (races::active) races::access(shared_row, 16, races::Kind::read, __builtin_return_address(0));
  LoadOperands operands{registers, shared_row};
  meet(~0u, transposed ? "load_matrices transposed" : "load_matrices", site, &operands,
       transposed ? &combine_load<true> : &combine_load<false>);
}

}  // namespace emulator
