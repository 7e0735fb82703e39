#pragma once

#include <algorithm>

#include "cugad/ops.hpp"
#include "kernels/latent_search/resident_weights.cuh"

/// The networks of the resident search: a generator of three layers and a discriminator of three hidden ones, with
/// compile-time widths. Narrower networks are padded with zeros and shallower ones with identity layers in front, both
/// of which change no result. `streamed`: G's first two layers stay in shared memory, the rest passes through it in
/// panels (resident_stream.cuh).
namespace cugad::cuda {

/// Threads of a block: a team of warps that search the same rows, or 8 warps, of which `warps` search rows of their
/// own. All of them load weights.
constexpr int resident_threads(int team) { return team > 1 ? team * device::warp_lanes : 256; }
constexpr int resident_layers = 6;

template <int latent_, int g1_, int g2_, int columns_, int d1_, int d2_, int d3_, bool streamed_ = false>
struct ResidentNetworks {
  static constexpr int latent = latent_, g1 = g1_, g2 = g2_, columns = columns_, d1 = d1_, d2 = d2_, d3 = d3_;
  static constexpr bool streamed = streamed_;
  using Streamed = ResidentNetworks<latent, g1, g2, columns, d1, d2, d3, true>;
  /// Units of D's first layer that are in shared memory at a time, with their columns of the second.
  static constexpr int d1_part = streamed ? 64 : d1, parts = d1 / d1_part;
  static constexpr int in_part(int unit) { return streamed ? unit % d1_part : unit; }
  static_assert(g1 <= 128 && g2 <= 128 && d2 <= 128, "masks of a row's hidden layers are at most 64 bits per lane");
  using G1 = ResidentMatrix<g1, latent>;
  using G2 = ResidentMatrix<g2, g1>;
  using G3 = ResidentMatrix<columns, g2>;
  using D1 = ResidentMatrix<d1_part, columns>;
  using D2 = ResidentMatrix<d2, d1_part>;
  using D3 = ResidentMatrix<d3, d2>;
  /// Words of a panel: G's last layer, D's third, or a part of D's first two; bases are multiples of 1,024 bytes.
  static constexpr int panel_words =
      (std::max({G3::elements, D3::elements, D1::elements + D2::elements}) + 511) / 512 * 512;
};

/// A layer in global memory.
struct ResidentLayer {
  const float* weight = nullptr;  ///< null: the identity
  const float* bias = nullptr;
  std::int64_t model_stride = 0;
  int in = 0, out = 0;
  float slope = 1.0f;  ///< for negative sums, at most 1: 0 is ReLU, 1 no activation
};

/// A lane's part of a block of 16 columns, as an operand of a product.
template <class Element>
struct alignas(16) ResidentBlock {
  typename Element::Pair pairs[4];
};

/// The shared memory of a block.
template <class Element, class N, int team = 1>
struct ResidentShared {
  static constexpr int threads = resident_threads(team);
  static constexpr int masks = threads * N::d1 / Element::round / team;
  /// What a team exchanges: the widest layer but D's first, or two times a round of each warp.
  static constexpr int exchanged_blocks = std::max({N::g1, N::g2, N::columns, N::d2, 2 * 16 * team}) / 16;
  using Word = typename Element::Word;
  using Mask = std::conditional_t<Element::round == 16, std::uint8_t, std::uint32_t>;  ///< half a bit per column
  Word *g1, *g2;
  Word *g3 = nullptr, *d1 = nullptr, *d2 = nullptr, *d3 = nullptr;  ///< streamed: of the panel that was opened last
  Word* panels = nullptr;                                           ///< streamed: two
  /// For each pair of columns {b0, b1, b0, b1}: the start of a lane's four sums, which belong to two rows.
  float4 *g1_bias, *g2_bias, *g3_bias, *d1_bias, *d2_bias, *d3_bias;
  float* logit;  ///< the row of the logit layer, then its bias
  Mask* mask;    ///< which units of the discriminator's first layer are positive: [round of columns][thread]
  ResidentBlock<Element>* exchange = nullptr;  ///< of a team: [block][lane]

