#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int block = 64;  ///< columns whose sums stay in the first cache level; also the unit of parallelism

/// Running sums of up to `block` columns, rows ascending.
struct Sums {
  double count[block] = {}, mean[block] = {}, second[block] = {}, third[block] = {};
  float minimum[block], maximum[block];

  Sums() {
    std::fill_n(minimum, block, std::numeric_limits<float>::infinity());
    std::fill_n(maximum, block, -std::numeric_limits<float>::infinity());
  }
  void add_value(const float* x, int columns) {
    for (int c = 0; c < columns; ++c) {
      const bool number = x[c] == x[c];
      count[c] += number ? 1.0 : 0.0;
      mean[c] += number ? static_cast<double>(x[c]) : 0.0;
      minimum[c] = x[c] < minimum[c] ? x[c] : minimum[c];
      maximum[c] = x[c] > maximum[c] ? x[c] : maximum[c];
    }
  }
  void add_moments(const float* x, int columns) {
    for (int c = 0; c < columns; ++c) {
      const double difference = x[c] == x[c] ? static_cast<double>(x[c]) - mean[c] : 0.0;
      const double square = difference * difference;
      second[c] += square;
      third[c] += square * difference;
    }
  }
};

void run_block(const MatrixView<const float>& x, const MatrixView<double>& out, std::int64_t first, int columns) {
  Sums sums;
  for (std::int64_t r = 0; r < x.rows; ++r) sums.add_value(x.row(r) + first, columns);
  for (int c = 0; c < columns; ++c) sums.mean[c] /= std::max(sums.count[c], 1.0);
  for (std::int64_t r = 0; r < x.rows; ++r) sums.add_moments(x.row(r) + first, columns);
  for (int c = 0; c < columns; ++c) {
    const double n = sums.count[c];
    // Asked of the range, not of the moments: the rounded mean of equal values may differ from them.
    const bool varies = n > 0.0 && sums.minimum[c] < sums.maximum[c];
    const double deviation = varies ? std::sqrt(sums.second[c] / n) : 0.0;
    const double cube = deviation * deviation * deviation;
    const double statistics[6] = {n,
                                  n > 0.0 && !varies ? static_cast<double>(sums.minimum[c]) : sums.mean[c],
                                  deviation,
                                  cube > 0.0 ? sums.third[c] / n / cube : 0.0,
                                  n > 0.0 ? static_cast<double>(sums.minimum[c]) : 0.0,
                                  n > 0.0 ? static_cast<double>(sums.maximum[c]) : 0.0};
    for (int i = 0; i < 6; ++i) out.row(i)[first + c] = statistics[i];
  }
}

void run_column_statistics(Context& context, const ColumnStatistics& args) {
  const std::int64_t blocks = (args.x.columns + block - 1) / block, units = args.x.models * blocks;
  const double work = static_cast<double>(args.x.models * args.x.rows) * static_cast<double>(args.x.columns);
  parallel_ranges(worthwhile_threads(context.threads(), work), units, [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t model = unit / blocks, first = unit % blocks * block;
      const std::int64_t columns = std::min<std::int64_t>(block, args.x.columns - first);
      run_block(args.x.model(model), args.out.model(model), first, static_cast<int>(columns));
    }
  });
}

}  // namespace

OpEntry<ColumnStatistics> column_statistics_entry() {
  return {run_column_statistics, [](const Context&, const ColumnStatistics&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
