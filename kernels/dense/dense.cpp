#include <algorithm>

#include "kernels/cpu/activation.hpp"
#include "kernels/cpu/dropout.hpp"
#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/packed_weights.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/rounded_multiply.hpp"

/// Dense layers on the CPU: pack the weights once per call and model (frozen weights once per context), then one pass
/// of tiles with the epilogue in registers. A layer of one output packs its rows instead.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

/// Rows that are rounded at a time: their words stay in the second-level cache.
constexpr std::int64_t rounded_rows = 16 * tile_rows;
/// Columns of a layer whose zeros are looked for, at most.
constexpr std::int64_t most_listed = 1024;

/// Rows [begin, end) of y from x, the same rows, of which all terms count or, of floats, those of a list.
void forward_rows(const DenseForward& args, std::int64_t m, const LeftOperand& x, const float* packed,
                  std::int64_t begin, std::int64_t end, const ListedTerms* nonzero = nullptr) {
  const std::int64_t out = args.y.columns;
  float* y = args.y.data + m * args.y.model_stride + begin * args.y.row_stride;
  const auto count = [&](std::int64_t column) { return static_cast<int>(std::min<std::int64_t>(width, out - column)); };
  if (args.derivative_of) {
    const float* h =
        args.derivative_of.data + m * args.derivative_of.model_stride + begin * args.derivative_of.row_stride;
    const float keep_share = 1.0f - args.dropout.rate;
    multiply(
        end - begin, out, x, packed, [](std::int64_t, std::int64_t) { return set(0.0f); },
        [&](std::int64_t r, std::int64_t c, Vec sum) {
          const Vec stored = load_some(h + r * args.derivative_of.row_stride + c, count(c));
          const Vec slope = derivative(args.activation, args.slope, stored * set(keep_share));
          Vec result = sum * slope;
          if (args.dropout.rate > 0.0f) result = zero_if_dropped(stored, sum * (slope * set(1.0f / keep_share)));
          store_some(y + r * args.y.row_stride + c, result, count(c));
        });
    return;
  }
  const float* bias = args.bias ? args.bias.data + m * args.bias.model_stride : nullptr;
  const auto initial = [&](std::int64_t, std::int64_t c) {
    return bias == nullptr ? set(0.0f) : load_some(bias + c, count(c));
  };
  const auto keep = [&](std::int64_t r, std::int64_t c, Vec sum) {
    store_some(y + r * args.y.row_stride + c, activate(args.activation, args.slope, sum), count(c));
  };
  if (nonzero != nullptr) {
    multiply_terms(end - begin, out, x.k_count, *nonzero, x.data, x.row_stride, x.k_stride, packed, initial, keep);
  } else {
    multiply(end - begin, out, x, packed, initial, keep);
  }
  if (args.dropout.rate > 0.0f) {
    for (std::int64_t r = 0; r < end - begin; ++r)
      drop_units(args.dropout, m, (begin + r) * out, y + r * args.y.row_stride, out);
  }
}

/// Lists the columns of x in which a row of [begin, begin + rows) is not 0, in order. The other terms change no sum but
/// the sign of one that is 0. `list` has room for a vector more than there are columns.
ListedTerms list_terms(const MatrixView<const float>& x, std::int64_t begin, std::int64_t rows, std::int32_t* list) {
  std::int64_t listed = 0;
  for_vectors(x.columns, [&](std::int64_t k, int count) {
    Vec largest = set(0.0f);
    for (std::int64_t r = begin; r < begin + rows; ++r) {
      const Vec value = load_some(x.row(r) + k, count);
      largest = maximum(largest, select_number(value, absolute(value), set(1.0f)));  // NaN is not 0
    }
    const std::uint32_t lanes = less_lanes(set(0.0f), largest);
    for (int i = 0; i < width; ++i) {  // no branch, which would be mispredicted
      list[listed] = static_cast<std::int32_t>(k) + i;
      listed += lanes >> i & 1;
    }
  });
  return {listed, list};
}

