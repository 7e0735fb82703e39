#include "kernels/device/cluster.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/shared_memory.cuh"
#include "tests/emulator/fixture.hpp"

/// Barriers, warp operations, clusters and grids: visibility between lanes under every policy.
namespace emulator_test {
namespace {

using namespace emulator;
using cugad::device::launch;
using cugad::device::SharedMemory;

const char* const policies[] = {"forward,deferred", "reverse,immediate", "seed=1,deferred",
                                "seed=2,immediate,threads=1"};

class Lanes : public Emulated, public testing::WithParamInterface<const char*> {
  void SetUp() override { use(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Policies, Lanes, testing::ValuesIn(policies),
                         [](const auto& info) { return "policy" + std::to_string(info.index); });

struct Integers {
  int* out;
};

__global__ void leave_early(Integers p) {
  const int thread = static_cast<int>(threadIdx.x);
  if (thread >= 40) return;
  atomicAdd(p.out, 1);
  __syncthreads();
  atomicAdd(p.out + 1, 1);
  const int votes = __syncthreads_count(thread < 5);
  if (thread == 0) p.out[2] = votes;
}

TEST_P(Lanes, EndedThreadsLeaveTheBarrier) {
  const OnDevice<int> out({0, 0, 0});
  launch(nullptr, "leave_early", {.grid = {1}, .block = {64}}, &leave_early, Integers{out.data()});
  EXPECT_EQ(out.values(), (std::vector<int>{40, 40, 5})) << report();
}

__global__ void one_warp_only(Integers p) {
  const int thread = static_cast<int>(threadIdx.x);
  int sum = -1;
  if (thread < 32) sum = cugad::device::warp_sum(thread);
  __syncthreads();
  p.out[thread] = sum;
}

TEST_P(Lanes, WarpOperationInOneWarpOnly) {
  const OnDevice<int> out(std::vector<int>(96, 0));
  launch(nullptr, "one_warp_only", {.grid = {1}, .block = {96}}, &one_warp_only, Integers{out.data()});
  const std::vector<int> values = out.values();
  for (int i = 0; i < 96; ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)], i < 32 ? 496 : -1) << i;
}

__global__ void shuffles(Integers p) {
  const int lane = static_cast<int>(threadIdx.x);
  int* out = p.out + 10 * lane;
  const unsigned all = ~0u;
  out[0] = __shfl_sync(all, lane, 3, 8);
  out[1] = __shfl_up_sync(all, lane, 2, 16);
  out[2] = __shfl_down_sync(all, lane, 2, 16);
  out[3] = __shfl_xor_sync(all, lane, 5);
  out[4] = static_cast<int>(__ballot_sync(all, lane % 3 == 0));
  out[5] = static_cast<int>(__match_any_sync(all, lane / 4));
  out[6] = __reduce_min_sync(all, lane - 7);
  out[7] = __reduce_max_sync(all, lane - 40);
  out[8] = static_cast<int>(__reduce_add_sync(all, static_cast<unsigned>(lane)));
  const unsigned half = lane < 16 ? 0xffffu : 0xffff0000u;
  out[9] = lane < 16 ? __any_sync(half, lane == 2) : __all_sync(half, lane == 20);
}

TEST_P(Lanes, WarpOperationsAgreeWithTheirDefinition) {
  const OnDevice<int> out(std::vector<int>(320, -1));
  launch(nullptr, "shuffles", {.grid = {1}, .block = {32}}, &shuffles, Integers{out.data()});
  const std::vector<int> values = out.values();
  int ballot = 0;
  for (int i = 0; i < 32; i += 3) ballot |= static_cast<int>(1u << i);
  for (int i = 0; i < 32; ++i) {
    const std::vector<int> mine(values.begin() + 10 * i, values.begin() + 10 * i + 10);
    const std::vector<int> expected = {i / 8 * 8 + 3,
                                       i % 16 < 2 ? i : i - 2,
                                       i % 16 > 13 ? i : i + 2,
                                       i ^ 5,
                                       ballot,
                                       static_cast<int>(0xfu << (i / 4 * 4)),
                                       -7,
                                       -9,
                                       496,
                                       i < 16 ? 1 : 0};
    EXPECT_EQ(mine, expected) << "lane " << i << report();
  }
}

__global__ void neighbours(Integers p) {
  SharedMemory shared;
  int* mine = shared.take<int>(32);
  const unsigned rank = cugad::device::cluster_rank(), next = (rank + 1) % 4;
  mine[threadIdx.x] = static_cast<int>(100 * blockIdx.x + threadIdx.x);
  cugad::device::cluster_synchronize();
  p.out[32 * blockIdx.x + threadIdx.x] = cugad::device::map_shared_rank(mine, next)[threadIdx.x];
  cugad::device::cluster_synchronize();
}

TEST_P(Lanes, BlocksOfAClusterReadEachOther) {
  const OnDevice<int> out(std::vector<int>(256, -1));
  launch(nullptr, "neighbours", {.grid = {8}, .block = {32}, .shared_bytes = 128, .cluster = 4}, &neighbours,
         Integers{out.data()});
  const std::vector<int> values = out.values();
  for (int i = 0; i < 256; ++i) {
    const int block = i / 32, next = block / 4 * 4 + (block + 1) % 4;
    EXPECT_EQ(values[static_cast<std::size_t>(i)], 100 * next + i % 32) << report();
  }
}

__global__ void grid_wide(Integers p) {
  if (threadIdx.x == 0) p.out[blockIdx.x] = static_cast<int>(blockIdx.x);
  cugad::device::grid_synchronize();
  if (threadIdx.x == 0) p.out[gridDim.x + blockIdx.x] = p.out[(blockIdx.x + 1) % gridDim.x];
}

TEST_P(Lanes, CooperativeGridsMeet) {
  const OnDevice<int> out(std::vector<int>(14, -1));
  launch(nullptr, "grid_wide", {.grid = {7}, .block = {40}, .cooperative = true}, &grid_wide, Integers{out.data()});
  const std::vector<int> values = out.values();
  for (int i = 0; i < 7; ++i) EXPECT_EQ(values[static_cast<std::size_t>(7 + i)], (i + 1) % 7) << report();
}

__global__ void count_all(Integers p) {
  atomicAdd(p.out, 1);
  atomicMax(p.out + 1, static_cast<int>(blockIdx.z * 100 + blockIdx.y * 10 + threadIdx.y));
}

TEST_P(Lanes, EveryThreadOfEveryBlockRunsOnce) {
  const OnDevice<int> out({0, 0});
  launch(nullptr, "count_all", {.grid = {5, 4, 3}, .block = {7, 3, 2}}, &count_all, Integers{out.data()});
  EXPECT_EQ(out.values(), (std::vector<int>{60 * 42, 232})) << report();
}

}  // namespace
}  // namespace emulator_test
