#pragma once

#include "kernels/latent_search/resident_residual.cuh"
#include "kernels/latent_search/resident_rows.cuh"
#include "kernels/latent_search/resident_stream.cuh"
#include "kernels/latent_search/search_terms.hpp"

/// The latent search in registers: one warp carries 16 rows of z through all steps. Weights stay in shared memory,
/// activations in registers: the accumulators of two adjacent 16 x 8 tiles are, register for register, the operand of
/// the next product. Two layers at a time are chained through a round of columns (16, or 64 if four warps multiply
/// together) of the layer between them, so that the code is a few rolled loops:
///
///   z -> [h1] -> h2 -> G(z) -> [d1] -> d2 -> [features, their gradient] -> d2' -> [d1'] -> G(z)' -> [h2'] -> h1' -> z'
///
/// (in brackets: a round at a time). The backward pass needs only the signs of the hidden units: bits.
/// Values that a lane needs once per step (the query, its features) are in global memory, in the lane's order: 512
/// consecutive bytes per warp and tile of 8 columns, from the second-level cache.
namespace cugad::cuda {

/// The search of 16 rows by one warp, or by a team of several that share the columns of each layer (resident_team.cuh).
/// `general` false: residual and features in l1, no logit: the signs of the residual stay in registers.
template <class Element, class N, bool general, int team>
class ResidentTile {
  using Pair = typename Element::Pair;
  using Rounds = ResidentRounds<Element>;
  using Team = ResidentTeam<Element, N, team>;
  using Stream = ResidentStream<Element, N, team>;
  static constexpr int round = Element::round;
  /// Blocks and tiles of a layer that one warp has: 16 columns, 8 columns.
  static constexpr int blocks(int width) { return Team::share(width / 16); }
  static constexpr int tiles(int width) { return 2 * blocks(width); }

 public:
  __device__ ResidentTile(const ResidentArguments& args, const ResidentShared<Element, N, team>& shared, Stream& stream)
      : args_(args),
        shared_(shared),
        stream_(stream),
        team_(shared.exchange),
        memory_(memory_of(args)),
        residual_(args, memory_),
        rows_(args, static_cast<int>(threadIdx.x) % device::warp_lanes),
        lane_(static_cast<int>(threadIdx.x) % device::warp_lanes),
        member_(lane_ % 4) {}

  __device__ __forceinline__ void search(int tile) {
    load(tile);
    stream_.open_generator(first_part_panel);
    for (int step = 0;; ++step) {
      const bool last = step == args_.steps;
      Pair g[N::columns / 16][4];
      generate(g, step == 0 || last || missing_ || (general && args_.residual_distance == Distance::l2));
      Pair d2[N::d2 / 16][4];
      judge(g, d2, step == 0);
      if (last || needs_row_factors()) examine(d2, false, last ? generator_panel : feature_panel);
      if (last) break;
      float gradient[tiles(N::columns)][4] = {};
      feature_gradient(d2, gradient);
      residual_.add_gradient(gradient, team_);
      pack_gradient(g, gradient);
      float dz[N::latent / 8][4] = {};
      descend(g, dz);
      update(dz, args_.schedule[step]);
    }
    store(tile);
  }

  /// The first of this warp's 16 rows of z.
  __device__ int first_row_of(int tile) const { return rows_.first_row_of(tile); }

 private:
  __device__ static ResidentMemory<N> memory_of(const ResidentArguments& args) {
    const int warp = team > 1 ? 0 : static_cast<int>(threadIdx.x) / device::warp_lanes;
    const std::int64_t slot = static_cast<std::int64_t>(blockIdx.x) * args.warps + warp;
    return {args.lane_memory + slot * ResidentMemory<N>::quads + threadIdx.x % device::warp_lanes};
  }

  template <int width>
  using Bits = std::conditional_t<(blocks(width) > 4), std::uint64_t, std::uint32_t>;

