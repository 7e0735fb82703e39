#include <algorithm>

#include "kernels/device/entries.hpp"
#include "kernels/device/limits.hpp"
#include "kernels/device/sort.cuh"

/// Every value becomes a key, its row above its order; one sort orders all rows; the quantiles are read at the
/// requested positions.
namespace cugad::cuda {
namespace {

constexpr int block_threads = 256;
constexpr int blocks_per_multiprocessor = 8;

struct Job {
  Quantile args;
  std::uint64_t* keys;  ///< [models * rows, n]
};

/// numpy's rounding: from the nearer end, so that the result never leaves [a, b].
__device__ double interpolate(double a, double b, double t) {
  if (a == b) return a;
  return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1.0 - t);
}

__device__ double value_at(const std::uint64_t* keys, std::int64_t at) {
  return static_cast<double>(device::value_of(static_cast<std::uint32_t>(keys[at])));
}

__device__ std::int64_t global_thread() { return static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x; }

__global__ void __launch_bounds__(block_threads) quantile_key_kernel(Job job) {
  const std::int64_t n = job.args.values.columns, rows = job.args.values.rows;
  const std::int64_t count = job.args.values.models * rows * n, step = std::int64_t{gridDim.x} * block_threads;
  for (std::int64_t i = global_thread(); i < count; i += step) {
    const std::int64_t row = i / n;
    const float value = job.args.values.model(row / rows).row(row % rows)[i % n];
    job.keys[i] = static_cast<std::uint64_t>(row) << 32 | device::order_of(value);
  }
}

__global__ void __launch_bounds__(block_threads) quantile_read_kernel(Job job) {
  const std::int64_t n = job.args.values.columns, rows = job.args.values.rows;
  const std::int64_t count = job.args.values.models * rows * job.args.count;
  const std::int64_t step = std::int64_t{gridDim.x} * block_threads;
  for (std::int64_t at = global_thread(); at < count; at += step) {
    const std::int64_t row = at / job.args.count;
    const auto i = static_cast<int>(at % job.args.count);
    const double position = job.args.probability[i] * static_cast<double>(n - 1);
    const auto truncated = static_cast<std::int64_t>(position);
    const std::int64_t below = truncated < n - 1 ? truncated : n - 1, above = below + 1 < n ? below + 1 : below;
    const std::uint64_t* sorted = job.keys + row * n;
    job.args.out.model(row / rows).row(row % rows)[i] = static_cast<float>(
        interpolate(value_at(sorted, below), value_at(sorted, above), position - static_cast<double>(below)));
  }
}

std::int64_t row_count(const Quantile& args) { return args.values.models * args.values.rows; }
std::int64_t key_count(const Quantile& args) { return row_count(args) * args.values.columns; }
int key_bits(const Quantile& args) { return 32 + device::bits_for(row_count(args)); }
std::size_t key_bytes(const Quantile& args) {
  return (sizeof(std::uint64_t) * static_cast<std::size_t>(key_count(args)) + 63) / 64 * 64;
}

std::size_t quantile_workspace(const Context&, const Quantile& args) {
  if (key_count(args) == 0) return 0;
  return 2 * key_bytes(args) + device::sort_bytes(key_count(args), key_bits(args));
}

void launch_over(Context& context, const char* name, void (*kernel)(Job), std::int64_t count, const Job& job) {
  const std::int64_t enough = std::int64_t{blocks_per_multiprocessor} * device_limits(context).multiprocessors;
  device::LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(std::min((count + block_threads - 1) / block_threads, enough)));
  shape.block = dim3(block_threads);
  device::launch(context.stream(), name, shape, kernel, job);
}

void run_quantile(Context& context, const Quantile& args) {
  const std::int64_t count = key_count(args);
  if (count == 0) return;
  const std::size_t bytes = quantile_workspace(context, args), half = key_bytes(args);
  auto* scratch = static_cast<unsigned char*>(context.scratch(bytes));
  Job job = {args, reinterpret_cast<std::uint64_t*>(scratch)};
  launch_over(context, "quantile keys", quantile_key_kernel, count, job);
  job.keys = device::sort_keys(context.stream(), job.keys, reinterpret_cast<std::uint64_t*>(scratch + half), count,
                               key_bits(args), scratch + 2 * half, bytes - 2 * half);
  launch_over(context, "quantile", quantile_read_kernel, row_count(args) * args.count, job);
}

}  // namespace

OpEntry<Quantile> quantile_entry() { return {run_quantile, quantile_workspace}; }

}  // namespace cugad::cuda
