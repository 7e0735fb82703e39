#pragma once

#include "kernels/device/matrix_multiply.cuh"

/// Products of a warpgroup (four consecutive warps, wgmma, sm_90a only): [64, 16] operands in registers, where warp w
/// of the group holds rows 16 w to 16 w + 15 as fragment_a16, times [16, N] operands in shared memory. Sums are held as
/// fragment_c, one tile of 8 columns after the other: per warp the registers are those of N / 8 multiply_bf16.
///
/// The second operand is named by a descriptor. Weights [out, in] are stored in panels of 64 columns (or one of 32),
/// rows of a panel one after the other, chunks of 16 bytes swizzled by the row: see PanelLayout. The same bytes serve
/// as
/// Y = X W^T (a row of the panel is a column of the operand: K-major) and as Y = X W (N-major, "transposed").
///
/// NOT YET CONFIRMED ON HARDWARE: the compiled search gives its results where tests/ptx reads descriptors by the PTX
/// ISA's canonical layouts, but nothing here has run on a GPU. Off unless built with CUGAD_WGMMA.
namespace cugad::device {

constexpr int warpgroup_threads = 128;

/// The position of element (row, column) of a matrix [rows, columns] of bfloat16, in elements. The base is aligned to
/// 1024 bytes, rows are a multiple of 8, columns 32 or a multiple of 64.
struct PanelLayout {
  int rows, columns;
  constexpr int panel() const { return columns < 64 ? columns : 64; }
  constexpr int offset(int row, int column) const {
    const int width = panel(), at = column / width * rows * width + row * width + column % width;
    // Bits 4 to 6 of the byte address ^= bits 7 to 9 (panels of 64); bits 4, 5 ^= 7, 8 (of 32).
    return at ^ (at / 64 % (width / 8)) * 8;
  }
};

/// The 64-bit operand descriptor, taken apart: all in bytes.
struct PanelOperand {
  unsigned address = 0;   ///< in shared memory
  int leading = 16;       ///< N-major: between panels; K-major: not used by swizzled layouts
  int stride = 0;         ///< between groups of 8 rows of a panel
  int panel_bytes = 128;  ///< bytes of a row of a panel: 128 or 64, also the period of the swizzle
  constexpr std::uint64_t descriptor() const {
    const auto field = [](std::uint64_t bytes, int at) { return (bytes >> 4 & 0x3fffu) << at; };
    const std::uint64_t swizzle = panel_bytes == 128 ? 1u : 2u;
    return field(address, 0) | field(static_cast<std::uint64_t>(leading), 16) |
           field(static_cast<std::uint64_t>(stride), 32) | swizzle << 62;
  }
};

/// The operand [16 of K, N] that begins at (row, column) of W: rows and columns are multiples of 16, and N columns of
/// an N-major operand lie within one panel or begin at one.
constexpr PanelOperand panel_operand(const PanelLayout& layout, unsigned base, int row, int column) {
  const int width = layout.panel();
  const int start = column / width * layout.rows * width + row * width + column % width;  // before the swizzle
  return {base + 2u * static_cast<unsigned>(start), 2 * layout.rows * width, 16 * width, 2 * width};
}

/// The byte address of element (n, k) of an operand, by the rules of the PTX ISA for swizzled layouts: the address that
/// hardware is expected to read, and that the emulated twin reads.
constexpr unsigned operand_address(const PanelOperand& operand, bool n_major, int n, int k) {
  const int per_row = operand.panel_bytes / 2;  // elements
  const int first = static_cast<int>(operand.address) % operand.panel_bytes / 2;
  unsigned linear = operand.address;
  if (n_major) {  // n along the row, panel after panel; k down the rows
    const int column = first + n;
    linear += static_cast<unsigned>(column / per_row * operand.leading + (column % per_row - first) * 2);
    linear += static_cast<unsigned>(k / 8 * operand.stride + k % 8 * operand.panel_bytes);
  } else {  // k along the row, n down the rows
    linear += static_cast<unsigned>(n / 8 * operand.stride + n % 8 * operand.panel_bytes + 2 * k);
  }
  const unsigned chunks = static_cast<unsigned>(operand.panel_bytes) / 16;
  return linear ^ ((linear >> 7) % chunks) << 4;
}

#if defined(__CUDACC__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
constexpr bool has_warpgroup_products = false;  ///< of the chip that this pass of the compiler is for
#else
constexpr bool has_warpgroup_products = true;
#endif

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
/// d += a b, asynchronously: tiles of 8 columns, 4, 8 or 16 of them.
template <int tiles, bool n_major>
__device__ __forceinline__ void issue_warpgroup_product(float (&d)[tiles][4], const std::uint32_t (&a)[4],
                                                        std::uint64_t b) {
  static_assert(tiles == 4 || tiles == 8 || tiles == 16);
  if constexpr (tiles == 4) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15 "
        "}, {%16, %17, %18, %19}, %20, 1, 1, 1, %21;\n"
        : "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]),
          "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]),
          "+f"(d[3][2]), "+f"(d[3][3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(n_major ? 1 : 0));
  } else if constexpr (tiles == 8) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31 "
        "}, {%32, %33, %34, %35}, %36, 1, 1, 1, %37;\n"
        : "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]),
          "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]),
          "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]),
          "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]),
          "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(n_major ? 1 : 0));
  } else if constexpr (tiles == 16) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63 "
        "}, {%64, %65, %66, %67}, %68, 1, 1, 1, %69;\n"
        : "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]),
          "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]),
          "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]),
          "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]),
          "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3]), "+f"(d[8][0]), "+f"(d[8][1]), "+f"(d[8][2]),
          "+f"(d[8][3]), "+f"(d[9][0]), "+f"(d[9][1]), "+f"(d[9][2]), "+f"(d[9][3]), "+f"(d[10][0]), "+f"(d[10][1]),
          "+f"(d[10][2]), "+f"(d[10][3]), "+f"(d[11][0]), "+f"(d[11][1]), "+f"(d[11][2]), "+f"(d[11][3]),
          "+f"(d[12][0]), "+f"(d[12][1]), "+f"(d[12][2]), "+f"(d[12][3]), "+f"(d[13][0]), "+f"(d[13][1]),
          "+f"(d[13][2]), "+f"(d[13][3]), "+f"(d[14][0]), "+f"(d[14][1]), "+f"(d[14][2]), "+f"(d[14][3]),
          "+f"(d[15][0]), "+f"(d[15][1]), "+f"(d[15][2]), "+f"(d[15][3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(n_major ? 1 : 0));
  }
}
#endif

