#include <algorithm>

#include "kernels/cpu/activation.hpp"
#include "kernels/cpu/dropout.hpp"
#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/matrix_multiply.hpp"
#include "kernels/cpu/packed_weights.hpp"
#include "kernels/cpu/parallel.hpp"

/// Dense layers on the CPU: pack the weights once per call and model (frozen weights once per context), then one pass
/// of tiles with the epilogue in registers. A layer of one output packs its rows instead.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

/// A core does about 200 floating-point operations per nanosecond here.
int useful_threads(const Context& context, double flops) {
  return worthwhile_threads(context.threads(), flops / 200.0);
}

void forward_rows(const DenseForward& args, std::int64_t m, const float* packed, std::int64_t begin, std::int64_t end) {
  const std::int64_t in = args.x.columns, out = args.y.columns;
  const float* x = args.x.data + m * args.x.model_stride + begin * args.x.row_stride;
  float* y = args.y.data + m * args.y.model_stride + begin * args.y.row_stride;
  const auto count = [&](std::int64_t column) { return static_cast<int>(std::min<std::int64_t>(width, out - column)); };
  if (args.derivative_of) {
    const float* h =
        args.derivative_of.data + m * args.derivative_of.model_stride + begin * args.derivative_of.row_stride;
    const float keep_share = 1.0f - args.dropout.rate;
    multiply(
        end - begin, out, in, x, args.x.row_stride, 1, packed, [](std::int64_t, std::int64_t) { return set(0.0f); },
        [&](std::int64_t r, std::int64_t c, Vec sum) {
          const Vec stored = load_some(h + r * args.derivative_of.row_stride + c, count(c));
          Vec slope = derivative(args.activation, args.slope, stored * set(keep_share));
          if (args.dropout.rate > 0.0f) slope = slope * set(1.0f / keep_share);
          store_some(y + r * args.y.row_stride + c, sum * slope, count(c));
        });
    if (args.dropout.rate > 0.0f) {
      for (std::int64_t r = 0; r < end - begin; ++r) {
        const float* stored = h + r * args.derivative_of.row_stride;
        float* row = y + r * args.y.row_stride;
        for (std::int64_t c = 0; c < out; ++c) {
          if (stored[c] == 0.0f && __builtin_signbit(stored[c])) row[c] = 0.0f;
        }
      }
    }
    return;
  }
  const float* bias = args.bias ? args.bias.data + m * args.bias.model_stride : nullptr;
  multiply(
      end - begin, out, in, x, args.x.row_stride, 1, packed,
      [&](std::int64_t, std::int64_t c) { return bias == nullptr ? set(0.0f) : load_some(bias + c, count(c)); },
      [&](std::int64_t r, std::int64_t c, Vec sum) {
        store_some(y + r * args.y.row_stride + c, activate(args.activation, args.slope, sum), count(c));
      });
  if (args.dropout.rate > 0.0f) {
    for (std::int64_t r = 0; r < end - begin; ++r)
      drop_units(args.dropout, m, (begin + r) * out, y + r * args.y.row_stride, out);
  }
}

/// Many rows of one output leave the lanes of its columns idle: they lie across instead, y^T = w x^T.
bool lies_across(const DenseForward& args) {
  return args.y.columns == 1 && args.y.rows > tile_rows && !args.derivative_of;
}

/// Up to panel_width rows of the one output, in the same chains over k; `packed` is for as many columns of x^T.
void forward_across(const DenseForward& args, std::int64_t m, std::int64_t begin, std::int64_t rows, float* packed) {
  const MatrixView<const float> x = args.x.model(m);
  const MatrixView<float> y = args.y.model(m);
  pack_columns(x.row(begin), x.row_stride, x.columns, rows, packed);
  float value[panel_width];
  multiply(
      1, rows, x.columns, args.weight.model(m).data, 0, 1, packed,
      [&](std::int64_t, std::int64_t) { return set(args.bias ? *args.bias.model(m).data : 0.0f); },
      [&](std::int64_t, std::int64_t r, Vec sum) { store(value + r, activate(args.activation, args.slope, sum)); });
  for (std::int64_t r = 0; r < rows; ++r) {
    if (args.dropout.rate > 0.0f) drop_units(args.dropout, m, begin + r, value + r, 1);
    *y.row(begin + r) = value[r];
  }
}

