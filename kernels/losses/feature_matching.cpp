#include <algorithm>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/losses/terms.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int chunk = 64;    ///< columns whose sums stay in the first cache level
constexpr int partials = 8;  ///< row r goes to partial sum r % 8

void column_means(const MatrixView<const float>& x, std::int64_t first, int columns, double* mean) {
  double sum[partials][chunk] = {};
  for (std::int64_t r = 0; r < x.rows; ++r) {
    const float* row = x.row(r) + first;
    double* part = sum[r % partials];
    for (int c = 0; c < columns; ++c) part[c] += static_cast<double>(row[c]);
  }
  for (int half = partials / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) {
      for (int c = 0; c < columns; ++c) sum[i][c] += sum[i + half][c];
    }
  }
  for (int c = 0; c < columns; ++c) mean[c] = sum[0][c] / static_cast<double>(x.rows);
}

void run_model(const FeatureMatching& args, std::int64_t model) {
  const MatrixView<const float> real = args.real.model(model), generated = args.generated.model(model);
  const MatrixView<float> gradient = args.dgenerated.model(model);
  double squares = 0.0;
  for (std::int64_t first = 0; first < real.columns; first += chunk) {
    const int count = static_cast<int>(std::min<std::int64_t>(chunk, real.columns - first));
    double real_mean[chunk], generated_mean[chunk];
    column_means(real, first, count, real_mean);
    column_means(generated, first, count, generated_mean);
    float slope[chunk];
    for (int c = 0; c < count; ++c) {
      const double difference = real_mean[c] - generated_mean[c];
      squares += difference * difference;
      slope[c] = matching_slope(difference, args.weight, generated.rows);
    }
    for (std::int64_t r = 0; r < gradient.rows; ++r) std::copy_n(slope, count, gradient.row(r) + first);
  }
  if (args.loss) *args.loss.model(model).data = mean_loss(args.weight, squares, 1);
}

void run_feature_matching(Context& context, const FeatureMatching& args) {
  if (args.real.columns == 0) return;
  const std::int64_t models = args.real.models, rows = args.real.rows + args.generated.rows;
  const double work = static_cast<double>(models * rows) * static_cast<double>(args.real.columns);
  parallel_ranges(worthwhile_threads(context.threads(), work), models, [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t m = begin; m < end; ++m) run_model(args, m);
  });
}

}  // namespace

OpEntry<FeatureMatching> feature_matching_entry() {
  return {run_feature_matching, [](const Context&, const FeatureMatching&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