  /// The lane's number, from an instruction that is not hoisted out of loops: else the addresses of all layers, which
  /// depend on the lane alone, would be kept in registers through all steps.
  __device__ __forceinline__ int fresh_lane() const { return __shfl_sync(device::full_warp, lane_, lane_); }

  /// Every row's sums start from the bias of their columns.
  __device__ __forceinline__ void start(float (&sum)[4], const float4* bias, int tile) const {
    const float4 quad = bias[4 * tile + member_];
    sum[0] = quad.x;
    sum[1] = quad.y;
    sum[2] = quad.z;
    sum[3] = quad.w;
  }
  /// The sums of the warp's share of a layer.
  template <int count>
  __device__ __forceinline__ void start_share(float (&sum)[count][4], const float4* bias) const {
#pragma unroll
    for (int t = 0; t < count; ++t) start(sum[t], bias, 2 * team_.block(t / 2) + t % 2);
  }
  __device__ __forceinline__ void start_round(float (&sum)[round / 8][4], const float4* bias, int b) const {
#pragma unroll
    for (int t = 0; t < round / 8; ++t) start(sum[t], bias, round / 8 * b + t);
  }
  // ---- one step ---------------------------------------------------------------------------------------------------

  /// G(z), the signs of its hidden units, and the residual.
  __device__ __forceinline__ void generate(Pair (&g)[N::columns / 16][4], bool keep) {
    float h2[tiles(N::g2)][4];
    hidden(h2);
    Pair h[N::g2 / 16][4];
    h2_positive_ = team_.template activate<Bits<N::g2>>(h, h2, args_.layer[1].slope);
    residual_.clear();
    const int lane_offset = N::G3::forward_lane(fresh_lane());
    Pair own[blocks(N::columns)][4];
#pragma unroll
    for (int i = 0; i < Team::share(N::columns / round); ++i) {
      const int b = team_.block(i);
      float sum[round / 8][4];
      start_round(sum, shared_.g3_bias, b);
      reduce_round<Element, typename N::G3, false>(sum, h, shared_.g3, lane_offset, round * b);
#pragma unroll
      for (int t = 0; t < round / 8; ++t) residual_.note(sum[t], round / 8 * i + t, round / 8 * b + t, keep);
#pragma unroll
      for (int j = 0; j < round / 16; ++j) Rounds::pack(own[round / 16 * i + j], sum[2 * j], sum[2 * j + 1]);
    }
    team_.gather(g, own);
  }

