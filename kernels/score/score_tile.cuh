#pragma once

#include "kernels/latent_search/resident_rounds.cuh"
#include "kernels/latent_search/search_terms.hpp"
#include "kernels/latent_search/weight_stream.cuh"
#include "kernels/score/score_networks.cuh"

/// The score of 32 rows by one warp, in registers. As in the resident search (resident_tile.cuh) the accumulators of
/// two adjacent 16 x 8 tiles are the operand of the next product, and two layers are chained through 16 columns of the
/// layer between them, in brackets:
///
///   x -> e1 -> [e2] -> z -> [h1] -> h2 -> G(z), residual     G(z), then x -> [d1] -> d2 -> [features]
///
/// There is no way back, so registers hold two groups of 16 rows: each fragment of a weight is read once for both.
namespace cugad::cuda {

template <class Element, class N>
class ScoreTile {
  using Word = typename Element::Word;
  using Rounds = ResidentRounds<Element>;
  static constexpr int groups = score_groups;
  static_assert(Element::round == 16);

  template <int width>
  struct Operand {
    typename Element::Pair at[groups][width / 16][4];
  };
  template <int width>
  struct Sums {
    float at[groups][width / 8][4];
  };

 public:
  using Stream = WeightStream<Word, N::panel_words, score_panels<N>, 0>;

  __device__ ScoreTile(const ScoreArguments& args, const ScoreShared<Element, N>& shared, Stream& stream, int tile)
      : args_(args),
        shared_(shared),
        stream_(stream),
        lane_(static_cast<int>(threadIdx.x) % device::warp_lanes),
        member_(lane_ % 4),
        model_(tile / args.tiles_per_model) {
    const int warp = static_cast<int>(threadIdx.x) / device::warp_lanes, warps = blockDim.x / device::warp_lanes;
    first_row_ = static_cast<std::int64_t>(tile % args.tiles_per_model * warps + warp) * score_warp_rows;
    const std::int64_t slot = static_cast<std::int64_t>(blockIdx.x) * warps + warp;
    memory_ = args.lane_memory + slot * quads + lane_;
  }

  /// The panel with which every tile begins.
  __device__ static int first_panel(const ScoreArguments& args) {
    return args.layer[encoder_layers].weight != nullptr ? first_code_panel : code_panel;
  }

  __device__ __forceinline__ void score() {
    Operand<N::columns> row;
    take_query<false>(row);
    encode(row);
    if (args_.features || args_.cross_entropy) {
      // G(z) first: it fills missing cells of x.
#pragma unroll 1
      for (int pass = 0; pass < (args_.features ? 2 : 1); ++pass) {
        if (pass == 1) take_query<true>(row);
        judge(row, pass);
      }
    }
    store_losses();
    deliver(args_.reconstruction, N::columns / 8, false);
    deliver(args_.feature_residual, N::columns / 8, true);
  }

  /// Quads that a warp keeps in global memory.
  static constexpr int quads = (N::d3 + N::columns) / 8 * groups * device::warp_lanes;

 private:
  // ---- products ---------------------------------------------------------------------------------------------------

  template <int width>
  __device__ __forceinline__ void start(Sums<width>& sum, int layer, int first_column) const {
#pragma unroll
    for (int t = 0; t < width / 8; ++t) {
      const float4 quad = shared_.bias[layer][(first_column + 8 * t) / 2 + member_];
#pragma unroll
      for (int g = 0; g < groups; ++g) {
        sum.at[g][t][0] = quad.x;
        sum.at[g][t][1] = quad.y;
        sum.at[g][t][2] = quad.z;
        sum.at[g][t][3] = quad.w;
      }
    }
  }

  template <int width>
  __device__ __forceinline__ static void multiply(Sums<width>& sum, int t, int g, const typename Element::Pair (&a)[4],
                                                  const typename Element::Pair (&b)[4]) {
    Element::multiply(sum.at[g][t], a, {b[0], b[1]});
    Element::multiply(sum.at[g][t + 1], a, {b[2], b[3]});
  }

