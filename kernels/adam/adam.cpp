#include <limits>

#include "kernels/adam/constants.hpp"
#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/interleaved_sum.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/simd.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

/// decay * old + (1 - decay) * fresh.
Vec mixture(const MixtureFactors& factors, Vec old, Vec fresh) {
  const Vec share = set(factors.share);
  return factors.mostly_old ? fused(share, fresh - old, old) : fused(share, old - fresh, fresh);
}

/// The same with the square of x for the fresh term.
Vec mixture_of_square(const MixtureFactors& factors, Vec old, Vec x) {
  if (factors.mostly_old) return fused(set(factors.share), fused(x, x, -old), old);
  return mixture(factors, old, x * x);
}

/// The moments of a weight without gradient decay to subnormal numbers and would stay there; some processors are a
/// hundred times slower on them.
Vec without_subnormal(Vec x) {
  const Vec zero = set(0.0f);
  return select_less(absolute(x), set(std::numeric_limits<float>::min()), zero, x);
}

struct Buffers {
  float *parameter, *first_moment, *second_moment, *average;
  const float* gradient;
};

template <bool averaged>
void step_vector(const Buffers& at, std::int64_t i, int n, const AdamConstants& c) {
  const Vec g = load_some(at.gradient + i, n);
  Vec m = load_some(at.first_moment + i, n), v = load_some(at.second_moment + i, n);
  m = without_subnormal(mixture(c.first, m, g));
  v = without_subnormal(mixture_of_square(c.second, v, g));
  const Vec ratio = m / fused(square_root(v), set(c.root_scale), set(c.epsilon));
  const Vec w = fused(set(-c.step), ratio, load_some(at.parameter + i, n));
  store_some(at.first_moment + i, m, n);
  store_some(at.second_moment + i, v, n);
  store_some(at.parameter + i, w, n);
  if constexpr (averaged) {
    store_some(at.average + i, mixture(c.average, load_some(at.average + i, n), w), n);
  }
}

double squared_norm(const float* gradient, std::int64_t n) {
  InterleavedSquares squares;
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) squares.add(gradient + i);
  squares.add(gradient + i, n - i);
  return squares.total();
}

/// Returns the squared norm of the gradient where `normed`.
template <bool averaged, bool normed>
double step_model(const Buffers& at, std::int64_t n, const AdamConstants& c) {
  InterleavedSquares squares;
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    if constexpr (normed) squares.add(at.gradient + i);
    for (int part = 0; part < 16; part += width) step_vector<averaged>(at, i + part, width, c);
  }
  if constexpr (normed) squares.add(at.gradient + i, n - i);
  for (; i < n; i += width) step_vector<averaged>(at, i, static_cast<int>(n - i < width ? n - i : width), c);
  return squares.total();
}

void run_model(const Adam& args, std::int64_t model) {
  const std::int64_t n = args.parameter.columns;
  const Buffers at = {args.parameter.model(model).data, args.first_moment.model(model).data,
                      args.second_moment.model(model).data, args.average ? args.average.model(model).data : nullptr,
                      args.gradient.model(model).data};
  const double scale = args.model_scale ? static_cast<double>(*args.model_scale.model(model).data) : 1.0;
  const bool normed = static_cast<bool>(args.squared_norm);
  double norm = 0.0;
  if (scale == 0.0) {
    if (normed) norm = squared_norm(at.gradient, n);
  } else {
    const AdamConstants c = adam_constants(args, scale);
    if (args.average) {
      norm = normed ? step_model<true, true>(at, n, c) : step_model<true, false>(at, n, c);
    } else {
      norm = normed ? step_model<false, true>(at, n, c) : step_model<false, false>(at, n, c);
    }
  }
  if (normed) *args.squared_norm.model(model).data = static_cast<float>(norm);
}

void run_adam(Context& context, const Adam& args) {
  const std::int64_t models = args.parameter.models;
  const double nanoseconds = 0.4 * static_cast<double>(models) * static_cast<double>(args.parameter.columns);
  parallel_ranges(worthwhile_threads(context.threads(), nanoseconds), models,
                  [&](int, std::int64_t begin, std::int64_t end) {
                    for (std::int64_t m = begin; m < end; ++m) run_model(args, m);
                  });
}

}  // namespace

OpEntry<Adam> adam_entry() {
  return {run_adam, [](const Context&, const Adam&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
