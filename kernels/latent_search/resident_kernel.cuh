#pragma once

#include "kernels/latent_search/resident_networks.cuh"

/// The latent search in registers: one warp carries 16 rows of z through all steps. Weights stay in shared memory,
/// activations in registers: the accumulators of two adjacent 16 x 8 tiles are, register for register, the operand of
/// the next product. Two layers at a time are chained through 16 columns of what lies between them, so that the code
/// is a few rolled loops:
///
///   z -> [h1] -> h2 -> G(z) -> [d1] -> d2 -> [features, their gradient] -> d2' -> [d1'] -> G(z)' -> [h2'] -> h1' -> z'
///
/// (in brackets: 16 columns at a time). Backwards only the signs of the hidden units are needed: bits.
/// What a lane needs once per step (the query, its features) it keeps in global memory for itself, in its own order:
/// 512 consecutive bytes per warp and tile of 8 columns, from the second-level cache.
namespace cugad::cuda {

struct ResidentArguments {
  ResidentLayer layer[resident_layers];
  ResidentLayer logit;
  StackView<const float> x;
  StackView<float> z;
  StackView<float> reconstruction;     ///< G(z) of every row of z, or null
  float* losses = nullptr;             ///< [models, rows of z, 3]: loss, residual, discrimination
  float4* lane_memory = nullptr;       ///< ResidentMemory of every warp
  const float2* schedule = nullptr;    ///< per step: learning rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
  int tiles_per_model = 0, tiles = 0;  ///< a tile: 16 rows of z for each searching warp of a block
  int warps = 1;                       ///< that search
  int restarts = 1, steps = 0;
  float beta1 = 0, beta2 = 0, epsilon = 0;
  Distance residual_distance = Distance::l1, feature_distance = Distance::l1;
  bool features = false, cross_entropy = false;
  float lambda = 0, prior_weight = 0, latent_weight = 0, latent_clip = 0;
};

/// A warp's memory for what is read once per step, [tile of 8 columns][lane] for each of: the query (NaN: missing; 0
/// beyond the columns), the query's features, G(z) in float32, G(z) - x.
template <class N>
struct ResidentMemory {
  static constexpr int x_at = 0, features_at = N::columns / 8, generated_at = features_at + N::d3 / 8,
                       residual_at = generated_at + N::columns / 8, tiles = residual_at + N::columns / 8;
  static constexpr int quads = tiles * device::warp_lanes;
  float4* lane;  ///< this lane's first quad
  __device__ float4& x(int tile) const { return lane[(x_at + tile) * device::warp_lanes]; }
  __device__ float4& features(int tile) const { return lane[(features_at + tile) * device::warp_lanes]; }
  __device__ float4& generated(int tile) const { return lane[(generated_at + tile) * device::warp_lanes]; }
  __device__ float4& residual(int tile) const { return lane[(residual_at + tile) * device::warp_lanes]; }
};

__device__ inline float quad_sum(float value) {
  value += __shfl_xor_sync(device::full_warp, value, 1);
  return value + __shfl_xor_sync(device::full_warp, value, 2);
}
__device__ inline float sign_times(float delta, float scale) {
  return delta > 0.0f ? scale : delta < 0.0f ? -scale : 0.0f;
}
__device__ inline float softplus(float t) { return fmaxf(t, 0.0f) + log1p_unit(exp_negative(-fabsf(t))); }
__device__ inline float probability(float t) {
  const float e = exp_negative(-fabsf(t));
  return (t >= 0.0f ? 1.0f : e) / (1.0f + e);
}

/// The search of 16 rows by one warp. `general` false: residual and features in l1, no logit: the signs of the residual
/// stay in registers.
template <class Element, class N, bool general>
class ResidentTile {
 public:
  using Pair = typename Element::Pair;

  __device__ ResidentTile(const ResidentArguments& args, const ResidentShared<Element, N>& shared)
      : args_(args),
        shared_(shared),
        memory_(memory_of(args)),
        lane_(static_cast<int>(threadIdx.x) % device::warp_lanes),
        member_(lane_ % 4) {}