  /// 16 columns, from `at`, of a layer.
  template <class Matrix>
  __device__ __forceinline__ void reduce(Sums<16>& sum, const Operand<Matrix::in>& from, const Word* weight,
                                         int lane_offset, int at) const {
#pragma unroll
    for (int k = 0; k < Matrix::in / 16; ++k) {
      typename Element::Pair b[4];
      Element::load(b, weight + Matrix::block(lane_offset, at, 16 * k));
#pragma unroll
      for (int g = 0; g < groups; ++g) multiply(sum, 0, g, from.at[g][k], b);
    }
  }

  template <int width>
  __device__ __forceinline__ static void activate(Sums<width>& sum, float slope) {
#pragma unroll
    for (int g = 0; g < groups; ++g) {
#pragma unroll
      for (int t = 0; t < width / 8; ++t) Rounds::activate(sum.at[g][t], slope);
    }
  }
  template <int width>
  __device__ __forceinline__ static void pack(Operand<width>& to, const Sums<width>& from) {
#pragma unroll
    for (int g = 0; g < groups; ++g) {
#pragma unroll
      for (int b = 0; b < width / 16; ++b) Rounds::pack(to.at[g][b], from.at[g][2 * b], from.at[g][2 * b + 1]);
    }
  }

  /// total += the products of `rounds` times 16 units of layer `layer`, from `first_unit`, for the next layer.
  template <class First, class Second>
  __device__ __forceinline__ void chain(Sums<Second::out>& total, const Operand<First::in>& from, int layer,
                                        const Word* weight, int first_unit, int rounds) const {
    const int first = First::forward_lane(lane_), second = Second::forward_lane(lane_);
    const Word* behind = weight + First::elements;
#pragma unroll 1
    for (int b = 0; b < rounds; ++b) {
      Sums<16> sum;
      start(sum, layer, first_unit + 16 * b);
      reduce<First>(sum, from, weight, first, 16 * b);
      activate(sum, args_.layer[layer].slope);
      Operand<16> a;
      pack(a, sum);
#pragma unroll
      for (int n = 0; n < Second::out / 16; ++n) {
        typename Element::Pair weights[4];
        Element::load(weights, behind + Second::block(second, 16 * n, 16 * b));
#pragma unroll
        for (int g = 0; g < groups; ++g) multiply(total, 2 * n, g, a.at[g][0], weights);
      }
    }
  }

  /// A layer whose input and output both stay: body(sum, first column) ends 16 columns.
  template <class Matrix, class Body>
  __device__ __forceinline__ void whole(Operand<Matrix::out>& to, const Operand<Matrix::in>& from, int layer,
                                        const Word* weight, const Body& body) const {
    const int lane_offset = Matrix::forward_lane(lane_);
#pragma unroll
    for (int b = 0; b < Matrix::out / 16; ++b) {
      Sums<16> sum;
      start(sum, layer, 16 * b);
      reduce<Matrix>(sum, from, weight, lane_offset, 16 * b);
      body(sum, 16 * b);
#pragma unroll
      for (int g = 0; g < groups; ++g) Rounds::pack(to.at[g][b], sum.at[g][0], sum.at[g][1]);
    }
  }

  /// How many times 16 units of a layer there are; of an identity as many as its input may have.
  __device__ int rounds_of(int layer, int in, int out) const {
    return ((args_.layer[layer].weight != nullptr ? args_.layer[layer].out : min(in, out)) + 15) / 16;
  }

  // ---- the networks -----------------------------------------------------------------------------------------------

