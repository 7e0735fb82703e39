#include <cmath>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/simd.hpp"

/// Models side by side; in each, W is read row by row in both directions.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int partials = 32;        ///< interleaved sums: element i belongs to sum i % 32
constexpr double smallest = 1e-12;  ///< added to a norm

template <class Number>
Number tree(Number (&partial)[partials]) {
  for (int half = partials / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) partial[i] += partial[i + half];
  }
  return partial[0];
}

/// sum a b in double: products of floats are exact there.
double product_sum(const float* a, const float* b, std::int64_t count) {
  double partial[partials] = {};
  std::int64_t first = 0;
  for (; first + partials <= count; first += partials) {
    for (int i = 0; i < partials; ++i) {
      partial[i] += static_cast<double>(a[first + i]) * static_cast<double>(b[first + i]);
    }
  }
  for (int i = 0; first + i < count; ++i) {
    partial[i] += static_cast<double>(a[first + i]) * static_cast<double>(b[first + i]);
  }
  return tree(partial);
}

float dot(const float* a, const float* b, std::int64_t count) {
  float partial[partials] = {};
  std::int64_t first = 0;
  for (; first + partials <= count; first += partials) {
    for (int i = 0; i < partials; i += width) {
      store(partial + i, fused(load(a + first + i), load(b + first + i), load(partial + i)));
    }
  }
  for (int i = 0; first + i < count; ++i) partial[i] = fused(a[first + i], b[first + i], partial[i]);
  return tree(partial);
}

/// x / (|x| + 1e-12).
void normalise(const float* x, std::int64_t count, float* unit) {
  const double norm = std::sqrt(product_sum(x, x, count)) + smallest;
  for (std::int64_t i = 0; i < count; ++i) unit[i] = static_cast<float>(static_cast<double>(x[i]) / norm);
}

/// v = u W.
void multiply_left(const float* u, const MatrixView<const float>& weight, float* v) {
  for (std::int64_t c = 0; c < weight.columns; ++c) v[c] = 0.0f;
  for (std::int64_t o = 0; o < weight.rows; ++o) {
    const float* row = weight.row(o);
    const Vec factor = set(u[o]);
    for_vectors(weight.columns, [&](std::int64_t c, int n) {
      store_some(v + c, fused(factor, load_some(row + c, n), load_some(v + c, n)), n);
    });
  }
}

void run_model(const SpectralNorm& args, std::int64_t model) {
  const MatrixView<const float> weight = args.weight.model(model);
  const std::int64_t out = weight.rows, in = weight.columns;
  float *u = args.u.model(model).data, *v = args.v.model(model).data, *left = args.left.model(model).data;
  double sigma = 0.0;
  for (int i = 0; i < args.iterations; ++i) {
    multiply_left(i == 0 ? u : left, weight, v);
    normalise(v, in, v);
    for (std::int64_t o = 0; o < out; ++o) left[o] = dot(v, weight.row(o), in);
    const double norm = std::sqrt(product_sum(left, left, out)) + smallest;
    double partial[partials] = {};
    for (std::int64_t o = 0; o < out; ++o) {
      const auto image = static_cast<double>(left[o]);
      left[o] = static_cast<float>(image / norm);
      partial[o % partials] += image * static_cast<double>(left[o]);
    }
    sigma = tree(partial);
  }
  const auto rounded = static_cast<float>(sigma);
  *args.sigma.model(model).data = rounded;
  for (std::int64_t o = 0; o < out; ++o) {
    const float* row = weight.row(o);
    float* normalised = args.normalised.model(model).row(o);
    for (std::int64_t c = 0; c < in; ++c) normalised[c] = rounded != 0.0f ? row[c] / rounded : 0.0f;
  }
  if (args.update && rounded != 0.0f) {
    for (std::int64_t o = 0; o < out; ++o) u[o] = left[o];
  }
}

void run_backward_model(const SpectralNormBackward& args, std::int64_t model) {
  const MatrixView<const float> normalised = args.normalised.model(model);
  const MatrixView<float> gradient = args.gradient.model(model);
  const float *left = args.left.model(model).data, *v = args.v.model(model).data;
  const float sigma = *args.sigma.model(model).data;
  double partial[partials] = {};
  for (std::int64_t o = 0; o < gradient.rows; ++o) {
    partial[o % partials] += product_sum(gradient.row(o), normalised.row(o), gradient.columns);
  }
  const auto share = static_cast<float>(tree(partial));
  for (std::int64_t o = 0; o < gradient.rows; ++o) {
    float* row = gradient.row(o);
    const float factor = -(share * left[o]);
    for (std::int64_t c = 0; c < gradient.columns; ++c) {
      row[c] = sigma != 0.0f ? fused(factor, v[c], row[c]) / sigma : 0.0f;
    }
  }
}

/// body(model) for all models that have elements; about two operations per nanosecond and sweep over W.
template <class Body>
void for_models(const Context& context, const StackView<float>& matrix, int sweeps, Body&& body) {
  const double cells = static_cast<double>(matrix.rows * matrix.columns);
  if (cells == 0.0) return;
  parallel_ranges(worthwhile_threads(context.threads(), 0.5 * sweeps * cells * static_cast<double>(matrix.models)),
                  matrix.models, [&](int, std::int64_t begin, std::int64_t end) {
                    for (std::int64_t m = begin; m < end; ++m) body(m);
                  });
}

void run_spectral_norm(Context& context, const SpectralNorm& args) {
  for_models(context, args.normalised, 2 * args.iterations + 1, [&](std::int64_t m) { run_model(args, m); });
}

void run_spectral_norm_backward(Context& context, const SpectralNormBackward& args) {
  for_models(context, args.gradient, 2, [&](std::int64_t m) { run_backward_model(args, m); });
}

}  // namespace

OpEntry<SpectralNorm> spectral_norm_entry() {
  return {run_spectral_norm, [](const Context&, const SpectralNorm&) -> std::size_t { return 0; }};
}
OpEntry<SpectralNormBackward> spectral_norm_backward_entry() {
  return {run_spectral_norm_backward, [](const Context&, const SpectralNormBackward&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
