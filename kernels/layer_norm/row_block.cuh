#pragma once

#include "cugad/device.hpp"
#include "kernels/device/reduce.cuh"
#include "kernels/device/shared_memory.cuh"
#include "kernels/layer_norm/row_terms.hpp"

/// How a block looks at a row: thread p takes the columns p, p + 128, ..., so that its sums are the row's partial sum
/// p.
namespace cugad::cuda {

constexpr device::SharedLayout row_layout() { return device::SharedLayout().add<double>(column_partials); }

/// The sum of a row's partial sums, as the CPU's tree adds them, for all threads.
__device__ inline double row_total(double value, double* scratch) {
  static_assert(column_partials == 4 * device::warp_lanes);
  __syncthreads();  // all reads of an earlier sum are done
  scratch[threadIdx.x] = value;
  __syncthreads();
  const double* lane = scratch + threadIdx.x % device::warp_lanes;
  const double even = lane[0] + lane[2 * device::warp_lanes],
               odd = lane[device::warp_lanes] + lane[3 * device::warp_lanes];
  return device::warp_sum(even + odd);
}

/// The channels of a thread's columns, one after the other.
class ChannelWalk {
 public:
  __device__ explicit ChannelWalk(std::int64_t channels)
      : channels_(static_cast<int>(channels)),
        step_(column_partials % channels_),
        channel_(static_cast<int>(threadIdx.x) % channels_) {}
  __device__ int channel() const { return channel_; }
  __device__ void next() {
    channel_ += step_;
    if (channel_ >= channels_) channel_ -= channels_;
  }

 private:
  int channels_, step_, channel_;
};

/// Mean and inverse deviation of a row.
__device__ inline RowStatistics row_statistics(const float* x, std::int64_t columns, float epsilon, double* scratch) {
  const auto count = static_cast<double>(columns);
  double sum = 0.0;
#pragma unroll 4
  for (std::int64_t c = threadIdx.x; c < columns; c += column_partials) sum += static_cast<double>(x[c]);
  const double mean = row_total(sum, scratch) / count;
  sum = 0.0;
#pragma unroll 4
  for (std::int64_t c = threadIdx.x; c < columns; c += column_partials) {
    const double difference = static_cast<double>(x[c]) - mean;
    sum += difference * difference;
  }
  return {static_cast<float>(mean), inverse_deviation_of(row_total(sum, scratch) / count, epsilon), 0.0f, 0.0f};
}

/// Adds the means of the tangent, and of h^ times the tangent.
__device__ inline void add_tangent_statistics(const float* x, const float* tangent, std::int64_t columns,
                                              double* scratch, RowStatistics& row) {
  double sum = 0.0, products = 0.0;
#pragma unroll 4
  for (std::int64_t c = threadIdx.x; c < columns; c += column_partials) {
    const auto t = static_cast<double>(tangent[c]);
    sum += t;
    products += t * static_cast<double>(normalise_member(row.mean, row.inverse_deviation, x[c]));
  }
  row.tangent_mean = static_cast<float>(row_total(sum, scratch) / static_cast<double>(columns));
  row.tangent_product = static_cast<float>(row_total(products, scratch) / static_cast<double>(columns));
}

/// A block per row and model.
inline device::LaunchShape row_shape(std::int64_t models, std::int64_t rows) {
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(rows, 1), 1, device::model_blocks(models));
  shape.block = dim3(column_partials);
  shape.shared_bytes = row_layout().bytes();
  return shape;
}

}  // namespace cugad::cuda