  __device__ __forceinline__ void search(int tile) {
    load(tile);
    for (int step = 0;; ++step) {
      const bool last = step == args_.steps;
      Pair g[N::columns / 16][4];
      generate(g, step == 0 || last || missing_ || (general && args_.residual_distance == Distance::l2));
      Pair d2[N::d2 / 16][4];
      judge(g, d2, step == 0);
      if (last || needs_row_factors()) examine(d2, false);
      if (last) break;
      float gradient[N::columns / 8][4] = {};
      feature_gradient(d2, gradient);
      add_residual_gradient(gradient, g);
      float dz[N::latent / 8][4] = {};
      descend(g, dz);
      update(dz, args_.schedule[step]);
    }
    store(tile);
  }

  /// The first of this warp's 16 rows of z.
  __device__ int first_row_of(int tile) const {
    const int warp = static_cast<int>(threadIdx.x) / device::warp_lanes;
    return (tile % args_.tiles_per_model * args_.warps + warp) * 16;
  }

 private:
  __device__ static ResidentMemory<N> memory_of(const ResidentArguments& args) {
    const int warp = static_cast<int>(threadIdx.x) / device::warp_lanes;
    const std::int64_t slot = static_cast<std::int64_t>(blockIdx.x) * args.warps + warp;
    return {args.lane_memory + slot * ResidentMemory<N>::quads + threadIdx.x % device::warp_lanes};
  }

  template <int blocks>
  using Bits = std::conditional_t<(blocks > 4), std::uint64_t, std::uint32_t>;

  /// The lane's number, from an instruction that is not moved out of loops: else the addresses of all layers, which
  /// depend on nothing but the lane, would be kept in registers through all steps.
  __device__ __forceinline__ int fresh_lane() const { return __shfl_sync(device::full_warp, lane_, lane_); }

  // ---- blocks of 16 columns: accumulators to operands -------------------------------------------------------------