  /// From x to G(z), which takes its place.
  __device__ __forceinline__ void encode(Operand<N::columns>& row) {
    if (args_.layer[encoder_layers].weight != nullptr) {
      const Word* weight = stream_.open(code_panel);
      Operand<N::columns> next;
      const float slope = args_.layer[encoder_layers].slope;
      whole<typename N::E1>(next, row, encoder_layers, weight, [&](Sums<16>& sum, int) { activate(sum, slope); });
      row = next;
    }
    Operand<N::latent> z;
    {
      Sums<N::latent> sum;
      start(sum, encoder_layers + 2, 0);
      const Word* weight = stream_.open(hidden_panel);
      chain<typename N::E2, typename N::E3>(sum, row, encoder_layers + 1, weight, 0,
                                            rounds_of(encoder_layers + 1, N::e1, N::e2));
      activate(sum, args_.layer[encoder_layers + 2].slope);
      if (args_.latent) {
#pragma unroll
        for (int i = 0; i < N::latent / 8 * groups; ++i)
          kept(generated_at, i / groups, i % groups) = quad_of(sum.at[i % groups][i / groups]);
        deliver(args_.latent, N::latent / 8, false);
      }
      pack(z, sum);
    }
    Operand<N::g2> hidden;
    {
      Sums<N::g2> sum;
      start(sum, generator_layers + 1, 0);
      const Word* weight = stream_.open(output_panel);
      chain<typename N::G1, typename N::G2>(sum, z, generator_layers, weight, 0,
                                            rounds_of(generator_layers, N::latent, N::g1));
      activate(sum, args_.layer[generator_layers + 1].slope);
      pack(hidden, sum);
    }
    const bool judges = args_.features || args_.cross_entropy;
    const Word* weight = stream_.open(judges ? first_score_part : first_panel(args_));
    const Query x = query();
    whole<typename N::G3>(row, hidden, generator_layers + 2, weight,
                          [&](Sums<16>& sum, int column) { compare(x, sum, column); });
  }

  /// The discriminator: pass 0 looks at G(z), pass 1 at x.
  __device__ __forceinline__ void judge(const Operand<N::columns>& row, int pass) {
    const int units = 16 * rounds_of(discriminator_layers, N::columns, N::d1);
    Operand<N::d2> d2;
    {
      Sums<N::d2> sum;
      start(sum, discriminator_layers + 1, 0);
#pragma unroll 1
      for (int unit = 0; unit < units; unit += N::part) {
        const int part = first_score_part + unit / N::part;
        const Word* weight = stream_.open(unit + N::part < units ? part + 1 : static_cast<int>(score_features_panel));
        chain<typename N::D1, typename N::D2>(sum, row, discriminator_layers, weight, unit,
                                              min(N::part, units - unit) / 16);
      }
      activate(sum, args_.layer[discriminator_layers + 1].slope);
      pack(d2, sum);
    }
    const bool last = pass == 1 || !args_.features;
    const Word* weight = stream_.open(last ? first_panel(args_) : static_cast<int>(first_score_part));
    const int lane_offset = N::D3::forward_lane(lane_), rounds = rounds_of(discriminator_layers + 2, N::d2, N::d3);
#pragma unroll 1
    for (int b = 0; b < rounds; ++b) {
      Sums<16> sum;
      start(sum, discriminator_layers + 2, 16 * b);
      reduce<typename N::D3>(sum, d2, weight, lane_offset, 16 * b);
      activate(sum, args_.layer[discriminator_layers + 2].slope);
      note_features(sum, 16 * b, pass);
    }
  }

  // ---- elements: a lane holds those of two rows of a group, 8 apart, 0, 1 and 2, 3 of a tile of 8 columns
  // -------------

  static constexpr int lane_rows = 2 * groups;

  /// Of the lane's row `i`: 8 apart.
  __device__ std::int64_t row_of(int i) const { return first_row_ + 8 * i + lane_ / 4; }
  __device__ int column_of(int tile, int i) const { return 8 * tile + 2 * member_ + i % 2; }