  __device__ __forceinline__ void hidden(float (&h2)[tiles(N::g2)][4]) {
    Pair z[N::latent / 16][4];
#pragma unroll
    for (int b = 0; b < N::latent / 16; ++b) Rounds::pack(z[b], z_[2 * b], z_[2 * b + 1]);
    start_share(h2, shared_.g2_bias);
    h1_positive_ = 0;
    const int lane = fresh_lane(), first = N::G1::forward_lane(lane), second = N::G2::forward_lane(lane);
    const auto produce = [&](Pair(&a)[round / 16][4], int b, int i) {
      float sum[round / 8][4];
      start_round(sum, shared_.g1_bias, b);
      reduce_round<Element, typename N::G1, false>(sum, z, shared_.g1, first, round * b);
      h1_positive_ |= static_cast<Bits<N::g1>>(Rounds::activate_round(sum, args_.layer[0].slope)) << (round / 2 * i);
      Rounds::pack(a, sum);
    };
    team_.template through<typename N::G2, false, N::g1 / round>(h2, shared_.g2, second, produce);
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
        examine(d2, true, first_part_panel);
        recall(g);
      }
    }
  }

  /// Replaces G(z) by the query, except at missing cells.
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
      Rounds::pack(g[b], {left.x, left.y, left.z, left.w}, {right.x, right.y, right.z, right.w});
    }
  }

  /// The discriminator's first two layers.
  __device__ __forceinline__ void look(const Pair (&g)[N::columns / 16][4], Pair (&d2)[N::d2 / 16][4]) {
    float sum2[tiles(N::d2)][4];
    start_share(sum2, shared_.d2_bias);
    const int lane = fresh_lane(), first = N::D1::forward_lane(lane), second = N::D2::forward_lane(lane);
    const auto produce = [&](Pair(&a)[round / 16][4], int b, int i) {
      float sum[round / 8][4];
      start_round(sum, shared_.d1_bias, b);
      reduce_round<Element, typename N::D1, false>(sum, g, shared_.d1, first, N::in_part(round * b));
      shared_.mask[i * resident_threads(team) + threadIdx.x] =
          static_cast<typename ResidentShared<Element, N, team>::Mask>(
              Rounds::activate_round(sum, args_.layer[3].slope));
      Rounds::pack(a, sum);
    };
    team_.template through<typename N::D2, false, N::d1 / round, N::parts>(
        sum2, shared_.d2, second, produce, [&](int part) { stream_.open_part(part, feature_panel); });
    d2_positive_ = team_.template activate<Bits<N::d2>>(d2, sum2, args_.layer[4].slope);
  }

  /// A round of the features, before the activation.
  __device__ __forceinline__ void feature_block(const Pair (&d2)[N::d2 / 16][4], int lane_offset, int b,
                                                float (&sum)[round / 8][4]) {
    start_round(sum, shared_.d3_bias, b);
    reduce_round<Element, typename N::D3, false>(sum, d2, shared_.d3, lane_offset, round * b);
  }

  /// Stores the features as the query's, or sums the distance and the logit for losses and row factors. `next`: the
  /// next panel.
  __device__ __forceinline__ void examine(const Pair (&d2)[N::d2 / 16][4], bool of_query, int next) {
    stream_.open_features(next);
    const int lane_offset = N::D3::forward_lane(fresh_lane());
    feature_sum_[0] = feature_sum_[1] = logit_[0] = logit_[1] = 0.0f;
#pragma unroll 1
    for (int b = 0; b < N::d3 / round; ++b) {
      float sum[round / 8][4];
      feature_block(d2, lane_offset, b, sum);
      Rounds::activate_round(sum, args_.layer[5].slope);
#pragma unroll
      for (int t = 0; t < round / 8; ++t) {
        const float(&f)[4] = sum[t];
        if (of_query) {
          if (team_.owns(b)) memory_.features(round / 8 * b + t) = make_float4(f[0], f[1], f[2], f[3]);
        } else {
          sum_features(f, round / 8 * b + t);
        }
      }
    }
    if (of_query) return;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      feature_sum_[half] = resident::quad_sum(feature_sum_[half]);
      if (general) logit_[half] = resident::quad_sum(logit_[half]) + shared_.logit[N::d3];
    }
  }
  __device__ __forceinline__ void sum_features(const float (&f)[4], int tile) {
    const float4 wanted = args_.features ? memory_.features(tile) : make_float4(f[0], f[1], f[2], f[3]);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float delta = f[i] - resident::component(wanted, i);
      float& sum = feature_sum_[i / 2];
      sum = !general || args_.feature_distance == Distance::l1 ? sum + fabsf(delta) : multiply_add(delta, delta, sum);
      if (general) {
        logit_[i / 2] = multiply_add(f[i], shared_.logit[8 * tile + 2 * member_ + i % 2], logit_[i / 2]);
      }
    }
  }

  /// From the features back to G(z): 16 features at a time, and 16 units of the first layer at a time.
  __device__ __forceinline__ void feature_gradient(const Pair (&d2)[N::d2 / 16][4],
                                                   float (&gradient)[tiles(N::columns)][4]) {
    float sum2[tiles(N::d2)][4] = {};
    stream_.open_features(first_part_panel);
    if constexpr (general) set_row_factors();
    int lane = fresh_lane();
    const int forward = N::D3::forward_lane(lane), backward = N::D3::backward_lane(lane);
    const auto produce_features = [&](Pair(&a)[round / 16][4], int b, int) {
      float sum[round / 8][4];
      feature_block(d2, forward, b, sum);
      const bool wants = !general || args_.features;
      const unsigned bits = Rounds::activate_round(sum, args_.layer[5].slope);
#pragma unroll
      for (int t = 0; t < round / 8; ++t) {
        const int tile = round / 8 * b + t;
        const float4 wanted = wants ? memory_.features(tile) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll
        for (int i = 0; i < 4; ++i)
          sum[t][i] = one_feature_gradient(sum[t][i], resident::component(wanted, i), tile, i);
      }
      Rounds::derive_round(sum, args_.layer[5].slope, bits);
      Rounds::pack(a, sum);
    };
    team_.template through<typename N::D3, true, N::d3 / round>(sum2, shared_.d3, backward, produce_features);
    Pair d2_gradient[N::d2 / 16][4];
    team_.derive(d2_gradient, sum2, args_.layer[4].slope, d2_positive_);
    lane = fresh_lane();
    const int second = N::D2::backward_lane(lane), first = N::D1::backward_lane(lane);
    const auto produce = [&](Pair(&a)[round / 16][4], int b, int i) {
      const unsigned bits = shared_.mask[i * resident_threads(team) + threadIdx.x];
      float sum[round / 8][4] = {};
      reduce_round<Element, typename N::D2, true>(sum, d2_gradient, shared_.d2, second, N::in_part(round * b));
      Rounds::derive_round(sum, args_.layer[3].slope, bits);
      Rounds::pack(a, sum);
    };
    team_.template through<typename N::D1, true, N::d1 / round, N::parts>(
        gradient, shared_.d1, first, produce, [&](int part) { stream_.open_part(part, generator_panel); });
  }

  __device__ bool needs_row_factors() const {
    return general && (args_.logit.weight != nullptr || args_.feature_distance == Distance::l2);
  }
  /// Computes the factors of a row's feature gradients, before the first gradient.
  __device__ __forceinline__ void set_row_factors() {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float norm = args_.feature_distance == Distance::l2 ? sqrtf(feature_sum_[half]) : 1.0f;
      feature_factor_[half] = args_.feature_distance == Distance::squared ? 2.0f * args_.lambda
                              : norm > 0.0f                               ? args_.lambda / norm
                                                                          : 0.0f;
      if (!args_.features) feature_factor_[half] = 0.0f;
      const float p = logistic_scalar(logit_[half]);
      logit_factor_[half] = -args_.prior_weight * p + (args_.cross_entropy ? args_.lambda * (p - 1.0f) : 0.0f);
    }
  }
  __device__ __forceinline__ float one_feature_gradient(float feature, float wanted, int tile, int i) const {
    const float delta = feature - wanted;
    if constexpr (!general) {
      return resident::sign_times(delta, args_.lambda);
    } else {
      const float difference = args_.feature_distance == Distance::l1 ? resident::sign_times(delta, 1.0f) : delta;
      return logit_factor_[i / 2] * shared_.logit[rows_.column_of(tile, i)] + difference * feature_factor_[i / 2];
    }
  }

  __device__ __forceinline__ void pack_gradient(Pair (&packed)[N::columns / 16][4],
                                                const float (&gradient)[tiles(N::columns)][4]) {
    Pair own[blocks(N::columns)][4];
#pragma unroll
    for (int i = 0; i < blocks(N::columns); ++i) Rounds::pack(own[i], gradient[2 * i], gradient[2 * i + 1]);
    team_.gather(packed, own);
  }

  /// From G(z)'s gradient to z's.
  __device__ __forceinline__ void descend(const Pair (&g)[N::columns / 16][4], float (&dz)[N::latent / 8][4]) {
    float sum1[tiles(N::g1)][4] = {};
    stream_.open_generator(first_part_panel);  // stays open for the next step
    int lane = fresh_lane();
    const int third = N::G3::backward_lane(lane), second = N::G2::backward_lane(lane);
    const auto produce = [&](Pair(&a)[round / 16][4], int b, int i) {
      float sum[round / 8][4] = {};
      reduce_round<Element, typename N::G3, true>(sum, g, shared_.g3, third, round * b);
      Rounds::derive_round(sum, args_.layer[1].slope, static_cast<unsigned>(h2_positive_ >> (round / 2 * i)));
      Rounds::pack(a, sum);
    };
    team_.template through<typename N::G2, true, N::g2 / round>(sum1, shared_.g2, second, produce);
    lane = fresh_lane();
    const int first = N::G1::backward_lane(lane);
    Pair h1[N::g1 / 16][4];
    team_.derive(h1, sum1, args_.layer[0].slope, h1_positive_);
    // From here on every warp does all: z is small.
#pragma unroll
    for (int b = 0; b < N::g1 / round; ++b) {
      Pair a[round / 16][4];
#pragma unroll
      for (int i = 0; i < round / 16; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) a[i][j] = h1[round / 16 * b + i][j];
      }
      spread_round<Element, typename N::G1, true>(dz, a, shared_.g1, first, round * b);
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

  __device__ __forceinline__ void load(int tile) {
    bool missing = false;
#pragma unroll 1
    for (int half = 0; half < 2 && team_.leads(); ++half) {
      const int row = rows_.row_of(tile, half), model = rows_.model_of(tile);
      const float* x = args_.x.model(model).row(row / args_.restarts);
      missing = rows_.fetch(&memory_.x(0), x, rows_.width_of(row, args_.x.columns), half, N::columns / 8) || missing;
      rows_.fetch(&memory_.generated(0), args_.z.model(model).row(row), rows_.width_of(row, args_.z.columns), half,
                  N::latent / 8);
    }
    missing_ =
        warps_meet<Element, N, team> ? __syncthreads_or(missing) != 0 : __any_sync(device::full_warp, missing) != 0;
#pragma unroll
    for (int t = 0; t < N::latent / 8; ++t) {
      const float4 z = memory_.generated(t);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        z_[t][i] = resident::component(z, i);
        first_moment_[t][i] = second_moment_[t][i] = 0.0f;
      }
    }
  }

  __device__ __forceinline__ void store(int tile) {
    Team::meet();  // all have read the features that z now takes the place of
    if (!team_.leads()) return;
    float square[2] = {};
#pragma unroll
    for (int t = 0; t < N::latent / 8; ++t) {
      memory_.features(t) = make_float4(z_[t][0], z_[t][1], z_[t][2], z_[t][3]);
#pragma unroll
      for (int i = 0; i < 4; ++i) square[i / 2] = multiply_add(z_[t][i], z_[t][i], square[i / 2]);
    }
#pragma unroll 1
    for (int half = 0; half < 2; ++half) {
      const int row = rows_.row_of(tile, half), model = rows_.model_of(tile);
      store_losses(model, row, half, resident::quad_sum(half == 0 ? square[0] : square[1]));
      rows_.deliver(&memory_.features(0), args_.z.model(model).row(row), rows_.width_of(row, args_.z.columns), half,
                    N::latent / 8);
      if (args_.reconstruction.data == nullptr) continue;
      rows_.deliver(&memory_.generated(0), args_.reconstruction.model(model).row(row),
                    rows_.width_of(row, args_.x.columns), half, N::columns / 8);
    }
  }

  __device__ __forceinline__ void store_losses(int model, int row, int half, float square) {
    const float residual = residual_.of_row(half), logit = half == 0 ? logit_[0] : logit_[1];
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

  const ResidentArguments& args_;
  const ResidentShared<Element, N, team>& shared_;
  Stream& stream_;
  Team team_;
  ResidentMemory<N> memory_;
  ResidentResidual<Element, N, general, team> residual_;
  ResidentRows<team> rows_;
  int lane_, member_;
  bool missing_ = false;
  float z_[N::latent / 8][4], first_moment_[N::latent / 8][4], second_moment_[N::latent / 8][4];
  Bits<N::g1> h1_positive_;
  Bits<N::g2> h2_positive_;
  Bits<N::d2> d2_positive_;
  float feature_sum_[2] = {}, logit_[2] = {};
  float feature_factor_[2], logit_factor_[2];
};

}  // namespace cugad::cuda