  __device__ __forceinline__ static void pack(Pair (&a)[4], const float (&left)[4], const float (&right)[4]) {
    a[0] = Element::pack(left[0], left[1]);
    a[1] = Element::pack(left[2], left[3]);
    a[2] = Element::pack(right[0], right[1]);
    a[3] = Element::pack(right[2], right[3]);
  }
  /// act(h), with a bit for every h > 0.
  __device__ __forceinline__ static unsigned activate(float (&h)[4], float slope) {
    unsigned bits = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (h[i] > 0.0f) bits |= 1u << i;
      h[i] = fmaxf(h[i], h[i] * slope);
    }
    return bits;
  }
  __device__ __forceinline__ static unsigned activate(float (&left)[4], float (&right)[4], float slope) {
    const unsigned bits = activate(left, slope);
    return bits | activate(right, slope) << 4;
  }
  __device__ __forceinline__ static void derive(float (&left)[4], float (&right)[4], float slope, unsigned bits) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if ((bits >> i & 1u) == 0) left[i] *= slope;
      if ((bits >> i & 16u) == 0) right[i] *= slope;
    }
  }
  /// Every row's sums start from the bias of their columns.
  __device__ __forceinline__ void start(float (&sum)[4], const float4* bias, int tile) const {
    const float4 quad = bias[4 * tile + member_];
    sum[0] = quad.x;
    sum[1] = quad.y;
    sum[2] = quad.z;
    sum[3] = quad.w;
  }
  __device__ static float component(const float4& quad, int i) {
    return i == 0 ? quad.x : i == 1 ? quad.y : i == 2 ? quad.z : quad.w;
  }

  // ---- one step ---------------------------------------------------------------------------------------------------

  /// G(z), the signs of its hidden units, and the residual.
  __device__ __forceinline__ void generate(Pair (&g)[N::columns / 16][4], bool keep) {
    float h2[N::g2 / 8][4];
    hidden(h2);
    Pair h[N::g2 / 16][4];
    h2_positive_ = 0;
#pragma unroll
    for (int b = 0; b < N::g2 / 16; ++b) {
      const unsigned bits = activate(h2[2 * b], h2[2 * b + 1], args_.layer[1].slope);
      h2_positive_ |= static_cast<Bits<N::g2 / 16>>(bits) << (8 * b);
      pack(h[b], h2[2 * b], h2[2 * b + 1]);
    }
    if (!general) {
#pragma unroll
      for (int w = 0; w < sign_words; ++w) above_[w] = below_[w] = 0;
    }
    const int lane_offset = N::G3::forward_lane(fresh_lane());
#pragma unroll
    for (int b = 0; b < N::columns / 16; ++b) {
      float sum[2][4];
      start(sum[0], shared_.g3_bias, 2 * b);
      start(sum[1], shared_.g3_bias, 2 * b + 1);
      reduce_block<Element, typename N::G3, false>(sum, h, shared_.g3, lane_offset, 16 * b);
      note_residual(sum[0], 2 * b, keep);
      note_residual(sum[1], 2 * b + 1, keep);
      pack(g[b], sum[0], sum[1]);
    }
  }

  __device__ __forceinline__ void hidden(float (&h2)[N::g2 / 8][4]) {
    Pair z[N::latent / 16][4];
#pragma unroll
    for (int b = 0; b < N::latent / 16; ++b) pack(z[b], z_[2 * b], z_[2 * b + 1]);
#pragma unroll
    for (int t = 0; t < N::g2 / 8; ++t) start(h2[t], shared_.g2_bias, t);
    h1_positive_ = 0;
    const int lane = fresh_lane(), first = N::G1::forward_lane(lane), second = N::G2::forward_lane(lane);
#pragma unroll 1
    for (int b = 0; b < N::g1 / 16; ++b) {
      float sum[2][4];
      start(sum[0], shared_.g1_bias, 2 * b);
      start(sum[1], shared_.g1_bias, 2 * b + 1);
      reduce_block<Element, typename N::G1, false>(sum, z, shared_.g1, first, 16 * b);
      h1_positive_ |= static_cast<Bits<N::g1 / 16>>(activate(sum[0], sum[1], args_.layer[0].slope)) << (8 * b);
      Pair a[4];
      pack(a, sum[0], sum[1]);
      spread_block<Element, typename N::G2, false>(h2, a, shared_.g2, second, 16 * b);
    }
  }

  __device__ __forceinline__ void note_residual(const float (&g)[4], int tile, bool keep) {
    const float4 x = memory_.x(tile);
    float gradient[4];  // of the residual, up to a factor of the row
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float delta = g[i] - component(x, i);  // NaN where the cell is missing: neither above nor below
      if constexpr (general) {
        gradient[i] = args_.residual_distance == Distance::l1 ? sign_times(delta, 1.0f) : delta == delta ? delta : 0.0f;
      } else {
        const unsigned bit = 1u << (tile % 8 * 4 + i);
        if (delta > 0.0f) above_[tile / 8] |= bit;
        if (delta < 0.0f) below_[tile / 8] |= bit;
      }
    }
    if constexpr (general) memory_.residual(tile) = make_float4(gradient[0], gradient[1], gradient[2], gradient[3]);
    if (keep) memory_.generated(tile) = make_float4(g[0], g[1], g[2], g[3]);
  }

  /// The residual of row `half` from what is kept in memory: where it is wanted at all, which is seldom.
  __device__ __forceinline__ float residual_of(int half) const {
    float sum = 0.0f;
#pragma unroll 1
    for (int t = 0; t < N::columns / 8; ++t) {
      const float2 x = reinterpret_cast<const float2*>(&memory_.x(t))[half];
      const float2 g = reinterpret_cast<const float2*>(&memory_.generated(t))[half];
      sum = add_distance(add_distance(sum, x.x, g.x), x.y, g.y);
    }
    sum = quad_sum(sum);
    return args_.residual_distance == Distance::l2 ? sqrtf(sum) : sum;
  }
  __device__ __forceinline__ float add_distance(float sum, float x, float g) const {
    if (x != x) return sum;
    return args_.residual_distance == Distance::l1 ? sum + fabsf(g - x) : multiply_add(g - x, g - x, sum);
  }

  /// The discriminator's second layer for G(z). The query's features are found by the same code: before the first step,
  /// and again in each step where G(z) fills missing cells.
  __device__ __forceinline__ void judge(Pair (&g)[N::columns / 16][4], Pair (&d2)[N::d2 / 16][4], bool first) {
    const bool query = args_.features && (first || missing_);
#pragma unroll 1
    for (int pass = query ? 0 : 1; pass < 2; ++pass) {
      if (pass == 0) fill(g);
      look(g, d2);
      if (pass == 0) {
        examine(d2, true);
        recall(g);
      }
    }
  }

  /// The query in the place of G(z), but for its missing cells.
  __device__ __forceinline__ void fill(Pair (&g)[N::columns / 16][4]) {
#pragma unroll
    for (int b = 0; b < N::columns / 16; ++b) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float4 x = memory_.x(2 * b + i / 2);
        const float low = i % 2 == 0 ? x.x : x.z, high = i % 2 == 0 ? x.y : x.w;
        g[b][i] = Element::pack(low == low ? low : Element::low(g[b][i]), high == high ? high : Element::high(g[b][i]));
      }
    }
  }
  __device__ __forceinline__ void recall(Pair (&g)[N::columns / 16][4]) {
#pragma unroll
    for (int b = 0; b < N::columns / 16; ++b) {
      const float4 left = memory_.generated(2 * b), right = memory_.generated(2 * b + 1);
      pack(g[b], {left.x, left.y, left.z, left.w}, {right.x, right.y, right.z, right.w});
    }
  }

  /// The discriminator's first two layers.
  __device__ __forceinline__ void look(const Pair (&g)[N::columns / 16][4], Pair (&d2)[N::d2 / 16][4]) {
    float sum2[N::d2 / 8][4];
#pragma unroll
    for (int t = 0; t < N::d2 / 8; ++t) start(sum2[t], shared_.d2_bias, t);
    const int lane = fresh_lane(), first = N::D1::forward_lane(lane), second = N::D2::forward_lane(lane);
#pragma unroll 1
    for (int b = 0; b < N::d1 / 16; ++b) {
      float sum[2][4];
      start(sum[0], shared_.d1_bias, 2 * b);
      start(sum[1], shared_.d1_bias, 2 * b + 1);
      reduce_block<Element, typename N::D1, false>(sum, g, shared_.d1, first, 16 * b);
      shared_.mask[b * resident_threads + threadIdx.x] =
          static_cast<std::uint8_t>(activate(sum[0], sum[1], args_.layer[3].slope));
      Pair a[4];
      pack(a, sum[0], sum[1]);
      spread_block<Element, typename N::D2, false>(sum2, a, shared_.d2, second, 16 * b);
    }
    d2_positive_ = 0;
#pragma unroll
    for (int b = 0; b < N::d2 / 16; ++b) {
      const unsigned bits = activate(sum2[2 * b], sum2[2 * b + 1], args_.layer[4].slope);
      d2_positive_ |= static_cast<Bits<N::d2 / 16>>(bits) << (8 * b);
      pack(d2[b], sum2[2 * b], sum2[2 * b + 1]);
    }
  }

  /// 16 columns of the features, before the activation.
  __device__ __forceinline__ void feature_block(const Pair (&d2)[N::d2 / 16][4], int lane_offset, int b,
                                                float (&sum)[2][4]) {
    start(sum[0], shared_.d3_bias, 2 * b);
    start(sum[1], shared_.d3_bias, 2 * b + 1);
    reduce_block<Element, typename N::D3, false>(sum, d2, shared_.d3, lane_offset, 16 * b);
  }

  /// Stores the features as the query's, or sums what the losses and row factors need: distance and logit.
  __device__ __forceinline__ void examine(const Pair (&d2)[N::d2 / 16][4], bool of_query) {
    const int lane_offset = N::D3::forward_lane(fresh_lane());
    feature_sum_[0] = feature_sum_[1] = logit_[0] = logit_[1] = 0.0f;
#pragma unroll 1
    for (int b = 0; b < N::d3 / 16; ++b) {
      float sum[2][4];
      feature_block(d2, lane_offset, b, sum);
      activate(sum[0], sum[1], args_.layer[5].slope);
#pragma unroll
      for (int t = 0; t < 2; ++t) {
        const float(&f)[4] = sum[t];
        if (of_query) {
          memory_.features(2 * b + t) = make_float4(f[0], f[1], f[2], f[3]);
        } else {
          sum_features(f, 2 * b + t);
        }
      }
    }
    if (of_query) return;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      feature_sum_[half] = quad_sum(feature_sum_[half]);
      if (general) logit_[half] = quad_sum(logit_[half]) + shared_.logit[N::d3];
    }
  }
  __device__ __forceinline__ void sum_features(const float (&f)[4], int tile) {
    const float4 wanted = args_.features ? memory_.features(tile) : make_float4(f[0], f[1], f[2], f[3]);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float delta = f[i] - component(wanted, i);
      float& sum = feature_sum_[i / 2];
      sum = args_.feature_distance == Distance::l1 ? sum + fabsf(delta) : multiply_add(delta, delta, sum);
      if (general) {
        logit_[i / 2] = multiply_add(f[i], shared_.logit[8 * tile + 2 * member_ + i % 2], logit_[i / 2]);
      }
    }
  }

  /// From the features back to G(z): 16 features at a time, and 16 units of the first layer at a time.
  __device__ __forceinline__ void feature_gradient(const Pair (&d2)[N::d2 / 16][4],
                                                   float (&gradient)[N::columns / 8][4]) {
    float sum2[N::d2 / 8][4] = {};
    if constexpr (general) set_row_factors();
    int lane = fresh_lane();
    const int forward = N::D3::forward_lane(lane), backward = N::D3::backward_lane(lane);
#pragma unroll 1
    for (int b = 0; b < N::d3 / 16; ++b) {
      float4 wanted[2] = {};
      if (!general || args_.features) {
        wanted[0] = memory_.features(2 * b);
        wanted[1] = memory_.features(2 * b + 1);
      }
      float sum[2][4];
      feature_block(d2, forward, b, sum);
      const unsigned bits = activate(sum[0], sum[1], args_.layer[5].slope);
#pragma unroll
      for (int t = 0; t < 2; ++t) {
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[t][i] = one_feature_gradient(sum[t][i], component(wanted[t], i), 2 * b + t, i);
      }
      derive(sum[0], sum[1], args_.layer[5].slope, bits);
      Pair a[4];
      pack(a, sum[0], sum[1]);
      spread_block<Element, typename N::D3, true>(sum2, a, shared_.d3, backward, 16 * b);
    }
    Pair d2_gradient[N::d2 / 16][4];
#pragma unroll
    for (int b = 0; b < N::d2 / 16; ++b) {
      derive(sum2[2 * b], sum2[2 * b + 1], args_.layer[4].slope, static_cast<unsigned>(d2_positive_ >> (8 * b)));
      pack(d2_gradient[b], sum2[2 * b], sum2[2 * b + 1]);
    }
    lane = fresh_lane();
    const int second = N::D2::backward_lane(lane), first = N::D1::backward_lane(lane);
#pragma unroll 1
    for (int b = 0; b < N::d1 / 16; ++b) {
      const unsigned bits = shared_.mask[b * resident_threads + threadIdx.x];
      float sum[2][4] = {};
      reduce_block<Element, typename N::D2, true>(sum, d2_gradient, shared_.d2, second, 16 * b);
      derive(sum[0], sum[1], args_.layer[3].slope, bits);
      Pair a[4];
      pack(a, sum[0], sum[1]);
      spread_block<Element, typename N::D1, true>(gradient, a, shared_.d1, first, 16 * b);
    }
  }

  __device__ bool needs_row_factors() const {
    return general && (args_.logit.weight != nullptr || args_.feature_distance == Distance::l2);
  }
  /// What multiplies a row's features' gradients: known before the first of them is needed.
  __device__ __forceinline__ void set_row_factors() {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float norm = args_.feature_distance == Distance::l2 ? sqrtf(feature_sum_[half]) : 1.0f;
      feature_factor_[half] = args_.feature_distance == Distance::squared ? 2.0f * args_.lambda
                              : norm > 0.0f                               ? args_.lambda / norm
                                                                          : 0.0f;
      if (!args_.features) feature_factor_[half] = 0.0f;
      const float p = probability(logit_[half]);
      logit_factor_[half] = -args_.prior_weight * p + (args_.cross_entropy ? args_.lambda * (p - 1.0f) : 0.0f);
    }
  }
  __device__ __forceinline__ float one_feature_gradient(float feature, float wanted, int tile, int i) const {
    const float delta = feature - wanted;
    if constexpr (!general) {
      return sign_times(delta, args_.lambda);
    } else {
      const float difference = args_.feature_distance == Distance::l1 ? sign_times(delta, 1.0f) : delta;
      return logit_factor_[i / 2] * shared_.logit[column_of(tile, i)] + difference * feature_factor_[i / 2];
    }
  }

  __device__ __forceinline__ void add_residual_gradient(float (&gradient)[N::columns / 8][4],
                                                        Pair (&packed)[N::columns / 16][4]) {
    const float weight = 1.0f - args_.lambda;
    const bool squared = general && args_.residual_distance == Distance::squared;
    float factor[2] = {squared ? 2.0f * weight : weight, squared ? 2.0f * weight : weight};
    if (general && args_.residual_distance == Distance::l2) {
#pragma unroll 1
      for (int half = 0; half < 2; ++half) {
        const float norm = residual_of(half), scale = norm > 0.0f ? weight / norm : 0.0f;
        factor[0] = half == 0 ? scale : factor[0];
        factor[1] = scale;
      }
    }
#pragma unroll
    for (int t = 0; t < N::columns / 8; ++t) {
      if constexpr (general) {
        const float4 residual = memory_.residual(t);
#pragma unroll
        for (int i = 0; i < 4; ++i) gradient[t][i] += component(residual, i) * factor[i / 2];
      } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const unsigned bit = 1u << (t % 8 * 4 + i);
          if (above_[t / 8] & bit) gradient[t][i] += weight;
          if (below_[t / 8] & bit) gradient[t][i] -= weight;
        }
      }
    }
