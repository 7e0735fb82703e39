#include "kernels/device/entries.hpp"
#include "kernels/device/philox.cuh"
#include "kernels/device/quad.cuh"
#include "kernels/device/runtime.cuh"
#include "kernels/masks/mask.hpp"

/// A group of neighbouring lanes per row, four columns (the words of one Philox block) per lane and turn. Every lane
/// draws the row's own words again: cheaper than handing them round.
namespace cugad::cuda {
namespace {

constexpr int threads = 128;

__device__ std::uint32_t number_of(const std::int32_t* group, std::int64_t column) {
  return static_cast<std::uint32_t>(group == nullptr ? column : group[column]);
}

/// What a row draws for all its columns.
struct RowDraw {
  std::uint64_t block;   ///< of the first columns' words
  float share;           ///< of hidden cells
  std::uint32_t chosen;  ///< the number of the column that is hidden in any case
};

__device__ RowDraw draw_row(const MaskColumns& args, std::int64_t model, std::int64_t r, std::int64_t columns) {
  const auto block = static_cast<std::uint64_t>(r * mask_blocks(columns));
  const uint4 words = device::random_block(args.key, model, block);
  const RowMask drawn = row_mask(words.x, words.y, args.lowest, args.highest, columns);
  return {block + 1, drawn.share, number_of(args.group.model(model).data, drawn.chosen)};
}

/// Bit i: whether the row's draw hides column first + i, for i < count.
__device__ unsigned drawn_cells(const MaskColumns& args, std::int64_t model, const RowDraw& row, std::int64_t first,
                                std::int64_t count) {
  const std::int32_t* group = args.group.model(model).data;
  const uint4 words = device::random_block(args.key, model, row.block + static_cast<std::uint64_t>(first / 4));
  unsigned hidden = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i >= count) continue;
    const std::uint32_t number = number_of(group, first + i);
    std::uint32_t word = device::word_of(words, i);
    if (number != static_cast<std::uint32_t>(first + i)) {
      const uint4 others = device::random_block(args.key, model, row.block + number / 4);
      word = device::word_of(others, static_cast<int>(number % 4));
    }
    if (unit_uniform(word) < row.share || number == row.chosen) hidden |= 1u << i;
  }
  return hidden;
}

/// Bit i: whether the pattern hides column first + i, for i < count.
__device__ unsigned pattern_cells(const float* pattern, std::int64_t first, std::int64_t count) {
  unsigned hidden = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i < count && pattern[first + i] != 0.0f) hidden |= 1u << i;
  }
  return hidden;
}

/// Writes columns `first` to `first` + 3 of row r and their masks, as far as there are any.
__device__ void hide_quad(const MaskColumns& args, std::int64_t model, std::int64_t r, std::int64_t first,
                          unsigned hidden) {
  const MatrixView<const float> x = args.x.model(model);
  const std::int64_t count = x.columns - first, maskable = args.out.columns - x.columns - first;
  const float* from = x.row(r) + first;
  float cell[4], mask[4];
  device::load_quad(cell, from, count, device::is_aligned16(from));
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const bool is_hidden = (hidden >> i & 1u) != 0 || cell[i] != cell[i];
    cell[i] = is_hidden ? 0.0f : cell[i];
    mask[i] = is_hidden ? 1.0f : 0.0f;
  }
  float* to = args.out.model(model).row(r) + first;
  float* mask_to = to + x.columns;
  device::store_quad(to, cell, count, device::is_aligned16(to));
  device::store_quad(mask_to, mask, maskable, device::is_aligned16(mask_to));
}

/// Eight blocks a multiprocessor: aiming at nine, ptxas spills.
template <bool PATTERN>
__global__ void __launch_bounds__(threads, 8) mask_columns_kernel(MaskColumns args) {
  device::wait_for_earlier_work();
  const std::int64_t r = std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y;
  if (r >= args.x.rows) return;
  const std::int64_t width = args.x.columns, columns = args.out.columns - width;
  for (std::int64_t model = blockIdx.z; model < args.x.models; model += gridDim.z) {
    RowDraw row = {};
    if (!PATTERN && columns > 0) row = draw_row(args, model, r, columns);
    for (std::int64_t first = 4 * threadIdx.x; first < width; first += 4 * blockDim.x) {
      unsigned hidden = 0;
      if (first < columns) {
        hidden = PATTERN ? pattern_cells(args.pattern.model(model).data, first, columns - first)
                         : drawn_cells(args, model, row, first, columns - first);
      }
      hide_quad(args, model, r, first, hidden);
    }
  }
}

void run_mask_columns(Context& context, const MaskColumns& args) {
  if (args.x.rows == 0 || args.x.columns == 0 || args.x.models == 0) return;
  unsigned lanes = 1;
  while (lanes < device::warp_lanes && 4 * lanes < args.x.columns) lanes *= 2;
  device::LaunchShape shape;
  shape.block = dim3(lanes, threads / lanes);
  shape.grid = dim3(device::blocks_for(args.x.rows, shape.block.y), 1, device::model_blocks(args.x.models));
  shape.waits = true;
  device::launch(context.stream(), "mask_columns", shape,
                 args.pattern ? mask_columns_kernel<true> : mask_columns_kernel<false>, args);
}

}  // namespace

OpEntry<MaskColumns> mask_columns_entry() {
  return {run_mask_columns, [](const Context&, const MaskColumns&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cuda