  /// The lane's rows of x, from its first column on. Rows beyond the last one repeat it, and their results are not
  /// stored.
  struct Query {
    const float* row[lane_rows];
    int columns;
    __device__ float2 pair(int i, int offset) const {
      return {offset < columns ? row[i][offset] : 0.0f, offset + 1 < columns ? row[i][offset + 1] : 0.0f};
    }
  };
  __device__ __forceinline__ Query query() const {
    // From an instruction that is not moved out of loops: else all addresses would be kept through them.
    const int lane = __shfl_sync(device::full_warp, lane_, lane_), first_column = 2 * (lane % 4);
    Query found;
#pragma unroll
    for (int i = 0; i < lane_rows; ++i) {
      const std::int64_t row = first_row_ + 8 * i + lane / 4, last = args_.x.rows - 1;
      found.row[i] = args_.x.model(model_).row(row < last ? row : last) + first_column;
    }
    found.columns = static_cast<int>(args_.x.columns) - first_column;
    return found;
  }
  __device__ static float present(float cell, float instead) { return cell == cell ? cell : instead; }

  /// x as an operand; missing cells are 0, or if x `is_filled` those of G(z).
  template <bool is_filled>
  __device__ __forceinline__ void take_query(Operand<N::columns>& row) {
    const Query x = query();
    bool missing = false;
#pragma unroll
    for (int t = 0; t < N::columns / 8; ++t) {
#pragma unroll
      for (int i = 0; i < lane_rows; ++i) {
        const float2 cells = x.pair(i, 8 * t);
        float2 instead = {0.0f, 0.0f};
        if (is_filled && has_missing_) instead = kept_pair(t, i);
        missing = missing || cells.x != cells.x || cells.y != cells.y;
        row.at[i / 2][t / 2][t % 2 * 2 + i % 2] =
            Element::pack(present(cells.x, instead.x), present(cells.y, instead.y));
      }
      if (t % 4 == 3) __syncwarp();  // else all cells would be under way at once, and no register left
    }
    if (!is_filled) has_missing_ = __any_sync(device::full_warp, missing) != 0;
  }

  /// 16 columns of G(z) beside x.
  __device__ __forceinline__ void compare(const Query& x, const Sums<16>& generated, int first_column) {
    const bool keeps = args_.reconstruction || args_.feature_residual || (args_.features && has_missing_);
#pragma unroll
    for (int t = 0; t < 2; ++t) {
#pragma unroll
      for (int i = 0; i < lane_rows; ++i) {
        const float2 cells = x.pair(i, first_column + 8 * t);
        const float(&g)[4] = generated.at[i / 2][t];
        add(residual_[i], difference(cells.x, g[i % 2 * 2]), args_.residual_distance);
        add(residual_[i], difference(cells.y, g[i % 2 * 2 + 1]), args_.residual_distance);
      }
#pragma unroll
      for (int g = 0; g < groups && keeps; ++g)
        kept(generated_at, first_column / 8 + t, g) = quad_of(generated.at[g][t]);
    }
  }
  /// |x - G(z)| of a cell, 0 if it is missing.
  __device__ __forceinline__ static float difference(float cell, float generated) {
    return cell == cell ? fabsf(generated - cell) : 0.0f;
  }
  __device__ __forceinline__ static void add(float& sum, float difference, Distance distance) {
    sum = distance == Distance::l1 ? sum + difference : multiply_add(difference, difference, sum);
  }

  // ---- the lane's global memory, in the second-level cache
  // -----------------------------------------------------------

  static constexpr int features_at = 0, generated_at = N::d3 / 8;
  __device__ float4& kept(int area, int tile, int group) const {
    return memory_[((area + tile) * groups + group) * device::warp_lanes];
  }
  /// Of G(z) in the lane's row `i`.
  __device__ float2 kept_pair(int tile, int i) const {
    return reinterpret_cast<const float2*>(&kept(generated_at, tile, i / 2))[i % 2];
  }
  __device__ static float4 quad_of(const float (&f)[4]) { return make_float4(f[0], f[1], f[2], f[3]); }

  /// Rows of an output from the lane's memory: of G(z), or its distance from x.
  __device__ __forceinline__ void deliver(const StackView<float>& to, int tiles, bool distances) const {
    if (!to) return;
#pragma unroll 1
    for (int i = 0; i < lane_rows * tiles; ++i) {
      const int tile = i / lane_rows;
      const std::int64_t row = row_of(i % lane_rows);
      if (row >= args_.x.rows) continue;
      const float2 pair = kept_pair(tile, i % lane_rows);
      const float* x = args_.x.model(model_).row(row);
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int column = column_of(tile, e);
        const float value = e == 0 ? pair.x : pair.y;
        if (column < to.columns) to.model(model_).row(row)[column] = distances ? difference(x[column], value) : value;
      }
    }
  }

