#include "kernels/device/matrix_multiply.cuh"
#include "kernels/latent_search/tile_products.hpp"

/// One thread per 32-bit word of the packed weights: neighbours write neighbours.
namespace cugad::cuda {
namespace {

constexpr int block_threads = 256;

struct PackArguments {
  TileProducts products;
  std::int64_t first_model, packed_stride;
  unsigned char* packed;
};

/// B[k][n] of a product, 0 in the pads.
__device__ float weight_at(const TileProduct& product, const ProductSource& source, const float* weight, int k, int n) {
  if (k >= product.inner || n >= product.outer) return 0.0f;
  return source.transposed ? weight[static_cast<std::int64_t>(k) * source.in + n]
                           : weight[static_cast<std::int64_t>(n) * source.in + k];
}

/// fp32: [step][4 k][columns of the pass]. Tensor cores: [step][8 columns][lane][2 registers], as fragments want them.
__device__ std::uint32_t packed_word(const TileProducts& all, const TileProduct& product, const ProductSource& source,
                                     const float* weight, std::int64_t word) {
  const Precision precision = all.precision;
  const int columns = rounded_up(product.outer, column_step(precision));
  const int steps = (product.inner + inner_step(precision) - 1) / inner_step(precision);
  const int column_words = column_bytes(precision) / 4;
  const std::int64_t pass_words = static_cast<std::int64_t>(steps) * all.shape.pass_columns * column_words;
  const int first = static_cast<int>(word / pass_words) * all.shape.pass_columns;
  const int width = min(columns - first, all.shape.pass_columns);
  const int in_pass = static_cast<int>(word % pass_words);
  const int step = in_pass / (width * column_words), at = in_pass % (width * column_words);
  if (precision == Precision::fp32) {
    return __float_as_uint(weight_at(product, source, weight, 4 * step + at / width, first + at % width));
  }
  const int lane = at % 64 / 2, r = at % 2, n = first + at / 64 * 8;
  if (precision == Precision::tf32) {
    const device::Element place = device::fragment_b8(lane, r);
    return device::round_tf32(weight_at(product, source, weight, 8 * step + place.row, n + place.column));
  }
  const device::Element place = device::fragment_b16(lane, r, 0);
  const int k = 16 * step + place.row;
  return device::pack_bf16(weight_at(product, source, weight, k, n + place.column),
                           weight_at(product, source, weight, k + 1, n + place.column));
}

__global__ void __launch_bounds__(block_threads) pack_products_kernel(const __grid_constant__ PackArguments args) {
  const TileProducts& all = args.products;
  const TileProduct& product = all.product[blockIdx.y];
  const ProductSource& source = all.source[blockIdx.y];
  const std::int64_t end =
      blockIdx.y + 1 < static_cast<unsigned>(all.count) ? all.product[blockIdx.y + 1].offset : all.bytes;
  const std::int64_t words = (end - product.offset) / 4;
  const std::int64_t word = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (word >= words) return;
  const std::int64_t model = blockIdx.z;
  auto* packed = reinterpret_cast<std::uint32_t*>(args.packed + model * args.packed_stride + product.offset);
  packed[word] =
      packed_word(all, product, source, source.weight + (args.first_model + model) * source.model_stride, word);
}

}  // namespace

void pack_products(void* stream, const TileProducts& products, std::int64_t first_model, std::int64_t models,
                   unsigned char* packed, std::int64_t packed_stride) {
  if (products.count == 0) return;
  std::int64_t largest = 0;
  for (int i = 0; i < products.count; ++i) {
    const std::int64_t end = i + 1 < products.count ? products.product[i + 1].offset : products.bytes;
    largest = std::max(largest, (end - products.product[i].offset) / 4);
  }
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(largest, block_threads), static_cast<unsigned>(products.count),
                    static_cast<unsigned>(models));
  shape.block = dim3(block_threads);
  const PackArguments args{products, first_model, packed_stride, packed};
  device::launch(stream, "pack_products", shape, pack_products_kernel, args);
}

}  // namespace cugad::cuda
