#pragma once

#include "kernels/device/matrix_multiply.cuh"
#include "kernels/elementary.hpp"
#include "kernels/latent_search/tile_products.hpp"

/// The sums of one pass of a tile product, 16 in each thread. In fp32 every sum is one chain of fused multiply-adds
/// over k = 0, 1, ... from its initial value: the order of the CPU backend. On tensor cores the operands are rounded on
/// the way (weights when they were packed) and the sums are float32.
namespace cugad::device {

template <Precision precision>
class TileMultiply {
 public:
  static constexpr int sums = 16;

  /// A pass of `width` columns from `first`; rows of the tile from `filled` on are empty and may be left out.
  __device__ TileMultiply(const cuda::TileShape& shape, int filled, int first, int width) : first_(first) {
    const int thread = static_cast<int>(threadIdx.x);
    if constexpr (precision == Precision::fp32) {
      // 4 x 4 sums: rows row_, row_ + rows / 4, ... and four neighbouring columns.
      const int groups = width / 4;
      row_step_ = shape.rows / 4;
      row_ = thread / groups;
      column_ = thread % groups * 4;
      active_ = row_ < min(row_step_, filled);
    } else {
      // A warp has 16 rows and 32 columns: four mma.
      const int warp = thread / warp_lanes, tiles = shape.rows / 16;
      row_ = warp % tiles * 16;
      column_ = warp / tiles * 32;
      row_step_ = 0;
      active_ = column_ < width && row_ < filled;
    }
    width_ = width;
  }

  __device__ bool active() const { return active_; }

  /// The row and column (of the product) of sum [e / 4][e % 4].
  __device__ Element place(int e) const {
    if constexpr (precision == Precision::fp32) {
      return {row_ + e / 4 * row_step_, first_ + column_ + e % 4};
    } else {
      const Element at = fragment_c(static_cast<int>(threadIdx.x) % warp_lanes, e % 4);
      return {row_ + at.row, first_ + column_ + e / 4 * 8 + at.column};
    }
  }

  /// Adds steps [step, step + count) of the product: `input` has rows of `stride` floats, `panel` the packed weights.
  __device__ void accumulate(float (&sum)[4][4], const float* input, int stride, int inner, const unsigned char* panel,
                             int step, int count) const {
    assume_shared(input);
    if constexpr (precision == Precision::fp32) {
      const int whole = min(count, inner / 4 - step);
      const float* a = input + row_ * stride + 4 * step;
      const float* b = reinterpret_cast<const float*>(panel) + column_;
      for (int s = 0; s < whole; ++s) {
        chain<4>(sum, a, row_step_ * stride, b, 4);
        a += 4;
        b += 4 * width_;
      }
      if (whole < count) chain<3>(sum, a, row_step_ * stride, b, inner % 4);  // the pad stays out of the sums
    } else {
      if (column_ + 32 <= width_) {
        steps<true>(sum, input, stride, panel, step, count);
      } else {
        steps<false>(sum, input, stride, panel, step, count);
      }
    }
  }

 private:
  /// On tensor cores; `whole`: all of the warp's columns exist.
  template <bool whole>
  __device__ void steps(float (&sum)[4][4], const float* input, int stride, const unsigned char* panel, int step,
                        int count) const {
    const int lane = static_cast<int>(threadIdx.x) % warp_lanes;
    const auto* b = reinterpret_cast<const uint2*>(panel) + column_ * 4 + lane;
#pragma unroll 2
    for (int s = 0; s < count; ++s) {
      std::uint32_t a[4];
      load_rows(a, input, stride, step + s, lane);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (!whole && column_ + 8 * j >= width_) break;
        const uint2 packed = b[j * 32];
        const std::uint32_t weights[2] = {packed.x, packed.y};
        if constexpr (precision == Precision::tf32) {
          multiply_tf32(sum[j], a, weights);
        } else {
          multiply_bf16(sum[j], a, weights);
        }
      }
      b += width_ * 4;
    }
  }

  /// sum += a b for k = 0 to count - 1 (count <= most).
  template <int most>
  __device__ void chain(float (&sum)[4][4], const float* a, int row_floats, const float* b, int count) const {
    float4 rows[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) rows[i] = *reinterpret_cast<const float4*>(a + i * row_floats);
#pragma unroll
    for (int k = 0; k < most; ++k) {
      if (most < 4 && k >= count) break;
      const float4 weights = *reinterpret_cast<const float4*>(b + k * width_);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float x = k == 0 ? rows[i].x : k == 1 ? rows[i].y : k == 2 ? rows[i].z : rows[i].w;
        sum[i][0] = multiply_add(x, weights.x, sum[i][0]);
        sum[i][1] = multiply_add(x, weights.y, sum[i][1]);
        sum[i][2] = multiply_add(x, weights.z, sum[i][2]);
        sum[i][3] = multiply_add(x, weights.w, sum[i][3]);
      }
    }
  }

  /// The warp's 16 rows of `input`, rounded, as the first operand of an mma.
  __device__ void load_rows(std::uint32_t (&a)[4], const float* input, int stride, int step, int lane) const {
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      if constexpr (precision == Precision::tf32) {
        const Element at = fragment_a8(lane, r);
        a[r] = round_tf32(input[(row_ + at.row) * stride + 8 * step + at.column]);
      } else {
        const Element at = fragment_a16(lane, r, 0);
        const float2 pair = *reinterpret_cast<const float2*>(input + (row_ + at.row) * stride + 16 * step + at.column);
        a[r] = pack_bf16(pair.x, pair.y);
      }
    }
  }

  int first_, width_, row_, row_step_, column_;
  bool active_;
};

}  // namespace cugad::device