  /// Keeps the features of G(z), or sums its logit; compares those of x.
  __device__ __forceinline__ void note_features(const Sums<16>& sum, int first_column, int pass) {
#pragma unroll
    for (int g = 0; g < groups; ++g) {
#pragma unroll
      for (int t = 0; t < 2; ++t) {
        const float(&f)[4] = sum.at[g][t];
        float4& features = kept(features_at, first_column / 8 + t, g);
        if (args_.cross_entropy) {
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            float& logit = discrimination_[2 * g + e / 2];
            logit = multiply_add(f[e], shared_.logit[first_column + column_of(t, e)], logit);
          }
        } else if (pass == 0) {
          features = quad_of(f);
        } else {
          const float4 wanted = features;
          add(discrimination_[2 * g], fabsf(f[0] - wanted.x), args_.feature_distance);
          add(discrimination_[2 * g], fabsf(f[1] - wanted.y), args_.feature_distance);
          add(discrimination_[2 * g + 1], fabsf(f[2] - wanted.z), args_.feature_distance);
          add(discrimination_[2 * g + 1], fabsf(f[3] - wanted.w), args_.feature_distance);
        }
      }
    }
  }

  __device__ __forceinline__ void store_losses() const {
#pragma unroll
    for (int i = 0; i < lane_rows; ++i) {
      float residual = resident::quad_sum(residual_[i]), discrimination = resident::quad_sum(discrimination_[i]);
      if (args_.residual_distance == Distance::l2) residual = sqrtf(residual);
      if (args_.cross_entropy) {
        discrimination = softplus(-(discrimination + shared_.logit[N::d3]));
      } else if (args_.feature_distance == Distance::l2) {
        discrimination = sqrtf(discrimination);
      }
      const std::int64_t row = row_of(i);
      if (member_ != 0 || row >= args_.x.rows) continue;
      if (args_.residual) *args_.residual.model(model_).row(row) = residual;
      if (args_.discrimination) *args_.discrimination.model(model_).row(row) = discrimination;
      if (args_.loss)
        *args_.loss.model(model_).row(row) = (1.0f - args_.lambda) * residual + args_.lambda * discrimination;
    }
  }

  const ScoreArguments& args_;
  const ScoreShared<Element, N>& shared_;
  Stream& stream_;
  int lane_, member_, model_;
  std::int64_t first_row_;
  float4* memory_;
  bool has_missing_ = false;  ///< a cell of the warp's rows
  float residual_[2 * groups] = {}, discrimination_[2 * groups] = {};
};

/// Each block takes a run of tiles, as in the search. All warps meet at every panel, also those without rows.
template <class Element, class N>
__global__ void __launch_bounds__(score_threads, 1) resident_score_kernel(const __grid_constant__ ScoreArguments args) {
  using Tile = ScoreTile<Element, N>;
  const ScoreShared<Element, N> shared;
  typename Tile::Stream stream(shared.panels, args.panels);
  const int begin = first_tile(args.tiles, blockIdx.x), end = first_tile(args.tiles, blockIdx.x + 1);
  for (int tile = begin; tile < end; ++tile) {
    if (tile == begin || tile % args.tiles_per_model == 0) {
      const int model = tile / args.tiles_per_model;
      stream.finish();
      __syncthreads();
#pragma unroll
      for (int l = 0; l < score_layers; ++l)
        load_padded<Element>(nullptr, shared.bias[l], args.layer[l], model, score_width<N>(l), 1);
      load_logit(shared.logit, args.logit, model, N::d3, static_cast<int>(blockDim.x));
      stream.begin(model, Tile::first_panel(args));
    }
    Tile(args, shared, stream, tile).score();
  }
  stream.finish();
}

}  // namespace cugad::cuda