std::size_t forward_workspace(const Context& context, const DenseForward& args) {
  return sizeof(float) *
         static_cast<std::size_t>(packed_size(args.x.columns, lies_across(args) ? panel_width : args.y.columns)) *
         static_cast<std::size_t>(std::max(1, context.threads()));
}

void forward_across(Context& context, const DenseForward& args, int threads) {
  auto* scratch = static_cast<float*>(context.scratch(forward_workspace(context, args)));
  const std::int64_t rows = args.y.rows, parts = (rows + panel_width - 1) / panel_width;
  parallel_ranges(threads, args.y.models * parts, [&](int thread, std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      const std::int64_t first = part % parts * panel_width;
      forward_across(args, part / parts, first, std::min<std::int64_t>(panel_width, rows - first),
                     scratch + thread * packed_size(args.x.columns, panel_width));
    }
  });
}

void forward(Context& context, const DenseForward& args) {
  const std::int64_t models = args.y.models, rows = args.y.rows, in = args.x.columns, out = args.y.columns;
  const int threads = useful_threads(context, 2.0 * static_cast<double>(models * rows) * static_cast<double>(in * out));
  if (lies_across(args)) return forward_across(context, args, threads);
  const float* kept = kept_weights(context, args.weight);
  auto* scratch = kept != nullptr ? nullptr : static_cast<float*>(context.scratch(forward_workspace(context, args)));
  const auto packed = [&](std::int64_t m, int thread, bool is_first) -> const float* {
    if (kept != nullptr) return kept + m * packed_floats(in, out);
    float* memory = scratch + thread * packed_size(in, out);
    if (is_first || args.weight.model_stride != 0) {
      pack_columns(args.weight.data + m * args.weight.model_stride, args.weight.row_stride, in, out, memory);
    }
    return memory;
  };
  if (models > 1) {
    parallel_ranges(threads, models, [&](int thread, std::int64_t begin, std::int64_t end) {
      for (std::int64_t m = begin; m < end; ++m) forward_rows(args, m, packed(m, thread, m == begin), 0, rows);
    });
  } else if (models == 1) {
    const float* weight = packed(0, 0, true);
    parallel_ranges(threads, rows,
                    [&](int, std::int64_t begin, std::int64_t end) { forward_rows(args, 0, weight, begin, end); });
  }
}

/// dH = dY * act'(y), in place.
void activation_backward(const DenseBackward& args, std::int64_t m) {
  if (args.activation == Activation::identity && args.dropout_rate == 0.0f) return;
  const MatrixView<const float> y = args.y.model(m);
  const MatrixView<float> dy = args.dy.model(m);
  for (std::int64_t r = 0; r < dy.rows; ++r) {
    activation_gradient(args.activation, args.slope, args.dropout_rate, y.row(r), dy.row(r), dy.columns);
  }
}

void input_gradient(const DenseBackward& args, std::int64_t m, const float* packed, std::int64_t begin,
                    std::int64_t end) {
  const std::int64_t in = args.weight.columns, out = args.dy.columns;
  float* dx = args.dx.data + m * args.dx.model_stride + begin * args.dx.row_stride;
  multiply(
      end - begin, in, out, args.dy.data + m * args.dy.model_stride + begin * args.dy.row_stride, args.dy.row_stride, 1,
      packed, [](std::int64_t, std::int64_t) { return set(0.0f); },
      [&](std::int64_t r, std::int64_t c, Vec sum) {
        store_some(dx + r * args.dx.row_stride + c, sum, static_cast<int>(std::min<std::int64_t>(width, in - c)));
      });
}