/// Rows [begin, end) tile by tile, without the terms at which all rows of a tile are 0: of activations after a ReLU in
/// rows that resemble each other, and of masks. Returns the first row of those left where it finds too few to gain.
std::int64_t forward_nonzero(const DenseForward& args, std::int64_t m, const float* packed, std::int64_t begin,
                             std::int64_t end) {
  const MatrixView<const float> x = args.x.model(m);
  std::int32_t list[most_listed + width];
  if (x.columns > most_listed || end - begin <= tile_rows) return begin;
  const std::int64_t tiles = (end - begin + tile_rows - 1) / tile_rows;
  for (std::int64_t t = 0, rows = 0, listed = 0; t < tiles; ++t, begin += rows) {
    rows = (end - begin + tiles - t - 1) / (tiles - t);  // tiles of nearly equal height
    const ListedTerms nonzero = list_terms(x, begin, rows, list);
    listed += nonzero.count;
    if (4 * listed > 3 * (t + 1) * x.columns) return begin;
    forward_rows(args, m, {x.row(begin), x.row_stride, 1, x.columns, false}, packed, begin, begin + rows, &nonzero);
  }
  return end;
}

/// `words` has room for rounded_rows rows if operands are rounded.
void forward_rows(const DenseForward& args, std::int64_t m, bool is_rounded, bool skips_zeros, float* words,
                  const float* packed, std::int64_t begin, std::int64_t end) {
  if (skips_zeros) begin = forward_nonzero(args, m, packed, begin, end);
  const MatrixView<const float> x = args.x.model(m);
  const std::int64_t step = is_rounded ? rounded_rows : end - begin;
  for (; begin < end; begin += step) {
    const std::int64_t stop = std::min(end, begin + step);
    forward_rows(args, m, left_rows(x.row(begin), x.row_stride, stop - begin, x.columns, is_rounded, words), packed,
                 begin, stop);
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

/// Floats of a thread: the packed weights, and the words of rows.
struct ForwardMemory {
  std::int64_t packed, words;

  ForwardMemory(const Context& context, const DenseForward& args)
      : packed(rounded_up(packed_size(args.x.columns, lies_across(args) ? panel_width : args.y.columns), 16)),
        words(rounds_operands(context, args.y.columns)
                  ? rounded_up(std::min(rounded_rows, args.y.rows) * word_count(args.x.columns), 16)
                  : 0) {}
  std::int64_t floats() const { return packed + words; }
};

std::size_t forward_workspace(const Context& context, const DenseForward& args) {
  return sizeof(float) * static_cast<std::size_t>(ForwardMemory(context, args).floats()) *
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
  const int threads = worthwhile_threads_of_products(
      context.threads(), 2.0 * static_cast<double>(models * rows) * static_cast<double>(in * out));
  if (lies_across(args)) return forward_across(context, args, threads);
  const bool is_rounded = rounds_operands(context, out);
  const ForwardMemory memory(context, args);
  const float* kept = kept_weights(context, args.weight, is_rounded);
  auto* scratch =
      kept != nullptr && !is_rounded ? nullptr : static_cast<float*>(context.scratch(forward_workspace(context, args)));
  const auto packed = [&](std::int64_t m, int thread, bool is_first) -> const float* {
    if (kept != nullptr) return kept + m * packed_floats(in, out);
    float* to = scratch + thread * memory.floats();
    if (is_first || args.weight.model_stride != 0) {
      (is_rounded ? pack_rounded_columns : pack_columns)(args.weight.data + m * args.weight.model_stride,
                                                         args.weight.row_stride, in, out, to);
    }
    return to;
  };
  const auto words = [&](int thread) {
    return is_rounded ? scratch + thread * memory.floats() + memory.packed : nullptr;
  };
  // Weights that score are finite; those of a training that fails have to show it.
  const bool skips_zeros = kept != nullptr && !is_rounded && !args.derivative_of;
  if (models > 1) {
    parallel_ranges(threads, models, [&](int thread, std::int64_t begin, std::int64_t end) {
      for (std::int64_t m = begin; m < end; ++m) {
        forward_rows(args, m, is_rounded, skips_zeros, words(thread), packed(m, thread, m == begin), 0, rows);
      }
    });
  } else if (models == 1) {
    const float* weight = packed(0, 0, true);
    parallel_ranges(threads, rows, [&](int thread, std::int64_t begin, std::int64_t end) {
      forward_rows(args, 0, is_rounded, skips_zeros, words(thread), weight, begin, end);
    });
  }
}

/// The rows of dY that take part in the products of a model: all, or those of `index`, copied together. A row of zeros
/// would add +0 to every chain of sums, so the bits are the same without it; if a loss depends on few rows of a batch
/// (the coverage term), most rows are zero.
struct GradientRows {
  const float* dy;
  std::int64_t stride, count;
  const std::int32_t* index = nullptr;

  std::int64_t row(std::int64_t r) const { return index != nullptr ? index[r] : r; }
};

/// dH = dY * act'(y), in place, and which rows it has, and db: each row once, while it is in the first-level cache.
/// `copies` has room for dY, `index` for as many numbers as it has rows, `sums` for one row.
GradientRows activation_backward(const DenseBackward& args, std::int64_t m, float* copies, std::int32_t* index,
                                 float* sums) {
  const MatrixView<float> dy = args.dy.model(m);
  const bool changes = args.activation != Activation::identity || args.dropout_rate > 0.0f;
  const MatrixView<const float> y = changes ? args.y.model(m) : MatrixView<const float>{};
  std::int64_t count = 0;
  if (args.dbias) std::fill_n(sums, dy.columns, 0.0f);
  for (std::int64_t r = 0; r < dy.rows; ++r) {
    if (changes) {
      activation_gradient(args.activation, args.slope, args.dropout_rate, y.row(r), dy.row(r), dy.columns);
    }
    if (is_zero(dy.row(r), dy.columns)) continue;
    index[count++] = static_cast<std::int32_t>(r);
    if (!args.dbias) continue;
    for_vectors(dy.columns, [&](std::int64_t c, int n) {
      store_some(sums + c, load_some(sums + c, n) + load_some(dy.row(r) + c, n), n);
    });
  }
  if (args.dbias) {
    float* dbias = args.dbias.model(m).data;
    for_vectors(dy.columns, [&](std::int64_t c, int n) {
      const Vec sum = load_some(sums + c, n) * set(args.scale);
      store_some(dbias + c, args.accumulate ? load_some(dbias + c, n) + sum : sum, n);
    });
  }
  if (8 * count > 7 * dy.rows) return {dy.data, dy.row_stride, dy.rows};
  for (std::int64_t r = 0; r < count; ++r) std::copy_n(dy.row(index[r]), dy.columns, copies + r * dy.columns);
  return {copies, dy.columns, count, index};
}

/// Rows without a gradient have none in dX.
void clear_others(const MatrixView<float>& dx, const GradientRows& rows) {
  if (rows.index == nullptr) return;
  for (std::int64_t r = 0, next = 0; r < dx.rows; ++r) {
    if (next < rows.count && rows.index[next] == r) {
      ++next;
    } else {
      std::fill_n(dx.row(r), dx.columns, 0.0f);
    }
  }
}

/// dX of the rows [begin, end) of `rows`; `words` as in forward_rows().
void input_gradient(const DenseBackward& args, std::int64_t m, const GradientRows& rows, bool is_rounded, float* words,
                    const float* packed, std::int64_t begin, std::int64_t end) {
  const std::int64_t in = args.weight.columns, out = args.dy.columns, step = is_rounded ? rounded_rows : end - begin;
  const MatrixView<float> dx = args.dx.model(m);
  for (; begin < end; begin += step) {
    const std::int64_t count = std::min(step, end - begin);
    multiply(
        count, in, left_rows(rows.dy + begin * rows.stride, rows.stride, count, out, is_rounded, words), packed,
        [](std::int64_t, std::int64_t) { return set(0.0f); },
        [&](std::int64_t r, std::int64_t c, Vec sum) {
          store_some(dx.row(rows.row(begin + r)) + c, sum, static_cast<int>(std::min<std::int64_t>(width, in - c)));
        });
  }
}

/// dH^T, [out, rows]; `words` has room for words(rows.count) rows of whole vectors.
LeftOperand gradient_columns(const DenseBackward& args, const GradientRows& rows, bool is_rounded, float* words) {
  if (!is_rounded) return {rows.dy, 1, rows.stride, rows.count, false};
  const std::int64_t stride = rounded_up(args.dy.columns, width);
  round_columns(rows.dy, rows.stride, rows.count, args.dy.columns, -0.0f, words, stride);
  return {words, 1, stride, word_count(rows.count), true};
}

/// dW for the weight rows [begin, end), from all rows of `gradient`.
void weight_gradient(const DenseBackward& args, std::int64_t m, LeftOperand gradient, const float* packed,
                     std::int64_t begin, std::int64_t end) {
  const std::int64_t in = args.weight.columns;
  float* dweight = args.dweight.data + m * args.dweight.model_stride + begin * args.dweight.row_stride;
  gradient.data += begin;
  multiply(
      end - begin, in, gradient, packed, [](std::int64_t, std::int64_t) { return set(0.0f); },
      [&](std::int64_t r, std::int64_t c, Vec sum) {
        const int n = static_cast<int>(std::min<std::int64_t>(width, in - c));
        float* at = dweight + r * args.dweight.row_stride + c;
        const Vec scaled = sum * set(args.scale);
        store_some(at, args.accumulate ? load_some(at, n) + scaled : scaled, n);
      });
}

/// Floats of a thread: packed operands, the rows of dY that take part, the sums of db, and the words of dH.
struct BackwardMemory {
  std::int64_t packed = 0, copies = 0, index = 0, sums = 0, words = 0;

  BackwardMemory(const Context& context, const DenseBackward& args) {
    const std::int64_t in = args.weight.columns, rows = args.dy.rows, out = args.dy.columns;
    if (args.dx) packed = packed_size(out, in);
    if (args.dweight) packed = std::max(packed, packed_size(rows, in));
    if (rounds_operands(context, out)) {
      words = std::max(std::min(rounded_rows, rows) * word_count(out), word_count(rows) * rounded_up(out, width));
      words = rounded_up(words, 16);
    }
    packed = rounded_up(packed, 16);
    copies = rounded_up(rows * out, 16);
    index = rounded_up(rows, 16);
    sums = rounded_up(out, 16);
  }
  std::int64_t floats() const { return packed + copies + index + sums + words; }
};

std::size_t backward_workspace(const Context& context, const DenseBackward& args) {
  return sizeof(float) * static_cast<std::size_t>(BackwardMemory(context, args).floats()) *
         static_cast<std::size_t>(std::max(1, context.threads()));
}

void backward(Context& context, const DenseBackward& args) {
  const std::int64_t in = args.weight.columns, out = args.dy.columns;
  const double flops = 4.0 * static_cast<double>(args.dy.rows) * static_cast<double>(in) * static_cast<double>(out);
  const BackwardMemory memory(context, args);
  const bool is_rounded = rounds_operands(context, out);
  auto* scratch = static_cast<float*>(context.scratch(backward_workspace(context, args)));
  const auto pack = is_rounded ? pack_rounded_rows : pack_rows;
  const auto one_model = [&](std::int64_t m, float* packed, int threads) {
    float* copies = packed + memory.packed;
    float* words = copies + memory.copies + memory.index + memory.sums;
    const GradientRows rows =
        activation_backward(args, m, copies, reinterpret_cast<std::int32_t*>(copies + memory.copies),
                            copies + memory.copies + memory.index);
    if (args.dx) {
      clear_others(args.dx.model(m), rows);
      pack(args.weight.data + m * args.weight.model_stride, args.weight.row_stride, out, in, packed, nullptr);
      parallel_ranges(threads, rows.count, [&](int thread, std::int64_t begin, std::int64_t end) {
        input_gradient(args, m, rows, is_rounded, words + thread * memory.floats(), packed, begin, end);
      });
    }
    if (args.dweight) {
      pack(args.x.data + m * args.x.model_stride, args.x.row_stride, rows.count, in, packed, rows.index);
      const LeftOperand gradient = gradient_columns(args, rows, is_rounded, words);
      parallel_ranges(threads, out, [&](int, std::int64_t begin, std::int64_t end) {
        weight_gradient(args, m, gradient, packed, begin, end);
      });
    }
  };
  if (args.dy.models > 1) {
    parallel_ranges(worthwhile_threads_of_products(context.threads(), flops * static_cast<double>(args.dy.models)),
                    args.dy.models, [&](int thread, std::int64_t begin, std::int64_t end) {
                      for (std::int64_t m = begin; m < end; ++m) one_model(m, scratch + thread * memory.floats(), 1);
                    });
  } else if (args.dy.models == 1) {
    one_model(0, scratch, worthwhile_threads_of_products(context.threads(), flops));
  }
}

}  // namespace

OpEntry<DenseForward> dense_forward_entry() { return {forward, forward_workspace}; }
OpEntry<DenseBackward> dense_backward_entry() { return {backward, backward_workspace}; }

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