#pragma unroll
    for (int b = 0; b < N::columns / 16; ++b) pack(packed[b], gradient[2 * b], gradient[2 * b + 1]);
  }

  /// From G(z)'s gradient to z's.
  __device__ __forceinline__ void descend(const Pair (&g)[N::columns / 16][4], float (&dz)[N::latent / 8][4]) {
    float sum1[N::g1 / 8][4] = {};
    int lane = fresh_lane();
    const int third = N::G3::backward_lane(lane), second = N::G2::backward_lane(lane);
#pragma unroll 1
    for (int b = 0; b < N::g2 / 16; ++b) {
      float sum[2][4] = {};
      reduce_block<Element, typename N::G3, true>(sum, g, shared_.g3, third, 16 * b);
      derive(sum[0], sum[1], args_.layer[1].slope, static_cast<unsigned>(h2_positive_ >> (8 * b)));
      Pair a[4];
      pack(a, sum[0], sum[1]);
      spread_block<Element, typename N::G2, true>(sum1, a, shared_.g2, second, 16 * b);
    }
    lane = fresh_lane();
    const int first = N::G1::backward_lane(lane);
#pragma unroll
    for (int b = 0; b < N::g1 / 16; ++b) {
      derive(sum1[2 * b], sum1[2 * b + 1], args_.layer[0].slope, static_cast<unsigned>(h1_positive_ >> (8 * b)));
      Pair a[4];
      pack(a, sum1[2 * b], sum1[2 * b + 1]);
      spread_block<Element, typename N::G1, true>(dz, a, shared_.g1, first, 16 * b);
    }
  }

  /// One step of Adam on z: rates.x carries 1 / (1 - beta1^t), rates.y is 1 / sqrt(1 - beta2^t).
  __device__ __forceinline__ void update(const float (&dz)[N::latent / 8][4], float2 rates) {
    const float rest1 = 1.0f - args_.beta1, rest2 = 1.0f - args_.beta2;
#pragma unroll
    for (int t = 0; t < N::latent / 8; ++t) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        float& z = z_[t][i];
        float gradient = dz[t][i];
        if (args_.latent_weight != 0.0f) gradient = multiply_add(2.0f * args_.latent_weight, z, gradient);
        const float first = multiply_add(args_.beta1, first_moment_[t][i], rest1 * gradient);
        const float second = multiply_add(args_.beta2, second_moment_[t][i], rest2 * (gradient * gradient));
        first_moment_[t][i] = first;
        second_moment_[t][i] = second;
        z -= Element::adam_quotient(rates.x * first, second, rates.y, args_.epsilon);
        if (args_.latent_clip > 0.0f) z = fminf(fmaxf(z, -args_.latent_clip), args_.latent_clip);
      }
    }
  }

  // ---- the ends ---------------------------------------------------------------------------------------------------

  __device__ int model_of(int tile) const { return tile / args_.tiles_per_model; }
  /// The lane holds elements of two rows, 8 apart: elements 0, 1 and 2, 3 of a tile.
  __device__ int row_of(int tile, int half) const { return first_row_of(tile) + lane_ / 4 + 8 * half; }
  __device__ int column_of(int tile, int i) const { return 8 * tile + 2 * member_ + i % 2; }
  /// How many columns a row has; none beyond the last row.
  __device__ int width_of(int row, std::int64_t columns) const {
    return row < args_.z.rows ? static_cast<int>(columns) : 0;
  }

  /// Copies the lane's elements of row `half` into its own memory, zeros beyond `width`; whether one is missing.
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
  __device__ __forceinline__ void deliver(const float4* area, float* row, int width, int half, int tiles) {
#pragma unroll 1
    for (int t = 0; t < tiles; ++t) {
      const float2 pair = reinterpret_cast<const float2*>(area + t * device::warp_lanes)[half];
      const int column = column_of(t, 0);
      if (column < width) row[column] = pair.x;
      if (column + 1 < width) row[column + 1] = pair.y;
    }
  }

  __device__ __forceinline__ void load(int tile) {
    bool missing = false;
#pragma unroll 1
    for (int half = 0; half < 2; ++half) {
      const int row = row_of(tile, half), model = model_of(tile);
      const float* x = args_.x.model(model).row(row / args_.restarts);
      missing = fetch(&memory_.x(0), x, width_of(row, args_.x.columns), half, N::columns / 8) || missing;
      fetch(&memory_.generated(0), args_.z.model(model).row(row), width_of(row, args_.z.columns), half, N::latent / 8);
    }
    missing_ = __any_sync(device::full_warp, missing) != 0;
#pragma unroll
    for (int t = 0; t < N::latent / 8; ++t) {
      const float4 z = memory_.generated(t);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        z_[t][i] = component(z, i);
        first_moment_[t][i] = second_moment_[t][i] = 0.0f;
      }
    }
  }

  __device__ __forceinline__ void store(int tile) {
    float square[2] = {};
#pragma unroll
    for (int t = 0; t < N::latent / 8; ++t) {
      memory_.features(t) = make_float4(z_[t][0], z_[t][1], z_[t][2], z_[t][3]);
#pragma unroll
      for (int i = 0; i < 4; ++i) square[i / 2] = multiply_add(z_[t][i], z_[t][i], square[i / 2]);
    }
#pragma unroll 1
    for (int half = 0; half < 2; ++half) {
      const int row = row_of(tile, half), model = model_of(tile);
      store_losses(model, row, half, quad_sum(half == 0 ? square[0] : square[1]));
      deliver(&memory_.features(0), args_.z.model(model).row(row), width_of(row, args_.z.columns), half, N::latent / 8);
      if (args_.reconstruction.data == nullptr) continue;
      deliver(&memory_.generated(0), args_.reconstruction.model(model).row(row), width_of(row, args_.x.columns), half,
              N::columns / 8);
    }
  }

  __device__ __forceinline__ void store_losses(int model, int row, int half, float square) {
    const float residual = residual_of(half), logit = half == 0 ? logit_[0] : logit_[1];
    float discrimination = !args_.features ? 0.0f : half == 0 ? feature_sum_[0] : feature_sum_[1];
    if (general && args_.feature_distance == Distance::l2) discrimination = sqrtf(discrimination);
    if (general && args_.cross_entropy) discrimination = softplus(-logit);
    float loss = (1.0f - args_.lambda) * residual + args_.lambda * discrimination;
    if (general && args_.prior_weight != 0.0f) loss -= args_.prior_weight * softplus(logit);
    if (args_.latent_weight != 0.0f) loss += args_.latent_weight * square;
    if (member_ != 0 || row >= args_.z.rows) return;
    float* to = args_.losses + (model * args_.z.rows + row) * 3;
    to[0] = loss;
    to[1] = residual;
    to[2] = discrimination;
  }

  static constexpr int sign_words = (N::columns + 63) / 64;
  const ResidentArguments& args_;
  const ResidentShared<Element, N>& shared_;
  ResidentMemory<N> memory_;
  int lane_, member_;
  bool missing_ = false;
  float z_[N::latent / 8][4], first_moment_[N::latent / 8][4], second_moment_[N::latent / 8][4];
  Bits<N::g1 / 16> h1_positive_;
  Bits<N::g2 / 16> h2_positive_;
  Bits<N::d2 / 16> d2_positive_;
  std::uint32_t above_[sign_words], below_[sign_words];  ///< where G(z) is above and below x, unless general
  float feature_sum_[2] = {}, logit_[2] = {};
  float feature_factor_[2], logit_factor_[2];
};