  __device__ ResidentShared() {
    device::SharedMemory memory;
    g1 = memory.take<Word>(N::G1::elements, 1024);
    g2 = memory.take<Word>(N::G2::elements, 1024);
    if constexpr (N::streamed) {
      panels = memory.take<Word>(2 * N::panel_words, 1024);
    } else {
      g3 = memory.take<Word>(N::G3::elements, 1024);
      d1 = memory.take<Word>(N::D1::elements, 1024);
      d2 = memory.take<Word>(N::D2::elements, 1024);
      d3 = memory.take<Word>(N::D3::elements, 1024);
    }
    g1_bias = memory.take<float4>(N::g1 / 2);
    g2_bias = memory.take<float4>(N::g2 / 2);
    g3_bias = memory.take<float4>(N::columns / 2);
    d1_bias = memory.take<float4>(N::d1 / 2);
    d2_bias = memory.take<float4>(N::d2 / 2);
    d3_bias = memory.take<float4>(N::d3 / 2);
    logit = memory.take<float>(N::d3 + 1);
    mask = memory.take<Mask>(masks);
    if constexpr (team > 1) exchange = memory.take<ResidentBlock<Element>>(exchanged_blocks * device::warp_lanes);
  }
  static constexpr std::size_t bytes() {
    device::SharedLayout layout;
    for (const int elements : {N::G1::elements, N::G2::elements}) layout.add<Word>(elements, 1024);
    if constexpr (N::streamed) {
      layout.add<Word>(2 * N::panel_words, 1024);
    } else {
      for (const int elements : {N::G3::elements, N::D1::elements, N::D2::elements, N::D3::elements})
        layout.add<Word>(elements, 1024);
    }
    for (const int width : {N::g1, N::g2, N::columns, N::d1, N::d2, N::d3}) layout.add<float4>(width / 2);
    layout.add<float>(N::d3 + 1);
    layout.add<Mask>(masks);
    if constexpr (team > 1) layout.add<ResidentBlock<Element>>(exchanged_blocks * device::warp_lanes);
    return layout.bytes();
  }
};

/// Rounds a part [out, in] of a layer of one model, which begins at (first_row, first_column), into a ResidentMatrix,
/// and copies its biases; either destination may be null. One function for all widths: code matters more than the few
/// instructions of computed strides.
template <class Element>
__device__ __noinline__ void load_padded(typename Element::Word* weight, float4* bias, const ResidentLayer& layer,
                                         std::int64_t model, int out, int in, int first_row = 0, int first_column = 0) {
  const float* from = layer.weight + model * layer.model_stride;
  const float* bias_from = layer.bias + model * layer.model_stride;
  const bool identity = layer.weight == nullptr;
  const int threads = static_cast<int>(blockDim.x);
  const auto value = [&](int part_row, int part_column) {
    const int row = first_row + part_row, column = first_column + part_column;
    if (identity) return row == column ? 1.0f : 0.0f;
    return row < layer.out && column < layer.in ? from[row * layer.in + column] : 0.0f;
  };
  const device::PanelLayout layout{out, in};
  const int pairs = in / 2, count = weight != nullptr ? out * pairs : 0;
#pragma unroll 4
  for (int i = static_cast<int>(threadIdx.x); i < count; i += threads) {
    const int row = i / pairs, column = i % pairs * 2;
    Element::store(weight + layout.offset(row, column), value(row, column), value(row, column + 1));
  }
  if (bias == nullptr) return;
  const auto bias_of = [&](int row) { return !identity && row < layer.out ? bias_from[row] : 0.0f; };
  for (int i = static_cast<int>(threadIdx.x); i < out / 2; i += threads) {
    const float low = bias_of(2 * i), high = bias_of(2 * i + 1);
    bias[i] = make_float4(low, high, low, high);
  }
}

/// The row of the logit layer, for `in` features, then its bias; zeros if there is none. By `threads` threads.
inline __device__ void load_logit(float* to, const ResidentLayer& logit, std::int64_t model, int in, int threads) {
  for (int i = static_cast<int>(threadIdx.x); i < in; i += threads)
    to[i] = i < logit.in ? logit.weight[model * logit.model_stride + i] : 0.0f;
  if (threadIdx.x == 0) to[in] = logit.weight != nullptr ? logit.bias[model * logit.model_stride] : 0.0f;
}

/// Where the run of tiles of a block begins.
inline __device__ int first_tile(int tiles, unsigned block) {
  return static_cast<int>(static_cast<std::int64_t>(tiles) * block / gridDim.x);
}

}  // namespace cugad::cuda
