#include <algorithm>

#include "kernels/device/sort.cuh"

#if defined(__CUDACC__)
#include <cub/device/device_radix_sort.cuh>
#endif

/// The toolkit's radix sort; under the emulator a kernel of one thread that sorts like the host.
namespace cugad::device {

#if defined(__CUDACC__)

std::size_t sort_bytes(std::int64_t count, int bits) {
  std::size_t bytes = 0;
  cub::DoubleBuffer<std::uint64_t> keys(nullptr, nullptr);
  check(cub::DeviceRadixSort::SortKeys(nullptr, bytes, keys, count, 0, bits), "size of a radix sort");
  return std::max<std::size_t>(bytes, 1);
}

std::uint64_t* sort_keys(void* stream, std::uint64_t* keys, std::uint64_t* other, std::int64_t count, int bits,
                         void* temporary, std::size_t temporary_bytes) {
  if (only_loads) return keys;  // the toolkit's kernels are never recorded by this library
  cub::DoubleBuffer<std::uint64_t> buffers(keys, other);
  check(cub::DeviceRadixSort::SortKeys(temporary, temporary_bytes, buffers, count, 0, bits,
                                       static_cast<cudaStream_t>(stream)),
        "radix sort of " + std::to_string(count) + " keys");
  return buffers.Current();
}

#else

namespace {

struct EmulatedSort {
  std::uint64_t *keys, *sorted;
  std::int64_t count;
};

__global__ void emulated_sort_kernel(EmulatedSort sort) {
  std::copy_n(sort.keys, sort.count, sort.sorted);
  std::sort(sort.sorted, sort.sorted + sort.count);
}

}  // namespace

std::size_t sort_bytes(std::int64_t, int) { return 1; }

std::uint64_t* sort_keys(void* stream, std::uint64_t* keys, std::uint64_t* other, std::int64_t count, int, void*,
                         std::size_t) {
  LaunchShape shape;
  shape.grid = dim3(1);
  shape.block = dim3(1);
  launch(stream, "emulated sort", shape, emulated_sort_kernel, EmulatedSort{keys, other, count});
  return other;
}

#endif

}  // namespace cugad::device
