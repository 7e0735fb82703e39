#include <algorithm>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/simd.hpp"
#include "kernels/elementary.hpp"

/// One kernel of the projection at a time, transposed: element (c, j) of a panel. So tiles of rows j are vectors, and
/// all the arithmetic runs along them.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int tile = 16;  ///< interleaved sums over rows j, and the rows that are looked at together

std::int64_t padded(std::int64_t rows) { return (rows + tile - 1) / tile * tile; }

/// Of one model and kernel: the transposed projection, rows filled up with zeros.
struct Panel {
  const float* data;
  std::int64_t rows, padded_rows, dimensions;
  const float* at(std::int64_t c, std::int64_t j) const { return data + c * padded_rows + j; }
};

Panel pack(const MatrixView<const float>& projection, std::int64_t kernel, std::int64_t dimensions, float* packed) {
  const Panel panel = {packed, projection.rows, padded(projection.rows), dimensions};
  std::fill_n(packed, panel.padded_rows * dimensions, 0.0f);
  for (std::int64_t j = 0; j < projection.rows; ++j) {
    const float* row = projection.row(j) + kernel * dimensions;
    for (std::int64_t c = 0; c < dimensions; ++c) packed[c * panel.padded_rows + j] = row[c];
  }
  return panel;
}

/// exp(-distance) of row i to rows [first, first + 16); 0 beyond the last row.
void nearness(const Panel& panel, std::int64_t i, std::int64_t first, float (&value)[tile]) {
  float distance[tile] = {};
  for (std::int64_t c = 0; c < panel.dimensions; ++c) {
    const float own = *panel.at(c, i);
    const float* other = panel.at(c, first);
    for (int j = 0; j < tile; ++j) distance[j] += __builtin_fabsf(own - other[j]);
  }
  for (int j = 0; j < tile; ++j) value[j] = exp_negative(-distance[j]);
  for (std::int64_t j = panel.rows - first; j < tile; ++j) value[j] = 0.0f;
}

float tree(float* partial) {
  for (int half = tile / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) partial[j] += partial[j + half];
  }
  return partial[0];
}

void discriminate(const Panel& panel, std::int64_t kernel, const MatrixView<float>& out) {
  for (std::int64_t i = 0; i < panel.rows; ++i) {
    float partial[tile] = {};
    for (std::int64_t first = 0; first < panel.rows; first += tile) {
      float value[tile];
      nearness(panel, i, first, value);
      for (int j = 0; j < tile; ++j) partial[j] += value[j];
    }
    out.row(i)[kernel] = tree(partial);
  }
}

/// The gradient of row i; `partial` has room for the sums of every dimension.
void pull_row(const Panel& panel, const float* gradient, std::int64_t i, float* partial, float* out) {
  std::fill_n(partial, panel.dimensions * tile, 0.0f);
  for (std::int64_t first = 0; first < panel.rows; first += tile) {
    float weight[tile];
    nearness(panel, i, first, weight);
    for (int j = 0; j < tile; ++j) weight[j] *= gradient[i] + gradient[first + j];
    for (std::int64_t c = 0; c < panel.dimensions; ++c) {
      const float own = *panel.at(c, i);
      const float* other = panel.at(c, first);
      float* sum = partial + c * tile;
      for (int j = 0; j < tile; j += width) {
        const Vec here = set(own), there = load(other + j), pull = load(weight + j);
        const Vec signed_pull = select_less(there, here, set(0.0f) - pull, select_less(here, there, pull, set(0.0f)));
        store(sum + j, load(sum + j) + signed_pull);
      }
    }
  }
  for (std::int64_t c = 0; c < panel.dimensions; ++c) out[c] = tree(partial + c * tile);
}

/// Floats that one thread works in: the panel, and for the backward pass a column of the gradient and the sums of a
/// row.
template <class Args>
std::int64_t thread_floats(const Args& args) {
  const std::int64_t dimensions = args.projection.columns / args.kernels;
  return padded(args.projection.rows) * (dimensions + 1) + dimensions * tile;
}

template <class Args>
std::size_t workspace(const Context& context, const Args& args) {
  return sizeof(float) * static_cast<std::size_t>(thread_floats(args)) *
         static_cast<std::size_t>(std::max(1, context.threads()));
}

/// body(model, kernel, panel, rest of the thread's floats) for all kernels of all models.
template <class Args, class Body>
void for_kernels(Context& context, const Args& args, double nanoseconds_per_cell, Body&& body) {
  const StackView<const float> projection = args.projection;
  const std::int64_t dimensions = projection.columns / args.kernels;
  if (projection.models == 0 || projection.rows == 0) return;
  auto* scratch = static_cast<float*>(context.scratch(workspace(context, args)));
  const double pairs = static_cast<double>(projection.rows) * static_cast<double>(projection.rows);
  const double cells = pairs * static_cast<double>(projection.models * (projection.columns + 4 * args.kernels));
  parallel_ranges(worthwhile_threads(context.threads(), nanoseconds_per_cell * cells), projection.models * args.kernels,
                  [&](int thread, std::int64_t begin, std::int64_t end) {
                    float* floats = scratch + thread * thread_floats(args);
                    for (std::int64_t at = begin; at < end; ++at) {
                      const std::int64_t model = at / args.kernels, kernel = at % args.kernels;
                      const Panel panel = pack(projection.model(model), kernel, dimensions, floats);
                      body(model, kernel, panel, floats + panel.padded_rows * dimensions);
                    }
                  });
}

void run_minibatch_discrimination(Context& context, const MinibatchDiscrimination& args) {
  for_kernels(context, args, 0.1, [&](std::int64_t model, std::int64_t kernel, const Panel& panel, float*) {
    discriminate(panel, kernel, args.out.model(model));
  });
}

void run_minibatch_discrimination_backward(Context& context, const MinibatchDiscriminationBackward& args) {
  for_kernels(context, args, 0.5, [&](std::int64_t model, std::int64_t kernel, const Panel& panel, float* rest) {
    float *gradient = rest, *partial = rest + panel.padded_rows;
    std::fill_n(gradient, panel.padded_rows, 0.0f);
    for (std::int64_t j = 0; j < panel.rows; ++j) gradient[j] = args.out_gradient.model(model).row(j)[kernel];
    for (std::int64_t i = 0; i < panel.rows; ++i) {
      float* out = args.projection_gradient.model(model).row(i) + kernel * panel.dimensions;
      pull_row(panel, gradient, i, partial, out);
    }
  });
}

}  // namespace

OpEntry<MinibatchDiscrimination> minibatch_discrimination_entry() {
  return {run_minibatch_discrimination, workspace<MinibatchDiscrimination>};
}
OpEntry<MinibatchDiscriminationBackward> minibatch_discrimination_backward_entry() {
  return {run_minibatch_discrimination_backward, workspace<MinibatchDiscriminationBackward>};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
