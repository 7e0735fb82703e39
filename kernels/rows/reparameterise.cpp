#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/rows/gaussian.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void draw_row(const float* statistics, const float* noise, std::int64_t k, float* z) {
  for (std::int64_t c = 0; c < k; ++c) {
    z[c] = multiply_add(gaussian_deviation(statistics[k + c]), noise[c], statistics[c]);
  }
}

void differentiate_row(const float* statistics, const float* noise, const float* dz, std::int64_t k, float* gradient) {
  for (std::int64_t c = 0; c < k; ++c) gradient[c] = dz[c];
  for (std::int64_t c = 0; c < k; ++c) gradient[k + c] = dz[c] * gaussian_slope(statistics[k + c], noise[c]);
}

void run_rows(const Reparameterise& args, std::int64_t model, std::int64_t begin, std::int64_t end) {
  const MatrixView<const float> statistics = args.statistics.model(model), noise = args.noise.model(model);
  const MatrixView<float> z = args.z.model(model), gradient = args.dstatistics.model(model);
  const MatrixView<const float> dz = args.dz.model(model);
  for (std::int64_t r = begin; r < end; ++r) {
    if (args.z) draw_row(statistics.row(r), noise.row(r), noise.columns, z.row(r));
    if (args.dz) differentiate_row(statistics.row(r), noise.row(r), dz.row(r), noise.columns, gradient.row(r));
  }
}

void run_reparameterise(Context& context, const Reparameterise& args) {
  const std::int64_t rows = args.noise.rows;
  const double work =
      static_cast<double>(args.noise.models * rows) * (10.0 + 4.0 * static_cast<double>(args.noise.columns));
  const int threads = worthwhile_threads(context.threads(), work);
  for (std::int64_t m = 0; m < args.noise.models; ++m) {
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) { run_rows(args, m, begin, end); });
  }
}

}  // namespace

OpEntry<Reparameterise> reparameterise_entry() {
  return {run_reparameterise, [](const Context&, const Reparameterise&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