/// d += a b for the operand of W at (row, column); n_major: K runs down W's rows, N along its columns, else K along the
/// columns and N down the rows. The four warps of a group call it together, between begin and finish below.
template <int tiles, bool n_major>
__device__ __forceinline__ void multiply_warpgroup(float (&d)[tiles][4], const std::uint32_t (&a)[4],
                                                   const std::uint16_t* weight, PanelLayout layout, int row,
                                                   int column) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  const auto base = static_cast<unsigned>(__cvta_generic_to_shared(weight));
  issue_warpgroup_product<tiles, n_major>(d, a, panel_operand(layout, base, row, column).descriptor());
#elif !defined(__CUDACC__)
  const PanelOperand operand = panel_operand(layout, 0, row, column);
  const int lane = static_cast<int>(threadIdx.x) % warp_lanes;
  for (int t = 0; t < tiles; ++t) {
    std::uint32_t b[2] = {};
    for (int r = 0; r < 2; ++r) {
      for (int h = 0; h < 2; ++h) {
        const Element at = fragment_b16(lane, r, h);  // {k, n}
        b[r] |= static_cast<std::uint32_t>(weight[operand_address(operand, n_major, 8 * t + at.column, at.row) / 2])
                << (16 * h);
      }
    }
    multiply_bf16(d[t], a, b);
  }
#endif
}

/// Before the first product that uses registers written since the last one.
__device__ __forceinline__ void begin_warpgroup_products() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
#endif
}
/// Closes the group of products and waits for them: their registers may be read and written again.
__device__ __forceinline__ void finish_warpgroup_products() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory");
  asm volatile("wgmma.wait_group.sync.aligned 0;\n" ::: "memory");
#endif
}
/// After ordinary stores to shared memory that products will read, before the barrier that publishes them.
__device__ __forceinline__ void publish_to_warpgroup_products() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory");
#endif
}

}  // namespace cugad::device