template <class Element, class N>
__device__ void load_networks(const ResidentShared<Element, N>& shared, const ResidentArguments& args,
                              std::int64_t model) {
  load_padded<Element>(shared.g1, shared.g1_bias, args.layer[0], model, N::G1::out, N::G1::in);
  load_padded<Element>(shared.g2, shared.g2_bias, args.layer[1], model, N::G2::out, N::G2::in);
  load_padded<Element>(shared.g3, shared.g3_bias, args.layer[2], model, N::G3::out, N::G3::in);
  load_padded<Element>(shared.d1, shared.d1_bias, args.layer[3], model, N::D1::out, N::D1::in);
  load_padded<Element>(shared.d2, shared.d2_bias, args.layer[4], model, N::D2::out, N::D2::in);
  load_padded<Element>(shared.d3, shared.d3_bias, args.layer[5], model, N::D3::out, N::D3::in);
  const ResidentLayer& logit = args.logit;
  const int i = static_cast<int>(threadIdx.x);
  if (i < N::d3) shared.logit[i] = i < logit.in ? logit.weight[model * logit.model_stride + i] : 0.0f;
  if (i == N::d3) shared.logit[i] = logit.weight != nullptr ? logit.bias[model * logit.model_stride] : 0.0f;
}

/// Where the run of tiles of a block begins.
__device__ inline int first_tile(int tiles, unsigned block) {
  return static_cast<int>(static_cast<std::int64_t>(tiles) * block / gridDim.x);
}

/// Each block takes a run of tiles, so that it seldom meets a new model. Searching warps need no barrier but those
/// around a change of weights.
template <class Element, class N, bool general>
__global__ void __launch_bounds__(resident_threads, 1)
    resident_search_kernel(const __grid_constant__ ResidentArguments args) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900  // older chips have less shared memory than any class needs
  const ResidentShared<Element, N> shared;
  const int warp = static_cast<int>(threadIdx.x) / device::warp_lanes;
  const int begin = first_tile(args.tiles, blockIdx.x), end = first_tile(args.tiles, blockIdx.x + 1);
  for (int tile = begin; tile < end; ++tile) {
    if (tile == begin || tile % args.tiles_per_model == 0) {
      __syncthreads();
      load_networks(shared, args, tile / args.tiles_per_model);
      __syncthreads();
    }
    ResidentTile<Element, N, general> search(args, shared);
    if (warp < args.warps && search.first_row_of(tile) < args.z.rows) search.search(tile);
  }
#endif
}

}  // namespace cugad::cuda
