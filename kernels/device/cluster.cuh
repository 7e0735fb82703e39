#pragma once

#include "kernels/device/runtime.cuh"
#if defined(__CUDACC__)
#include <cooperative_groups.h>
#endif

/// Thread-block clusters (sm_90 and later) and cooperative grids.
namespace cugad::device {

/// Waits for all blocks of a cooperative launch.
__device__ inline void grid_synchronize() {
#if defined(__CUDACC__)
  cooperative_groups::this_grid().sync();
#else
  ::emulator::grid_synchronize();
#endif
}

#if !defined(__CUDACC__) || !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900

/// This block's rank in its cluster (0 without a cluster).
__device__ inline unsigned cluster_rank() {
#if defined(__CUDACC__)
  return cooperative_groups::this_cluster().block_rank();
#else
  return ::emulator::cluster_rank();
#endif
}

/// Waits for all threads of the cluster.
__device__ inline void cluster_synchronize() {
#if defined(__CUDACC__)
  cooperative_groups::this_cluster().sync();
#else
  ::emulator::cluster_synchronize();
#endif
}

/// The address of `shared` in the shared memory of block `rank` of the cluster. That block must not have ended.
template <class T>
__device__ inline T* map_shared_rank(T* shared, unsigned rank) {
#if defined(__CUDACC__)
  return cooperative_groups::this_cluster().map_shared_rank(shared, rank);
#else
  return static_cast<T*>(::emulator::map_shared_rank(const_cast<std::remove_const_t<T>*>(shared), rank));
#endif
}

#endif

}  // namespace cugad::device