/// dW for the weight rows [begin, end).
void weight_gradient(const DenseBackward& args, std::int64_t m, const float* packed, std::int64_t begin,
                     std::int64_t end) {
  const std::int64_t in = args.weight.columns;
  float* dweight = args.dweight.data + m * args.dweight.model_stride + begin * args.dweight.row_stride;
  multiply(
      end - begin, in, args.dy.rows, args.dy.data + m * args.dy.model_stride + begin, 1, args.dy.row_stride, packed,
      [](std::int64_t, std::int64_t) { return set(0.0f); },
      [&](std::int64_t r, std::int64_t c, Vec sum) {
        const int n = static_cast<int>(std::min<std::int64_t>(width, in - c));
        float* at = dweight + r * args.dweight.row_stride + c;
        const Vec scaled = sum * set(args.scale);
        store_some(at, args.accumulate ? load_some(at, n) + scaled : scaled, n);
      });
}

void bias_gradient(const DenseBackward& args, std::int64_t m) {
  const float* dy = args.dy.data + m * args.dy.model_stride;
  float* dbias = args.dbias.data + m * args.dbias.model_stride;
  for_vectors(args.dy.columns, [&](std::int64_t c, int n) {
    Vec sum = set(0.0f);
    for (std::int64_t r = 0; r < args.dy.rows; ++r) sum = sum + load_some(dy + r * args.dy.row_stride + c, n);
    sum = sum * set(args.scale);
    store_some(dbias + c, args.accumulate ? load_some(dbias + c, n) + sum : sum, n);
  });
}

std::size_t backward_floats(const DenseBackward& args) {
  const std::int64_t in = args.weight.columns;
  std::int64_t floats = 0;
  if (args.dx) floats = packed_size(args.dy.columns, in);
  if (args.dweight) floats = std::max(floats, packed_size(args.dy.rows, in));
  return static_cast<std::size_t>(rounded_up(floats, 16));
}

std::size_t backward_workspace(const Context& context, const DenseBackward& args) {
  return sizeof(float) * backward_floats(args) * static_cast<std::size_t>(std::max(1, context.threads()));
}

void backward(Context& context, const DenseBackward& args) {
  const std::int64_t rows = args.dy.rows, in = args.weight.columns, out = args.dy.columns;
  const double flops = 4.0 * static_cast<double>(rows) * static_cast<double>(in) * static_cast<double>(out);
  auto* scratch = static_cast<float*>(context.scratch(backward_workspace(context, args)));
  const auto one_model = [&](std::int64_t m, float* packed, int threads) {
    activation_backward(args, m);
    if (args.dx) {
      pack_rows(args.weight.data + m * args.weight.model_stride, args.weight.row_stride, out, in, packed);
      parallel_ranges(threads, rows,
                      [&](int, std::int64_t begin, std::int64_t end) { input_gradient(args, m, packed, begin, end); });
    }
    if (args.dweight) {
      pack_rows(args.x.data + m * args.x.model_stride, args.x.row_stride, rows, in, packed);
      parallel_ranges(threads, out,
                      [&](int, std::int64_t begin, std::int64_t end) { weight_gradient(args, m, packed, begin, end); });
    }
    if (args.dbias) bias_gradient(args, m);
  };
  if (args.dy.models > 1) {
    parallel_ranges(useful_threads(context, flops * static_cast<double>(args.dy.models)), args.dy.models,
                    [&](int thread, std::int64_t begin, std::int64_t end) {
                      float* packed = scratch + static_cast<std::size_t>(thread) * backward_floats(args);
                      for (std::int64_t m = begin; m < end; ++m) one_model(m, packed, 1);
                    });
  } else if (args.dy.models == 1) {
    one_model(0, scratch, useful_threads(context, flops));
  }
}

}  // namespace

OpEntry<DenseForward> dense_forward_entry() { return {forward, forward_workspace}; }
OpEntry<DenseBackward> dense_backward_entry() { return {backward, backward_workspace}; }

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
