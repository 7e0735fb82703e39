#pragma once

#include "kernels/latent_search/resident_arguments.cuh"
#include "kernels/latent_search/weight_stream.cuh"

/// The weights of the resident search that shared memory does not hold, in the order of their use.
namespace cugad::cuda {

/// Whether the warps of a block search in step.
template <class Element, class N, int team>
constexpr bool warps_meet = Element::warpgroup || team > 1 || N::streamed;

enum ResidentPanel { generator_panel, feature_panel, first_part_panel };

template <class N>
constexpr int resident_panels = first_part_panel + N::parts;

/// Where every weight is resident, nothing here does anything.
template <class Element, class N, int team>
class ResidentStream {
  using Word = typename Element::Word;
  using Shared = ResidentShared<Element, N, team>;

 public:
  __device__ ResidentStream(Shared& shared, const void* panels) : shared_(shared), stream_(shared.panels, panels) {}

  /// Every tile begins with the generator's panel.
  __device__ void begin(std::int64_t model) {
    if constexpr (N::streamed) stream_.begin(model, generator_panel);
  }
  /// Each opens the panel that was named as next, and sets the one that follows it under way.
  __device__ void open_generator(int next) {
    if constexpr (N::streamed) shared_.g3 = stream_.open(next);
  }
  __device__ void open_features(int next) {
    if constexpr (N::streamed) shared_.d3 = stream_.open(next);
  }
  /// Part `part` of D's first two layers; `after` follows the last.
  __device__ void open_part(int part, int after) {
    if constexpr (N::streamed) {
      shared_.d1 = stream_.open(part + 1 < N::parts ? first_part_panel + part + 1 : after);
      shared_.d2 = shared_.d1 + N::D1::elements;
    }
  }
  __device__ void finish() const {
    if constexpr (N::streamed) stream_.finish();
  }

 private:
  Shared& shared_;
  WeightStream<Word, N::panel_words, resident_panels<N>, Shared::threads> stream_;
};

/// One block per panel, models over grid.z.
template <class Element, class N>
__global__ void __launch_bounds__(resident_threads(1))
    resident_panels_kernel(const __grid_constant__ ResidentArguments args) {
  using Word = typename Element::Word;
  const auto round = [](Word* to, const ResidentLayer& layer, std::int64_t model, int out, int in, int row,
                        int column) { load_padded<Element>(to, nullptr, layer, model, out, in, row, column); };
  const int panel = static_cast<int>(blockIdx.x), first = (panel - first_part_panel) * N::d1_part;
  for (std::int64_t model = blockIdx.z; model < args.z.models; model += gridDim.z) {
    Word* to = static_cast<Word*>(args.panels) + (model * resident_panels<N> + panel) * N::panel_words;
    if (panel == generator_panel) {
      round(to, args.layer[2], model, N::G3::out, N::G3::in, 0, 0);
    } else if (panel == feature_panel) {
      round(to, args.layer[5], model, N::D3::out, N::D3::in, 0, 0);
    } else {
      round(to, args.layer[3], model, N::D1::out, N::D1::in, first, 0);
      round(to + N::D1::elements, args.layer[4], model, N::D2::out, N::D2::in, 0, first);
    }
  }
}

}  // namespace cugad::cuda
