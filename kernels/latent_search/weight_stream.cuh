#pragma once

#include <algorithm>

#include "kernels/device/async_copy.cuh"

/// Weights that stream through shared memory: one panel is consumed while the next one is copied from the second-level
/// cache. All panels of a model are consecutive in global memory, rounded and permuted as in shared memory.
namespace cugad::cuda {

/// Two places of `words` words at `places`, filled by all threads of a block: `threads`, or as many as it has (0).
template <class Word, int words, int panels, int threads>
class WeightStream {
 public:
  __device__ WeightStream(Word* places, const void* weights)
      : places_(places), weights_(static_cast<const Word*>(weights)) {}

  /// Starts the copy of a panel of a model. No copy may be in flight, and no thread may still read an earlier panel.
  __device__ void begin(std::int64_t model, int panel) {
    model_ = static_cast<int>(model);
    fetch(panel);
  }
  /// The panel that was named as next; sets the one that follows it under way. A barrier of the block.
  __device__ __forceinline__ Word* open(int next) {
    finish();
    __syncthreads();
    Word* opened = places_ + at_;
    at_ = words - at_;
    fetch(next);
    return opened;
  }
  /// Waits for the panel that was fetched ahead.
  __device__ void finish() const { device::copy_async_wait<0>(); }

 private:
  __device__ __forceinline__ void fetch(int panel) const {
    constexpr int per_copy = 16 / static_cast<int>(sizeof(Word));
    constexpr bool is_even = threads > 0 && words % (per_copy * std::max(threads, 1)) == 0;
    const int step = per_copy * (threads > 0 ? threads : static_cast<int>(blockDim.x));
    const int first = per_copy * static_cast<int>(threadIdx.x);
    const Word* from = weights_ + (static_cast<std::int64_t>(model_) * panels + panel) * words + first;
    const device::SharedAddress to(places_ + at_ + first);
    const int end = is_even ? words : words - first;
#pragma unroll
    for (int at = 0; at < end; at += step) {
      device::copy_async16(to + at * static_cast<int>(sizeof(Word)), from + at);
    }
    device::copy_async_commit();
  }

  Word* places_;
  const Word* weights_;
  int model_ = 0, at_ = 0;  ///< the model and the position of the next panel to fetch
};

}  // namespace cugad::cuda
