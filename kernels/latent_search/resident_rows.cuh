#pragma once

#include "kernels/latent_search/resident_arguments.cuh"

/// The rows of a tile, as the lanes of a warp hold them.
namespace cugad::cuda {

/// A lane holds elements of two rows, 8 apart: elements 0, 1 and 2, 3 of each tile of 8 columns. `team`: the warps that
/// search 16 rows together.
template <int team>
class ResidentRows {
 public:
  __device__ ResidentRows(const ResidentArguments& args, int lane) : args_(args), lane_(lane) {}

  /// The first of this warp's 16 rows of z.
  __device__ int first_row_of(int tile) const {
    const int warp = team > 1 ? 0 : static_cast<int>(threadIdx.x) / device::warp_lanes;
    return (tile % args_.tiles_per_model * args_.warps + warp) * 16;
  }
  __device__ int model_of(int tile) const { return tile / args_.tiles_per_model; }
  __device__ int row_of(int tile, int half) const { return first_row_of(tile) + lane_ / 4 + 8 * half; }
  __device__ int column_of(int tile, int i) const { return 8 * tile + 2 * (lane_ % 4) + i % 2; }
  /// The columns of a row; none beyond the last row.
  __device__ int width_of(int row, std::int64_t columns) const {
    return row < args_.z.rows ? static_cast<int>(columns) : 0;
  }

  /// Copies the lane's elements of row `half` into its own memory, zeros beyond `width`. Returns whether one is
  /// missing.
  __device__ __forceinline__ bool fetch(float4* area, const float* row, int width, int half, int tiles) {
    bool missing = false;
#pragma unroll 1
    for (int t = 0; t < tiles; ++t) {
      const int column = column_of(t, 0);
      const float2 pair = {column < width ? row[column] : 0.0f, column + 1 < width ? row[column + 1] : 0.0f};
      reinterpret_cast<float2*>(area + t * device::warp_lanes)[half] = pair;
      missing = missing || pair.x != pair.x || pair.y != pair.y;
    }
    return missing;
  }
  /// Copies them from its own memory to row `half`.
  __device__ __forceinline__ void deliver(const float4* area, float* row, int width, int half, int tiles) {
#pragma unroll 1
    for (int t = 0; t < tiles; ++t) {
      const float2 pair = reinterpret_cast<const float2*>(area + t * device::warp_lanes)[half];
      const int column = column_of(t, 0);
      if (column < width) row[column] = pair.x;
      if (column + 1 < width) row[column + 1] = pair.y;
    }
  }

 private:
  const ResidentArguments& args_;
  int lane_;
};

}  // namespace cugad::cuda
