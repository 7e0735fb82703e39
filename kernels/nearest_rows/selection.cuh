#pragma once

#include <cstdint>
#include <limits>

#include "kernels/device/runtime.cuh"
#include "kernels/elementary.hpp"

/// The k smallest of a stream of neighbours. A neighbour is one 64-bit key, its distance above its index: no distance
/// is negative, so keys order by (distance, index), which is total: the order in which they come changes nothing.
namespace cugad::cuda {

using NeighbourKey = unsigned long long;
constexpr NeighbourKey no_neighbour = ~0ull;

/// A NaN counts as infinity.
__device__ inline NeighbourKey neighbour_key(float distance, std::int64_t index) {
  const float infinite = std::numeric_limits<float>::infinity();
  const auto high = static_cast<std::uint32_t>(to_bits(distance < infinite ? distance : infinite));
  return static_cast<NeighbourKey>(high) << 32 | static_cast<std::uint32_t>(index);
}
__device__ inline float distance_of(NeighbourKey key) { return from_bits(static_cast<std::int32_t>(key >> 32)); }
__device__ inline std::int32_t index_of(NeighbourKey key) { return static_cast<std::int32_t>(key & 0xffffffffu); }

/// How many keys of an ascending list are smaller.
__device__ inline int keys_below(const NeighbourKey* list, int k, NeighbourKey key) {
  int low = 0, high = k;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (list[middle] < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/// Offers one key per lane (no_neighbour: none) to an ascending list of k <= 64 keys in shared memory, for a whole
/// warp. All keys below the last of the list enter at once: each moves to the position given by the count of smaller
/// ones, as do the list's own. `staged` is shared memory for one key per lane.
__device__ inline void offer(NeighbourKey* list, int k, NeighbourKey* staged, NeighbourKey key, int lane) {
  const bool enters = key < list[k - 1];
  const unsigned entering = __ballot_sync(device::full_warp, enters);
  if (entering == 0) return;
  constexpr int half = device::warp_lanes;
  const NeighbourKey low = lane < k ? list[lane] : no_neighbour;
  const NeighbourKey high = lane + half < k ? list[lane + half] : no_neighbour;
  int place = 0, low_place = lane, high_place = lane + half;
  if (enters) {
    staged[__popc(entering & ((1u << lane) - 1))] = key;
    place = keys_below(list, k, key);
  }
  __syncwarp();
  const int count = __popc(entering);
  for (int i = 0; i < count; ++i) {
    const NeighbourKey other = staged[i];
    place += other < key ? 1 : 0;
    low_place += other < low ? 1 : 0;
    high_place += other < high ? 1 : 0;
  }
  __syncwarp();
  if (enters && place < k) list[place] = key;
  if (lane < k && low_place < k) list[low_place] = low;
  if (lane + half < k && high_place < k) list[high_place] = high;
  __syncwarp();
}

}  // namespace cugad::cuda
