#include "kernels/device/async_copy.cuh"
#include "kernels/device/cluster.cuh"
#include "kernels/device/matrix_multiply.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/shared_memory.cuh"
#include "tests/emulator/fixture.hpp"
#include "tests/emulator/planted.hpp"

/// Kernels that are wrong on purpose.
namespace emulator_test {
namespace {

using cugad::device::launch;
using cugad::device::LaunchShape;
using cugad::device::SharedMemory;

struct Values {
  float *in, *out;
};

int thread() { return static_cast<int>(threadIdx.x); }

__global__ void no_barrier_before_read(Values p) {
  SharedMemory shared;
  float* line = shared.take<float>(64);
  line[thread()] = p.in[thread()];
  p.out[thread()] = line[63 - thread()];
}

__global__ void no_barrier_before_overwrite(Values p) {
  SharedMemory shared;
  float* line = shared.take<float>(64);
  line[thread()] = p.in[thread()];
  __syncthreads();
  const float other = line[63 - thread()];
  line[thread()] = 0.0f;
  p.out[thread()] = other;
}

__global__ void no_warp_barrier(Values p) {
  SharedMemory shared;
  float* line = shared.take<float>(64);
  line[thread()] = p.in[thread()];
  p.out[thread()] = line[thread() ^ 1];
}

__global__ void no_wait_for_copy(Values p) {
  SharedMemory shared;
  float* line = shared.take<float>(64);
  cugad::device::copy_async4(line + thread(), p.in + thread());
  cugad::device::copy_async_commit();
  __syncthreads();
  p.out[thread()] = line[63 - thread()];
}

__global__ void no_barrier_after_copy(Values p) {
  SharedMemory shared;
  float* line = shared.take<float>(64);
  cugad::device::copy_async4(line + thread(), p.in + thread());
  cugad::device::copy_async_commit();
  cugad::device::copy_async_wait<0>();
  p.out[thread()] = line[63 - thread()];
}

__global__ void barriers_at_two_places(Values p) {
  if (thread() < 32) {
    __syncthreads();
    p.out[thread()] = p.in[63 - thread()];
  } else {
    __syncthreads();
    p.out[thread()] = p.in[63 - thread()];
  }
}

__global__ void warp_sum_of_some(Values p) {
  p.out[thread()] = p.in[63 - thread()];
  if (thread() % 2 == 0) cugad::device::warp_sum(1.0f);
  cugad::device::warp_sum(2.0f);
}

__global__ void warp_sum_after_exit(Values p) {
  p.out[thread()] = p.in[63 - thread()];
  if (thread() == 5) return;
  cugad::device::warp_sum(1.0f);
}

__global__ void shuffle_from_outside(Values p) {
  p.out[thread()] = p.in[63 - thread()];
  if (thread() < 16) __shfl_sync(0xffffu, 1.0f, 20);
}

__global__ void block_barrier_against_warp_barrier(Values p) {
  p.out[thread()] = p.in[63 - thread()];
  if (thread() < 16) __syncwarp();
  if (thread() >= 16) __syncthreads();
}

__global__ void shared_overrun(Values p) {
  SharedMemory shared;
  float* line = shared.take<float>(64);
  float* next = shared.take<float>(64);
  next[thread()] = 0.0f;
  line[thread() + 1] = 1.0f;
  p.out[thread()] = p.in[63 - thread()];
}

__global__ void shared_beyond_launch(Values p) {
  SharedMemory shared;
  float* line = shared.take<float>(65);
  line[thread()] = 1.0f;
  p.out[thread()] = p.in[63 - thread()];
}

__global__ void shared_never_written(Values p) {
  SharedMemory shared;
  const float* sums = shared.take<float>(64);
  p.out[thread()] = p.in[63 - thread()] + sums[thread()];
}

__global__ void device_overrun(Values p) {
  p.out[thread()] = p.in[63 - thread()];
  if (thread() == 63) p.out[64] = 1.0f;
}

__global__ void device_read_overrun(Values p) {
  p.out[thread()] = p.in[63 - thread()] + (thread() == 63 && p.in[64] == 1.0f ? 1.0f : 0.0f);
}

__global__ void misaligned_copy(Values p) {
  SharedMemory shared;
  float* line = shared.take<float>(64);
  if (thread() < 15) cugad::device::copy_async16(line + 4 * thread(), p.in + 4 * thread() + 1);
  cugad::device::copy_async_commit();
  cugad::device::copy_async_wait<0>();
  p.out[thread()] = p.in[63 - thread()];
}

__global__ void misaligned_matrix_row(Values p) {
  SharedMemory shared;
  float* line = shared.take<float>(64);
  line[thread()] = 0.0f;
  __syncthreads();
  std::uint32_t registers[4];
  cugad::device::load_matrices(registers, line + thread() % 32 + 2);
  p.out[thread()] = p.in[63 - thread()];
}

__global__ void misaligned_vector(Values p) {
  const float4 four = *reinterpret_cast<const float4*>(p.in + 1);
  p.out[thread()] = p.in[63 - thread()] + (four.x + four.y + four.z + four.w == -1.0f ? 1.0f : 0.0f);
}

/// Two blocks, each with all 64 elements.
__global__ void blocks_share_an_element(Values p) {
  if (thread() == 0) p.in[0] = static_cast<float>(blockIdx.x);
  p.out[thread()] = thread() == 63 ? 0.0f : p.in[63 - thread()];
}

__global__ void count_without_atomics(Values p) {
  p.in[0] += 0.0f;
  p.out[thread()] = p.in[63 - thread()];
}

__global__ void no_cluster_barrier(Values p) {
  SharedMemory shared;
  float* line = shared.take<float>(64);
  cugad::device::cluster_synchronize();
  line[thread()] = p.in[thread()];
  const float* other = cugad::device::map_shared_rank(line, 1 - cugad::device::cluster_rank());
  p.out[thread()] = other[63 - thread()];
  cugad::device::cluster_synchronize();
}

__global__ void block_gone_while_mapped(Values p) {
  SharedMemory shared;
  float* line = shared.take<float>(64);
  line[thread()] = p.in[thread()];
  cugad::device::cluster_synchronize();
  if (cugad::device::cluster_rank() == 1) return;
  for (int i = 0; i < 3; ++i) __syncthreads();
  p.out[thread()] = cugad::device::map_shared_rank(line, 1)[63 - thread()];
}

__global__ void grid_barrier_without_cooperation(Values p) {
  p.out[thread()] = p.in[63 - thread()];
  cugad::device::grid_synchronize();
}

/// Wraps a kernel that should reverse 64 values.
Bug reversing(const std::string& name, void (*kernel)(Values),
              const LaunchShape& shape = {.grid = {1}, .block = {64}, .shared_bytes = 1024}) {
  return {name, [kernel, shape] {
            std::vector<float> in(64), expected(64);
            for (std::size_t i = 0; i < 64; ++i) in[i] = expected[63 - i] = static_cast<float>(i);
            const OnDevice<float> from(in), to(std::vector<float>(64, -1.0f));
            launch(nullptr, "planted", shape, kernel, Values{from.data(), to.data()});
            cudaDeviceSynchronize();
            return to.values() == expected;
          }};
}

bool use_freed_memory() {
  float* freed = nullptr;
  cudaMalloc(&freed, 256);
  cudaFree(freed);
  const OnDevice<float> in(std::vector<float>(64, 0.0f));
  launch(nullptr, "planted", {.grid = {1}, .block = {64}}, &device_read_overrun, Values{in.data(), freed});
  return true;
}

bool free_overrun_by_host_copy() {
  const OnDevice<float> values(std::vector<float>(64, 0.0f));
  std::vector<float> host(65);
  return cudaMemcpy(values.data(), host.data(), 260, cudaMemcpyHostToDevice) == cudaSuccess;
}

}  // namespace

std::vector<Bug> planted_bugs() {
  const LaunchShape two_blocks{.grid = {2}, .block = {64}},
      cluster{.grid = {2}, .block = {64}, .shared_bytes = 1024, .cluster = 2};
  return {reversing("missing barrier between write and read", &no_barrier_before_read),
          reversing("missing barrier between read and overwrite", &no_barrier_before_overwrite),
          reversing("missing barrier within a warp", &no_warp_barrier),
          reversing("missing wait for an asynchronous copy", &no_wait_for_copy),
          reversing("missing barrier after an asynchronous copy", &no_barrier_after_copy),
          reversing("barriers at two places in one block", &barriers_at_two_places),
          reversing("warp operation by some lanes of its mask", &warp_sum_of_some),
          reversing("warp operation after a lane has ended", &warp_sum_after_exit),
          reversing("shuffle from a lane outside the mask", &shuffle_from_outside),
          reversing("lanes wait at barriers of two kinds (deadlock)", &block_barrier_against_warp_barrier,
                    {.grid = {1}, .block = {64}}),
          reversing("write beyond an array of shared memory", &shared_overrun),
          reversing("more shared memory than the launch asked for", &shared_beyond_launch,
                    {.grid = {1}, .block = {64}, .shared_bytes = 256}),
          reversing("read of shared memory that nobody wrote", &shared_never_written),
          reversing("write beyond device memory", &device_overrun),
          reversing("read beyond device memory", &device_read_overrun),
          {"use of freed device memory", &use_freed_memory},
          {"copy beyond device memory", &free_overrun_by_host_copy},
          reversing("misaligned asynchronous copy", &misaligned_copy),
          reversing("misaligned row of a matrix load", &misaligned_matrix_row),
          reversing("misaligned vector load", &misaligned_vector),
          reversing("two blocks write one element", &blocks_share_an_element, two_blocks),
          reversing("read, add and write without atomics", &count_without_atomics, two_blocks),
          reversing("missing cluster barrier", &no_cluster_barrier, cluster),
          reversing("block ends while its shared memory is mapped", &block_gone_while_mapped, cluster),
          reversing("grid barrier in an ordinary launch", &grid_barrier_without_cooperation, two_blocks)};
}

}  // namespace emulator_test
