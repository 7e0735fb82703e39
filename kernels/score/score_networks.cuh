#pragma once

#include "kernels/latent_search/resident_networks.cuh"

/// The arguments of the score in registers, and the division of its weights into panels.
namespace cugad::cuda {

/// The widest networks that one class of kernel serves: an encoder of three layers, a generator of three and a
/// discriminator of three hidden ones. Narrower networks are padded with zeros, shallower ones with an identity in
/// front; padding of inner layers is not computed.
template <int columns_, int e2_, int latent_, int g1_, int g2_, int d1_, int d2_, int d3_>
struct ScoreNetworks {
  static constexpr int columns = columns_, e1 = columns, e2 = e2_, latent = latent_, g1 = g1_, g2 = g2_, d1 = d1_,
                       d2 = d2_, d3 = d3_;
  static constexpr int part = 64;  ///< units of D's first layer in a panel, with their columns of the second
  using E1 = ResidentMatrix<e1, columns>;
  using E2 = ResidentMatrix<e2, e1>;
  using E3 = ResidentMatrix<latent, e2>;
  using G1 = ResidentMatrix<g1, latent>;
  using G2 = ResidentMatrix<g2, g1>;
  using G3 = ResidentMatrix<columns, g2>;
  using D1 = ResidentMatrix<part, columns>;
  using D2 = ResidentMatrix<d2, part>;
  using D3 = ResidentMatrix<d3, d2>;
  static constexpr int parts = d1 / part;
  static constexpr int panel_words = (std::max({E1::elements, E2::elements + E3::elements, G1::elements + G2::elements,
                                                G3::elements, D1::elements + D2::elements, D3::elements}) +
                                      511) /
                                     512 * 512;
};

/// Panels in the order of their use; then the parts of D's first two layers, which come before D's third.
enum ScorePanel { first_code_panel, code_panel, hidden_panel, output_panel, score_features_panel, first_score_part };

template <class N>
constexpr int score_panels = first_score_part + N::parts;

constexpr int score_layers = 9;
enum ScoreLayer { encoder_layers = 0, generator_layers = 3, discriminator_layers = 6 };
/// The outputs of a layer.
template <class N>
constexpr int score_width(int layer) {
  const int widths[score_layers] = {N::e1, N::e2, N::latent, N::g1, N::g2, N::columns, N::d1, N::d2, N::d3};
  return widths[layer];
}

struct ScoreArguments {
  ResidentLayer layer[score_layers];
  ResidentLayer logit;
  StackView<const float> x;
  StackView<float> loss, residual, discrimination, latent, feature_residual, reconstruction;
  void* panels = nullptr;         ///< of every model
  float4* lane_memory = nullptr;  ///< the features of G(z) of every warp
  int tiles_per_model = 0, tiles = 0;
  Distance residual_distance = Distance::l1, feature_distance = Distance::l1;
  bool features = false, cross_entropy = false;
  float lambda = 0.0f;
};

constexpr int score_threads = 256;  ///< of a block, at most
constexpr int score_groups = 2;     ///< of 16 rows, that a warp scores together: each weight is read once for both
constexpr int score_warp_rows = 16 * score_groups;

/// The shared memory of a block.
template <class Element, class N>
struct ScoreShared {
  using Word = typename Element::Word;
  Word* panels;
  float4* bias[score_layers];  ///< for each pair of columns {b0, b1, b0, b1}
  float* logit;                ///< the row of the logit layer, then its bias

  __device__ ScoreShared() {
    device::SharedMemory memory;
    panels = memory.take<Word>(2 * N::panel_words, 1024);
#pragma unroll
    for (int l = 0; l < score_layers; ++l) bias[l] = memory.take<float4>(score_width<N>(l) / 2);
    logit = memory.take<float>(N::d3 + 1);
  }
  static constexpr std::size_t bytes() {
    device::SharedLayout layout;
    layout.add<Word>(2 * N::panel_words, 1024);
    for (int l = 0; l < score_layers; ++l) layout.add<float4>(score_width<N>(l) / 2);
    layout.add<float>(N::d3 + 1);
    return layout.bytes();
  }
};

/// Rounds the panels of all models: one block per panel, models over grid.z.
template <class Element, class N>
__global__ void __launch_bounds__(score_threads) score_panels_kernel(const __grid_constant__ ScoreArguments args) {
  using Word = typename Element::Word;
  const int panel = static_cast<int>(blockIdx.x), first = (panel - first_score_part) * N::part;
  for (std::int64_t model = blockIdx.z; model < args.x.models; model += gridDim.z) {
    Word* to = static_cast<Word*>(args.panels) + (model * score_panels<N> + panel) * N::panel_words;
    const auto round = [&](int layer, int out, int in, int row = 0, int column = 0) {
      load_padded<Element>(to, nullptr, args.layer[layer], model, out, in, row, column);
      to += out * in;
    };
    switch (panel) {
      case first_code_panel:
        round(encoder_layers, N::E1::out, N::E1::in);
        break;
      case code_panel:
        round(encoder_layers + 1, N::E2::out, N::E2::in);
        round(encoder_layers + 2, N::E3::out, N::E3::in);
        break;
      case hidden_panel:
        round(generator_layers, N::G1::out, N::G1::in);
        round(generator_layers + 1, N::G2::out, N::G2::in);
        break;
      case output_panel:
        round(generator_layers + 2, N::G3::out, N::G3::in);
        break;
      case score_features_panel:
        round(discriminator_layers + 2, N::D3::out, N::D3::in);
        break;
      default:
        round(discriminator_layers, N::D1::out, N::D1::in, first, 0);
        round(discriminator_layers + 1, N::D2::out, N::D2::in, 0, first);
    }
  }
}

}  // namespace cugad::cuda
