#pragma once

#include "kernels/latent_search/resident_arguments.cuh"
#include "kernels/latent_search/resident_rounds.cuh"
#include "kernels/latent_search/resident_team.cuh"

/// The residual of the resident search.
namespace cugad::cuda {

/// The distance of G(z) from the query, and its gradient. `general` false: in l1, whose signs stay in registers.
template <class Element, class N, bool general, int team_warps>
class ResidentResidual {
  using Team = ResidentTeam<Element, N, team_warps>;
  static constexpr int tiles = 2 * Team::share(N::columns / 16);

 public:
  __device__ ResidentResidual(const ResidentArguments& args, const ResidentMemory<N>& memory)
      : args_(args), memory_(memory) {}

  /// Before a pass over all tiles.
  __device__ __forceinline__ void clear() {
    if constexpr (!general) {
#pragma unroll
      for (int w = 0; w < sign_words; ++w) above_[w] = below_[w] = 0;
    }
  }
  /// Notes the residual of a tile: its signs, or in general its gradient up to a factor of the row. `number`: of the
  /// tile in the share; `keep`: stores G(z) too.
  __device__ __forceinline__ void note(const float (&g)[4], int number, int tile, bool keep) {
    const float4 x = memory_.x(tile);
    float gradient[4];  // of the residual, up to a factor of the row
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float delta = g[i] - resident::component(x, i);  // NaN if the cell is missing: neither above nor below
      if constexpr (general) {
        gradient[i] = args_.residual_distance == Distance::l1 ? resident::sign_times(delta, 1.0f)
                      : delta == delta                        ? delta
                                                              : 0.0f;
      } else {
        const unsigned bit = 1u << (number % 8 * 4 + i);
        if (delta > 0.0f) above_[number / 8] |= bit;
        if (delta < 0.0f) below_[number / 8] |= bit;
      }
    }
    if constexpr (general) memory_.residual(tile) = make_float4(gradient[0], gradient[1], gradient[2], gradient[3]);
    if (keep) memory_.generated(tile) = make_float4(g[0], g[1], g[2], g[3]);
  }

  /// The residual of row `half`, from the stored G(z): rarely needed.
  __device__ __forceinline__ float of_row(int half) const {
    float sum = 0.0f;
#pragma unroll 1
    for (int t = 0; t < N::columns / 8; ++t) {
      const float2 x = reinterpret_cast<const float2*>(&memory_.x(t))[half];
      const float2 g = reinterpret_cast<const float2*>(&memory_.generated(t))[half];
      sum = add_distance(add_distance(sum, x.x, g.x), x.y, g.y);
    }
    sum = resident::quad_sum(sum);
    return general && args_.residual_distance == Distance::l2 ? sqrtf(sum) : sum;
  }
  /// Adds the residual's gradient, of the warp's share of the columns.
  __device__ __forceinline__ void add_gradient(float (&gradient)[tiles][4], const Team& team) const {
    const float weight = 1.0f - args_.lambda;
    const bool squared = general && args_.residual_distance == Distance::squared;
    float factor[2] = {squared ? 2.0f * weight : weight, squared ? 2.0f * weight : weight};
    if (general && args_.residual_distance == Distance::l2) {
#pragma unroll 1
      for (int half = 0; half < 2; ++half) {
        const float norm = of_row(half), scale = norm > 0.0f ? weight / norm : 0.0f;
        factor[0] = half == 0 ? scale : factor[0];
        factor[1] = scale;
      }
    }
#pragma unroll
    for (int t = 0; t < tiles; ++t) {
      if constexpr (general) {
        const float4 residual = memory_.residual(2 * team.block(t / 2) + t % 2);
#pragma unroll
        for (int i = 0; i < 4; ++i) gradient[t][i] += resident::component(residual, i) * factor[i / 2];
      } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const unsigned bit = 1u << (t % 8 * 4 + i);
          if (above_[t / 8] & bit) gradient[t][i] += weight;
          if (below_[t / 8] & bit) gradient[t][i] -= weight;
        }
      }
    }
  }

 private:
  __device__ __forceinline__ float add_distance(float sum, float x, float g) const {
    if (x != x) return sum;
    return !general || args_.residual_distance == Distance::l1 ? sum + fabsf(g - x) : multiply_add(g - x, g - x, sum);
  }

  static constexpr int sign_words = (tiles + 7) / 8;
  const ResidentArguments& args_;
  const ResidentMemory<N> memory_;  // a copy: a reference would keep the tile in local memory, not in registers
  std::uint32_t above_[sign_words], below_[sign_words];  ///< where G(z) is above and below x, unless general
};

}  // namespace cugad::cuda
