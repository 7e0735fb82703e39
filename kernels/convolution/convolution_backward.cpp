#include "kernels/convolution/narrow_pass.hpp"
#include "kernels/cpu/dropout.hpp"
#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"

/// The backward pass of convolutions on the CPU: dH in place, dX as a pass of data, dW from the patches of the larger
/// image and the pixels of the smaller one.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

/// dH = dY * act'(y) of rows [begin, end) in place; notes rows of zeros.
void activation_backward(const ConvolutionBackward& args, std::int64_t m, std::int64_t begin, std::int64_t end,
                         std::int32_t* is_used) {
  const MatrixView<float> dy = args.dy.model(m);
  const bool changes = args.activation != Activation::identity || args.dropout_rate > 0.0f;
  for (std::int64_t r = begin; r < end; ++r) {
    if (changes) {
      activation_gradient(args.activation, args.slope, args.dropout_rate, args.y.model(m).row(r), dy.row(r),
                          dy.columns);
    }
    is_used[r] = is_zero(dy.row(r), dy.columns) ? 0 : 1;
  }
}

/// The gradient of the weights as a product: k runs over rows and the pixels of the smaller image, the columns are its
/// channels, the rows the taps and channels of the larger image.
class WeightGradient {
 public:
  explicit WeightGradient(const ConvolutionBackward& args)
      : args_(args),
        larger_(args.window.transposed ? args.to : args.from),
        smaller_(args.window.transposed ? args.from : args.to),
        pass_(convolution::Pass{larger_, smaller_, args.window, false}) {}

  std::int64_t taps() const { return std::int64_t{args_.window.height} * args_.window.width; }
  std::int64_t depth() const { return taps() * larger_.channels; }
  /// Floats between the rows of sums.
  std::int64_t stride() const { return rounded_up(smaller_.channels, width); }
  /// Floats that threads share, and those of each.
  std::int64_t sums_floats() const { return rounded_up(depth() * stride(), 16); }
  std::int64_t thread_floats() const {
    return patches_floats() + rounded_up(packed_size(PhasePixels::most_at_once, smaller_.channels), 16);
  }

  /// dW of the taps [begin, end): the rows in chunks. `sums` and `total` hold the sums of all taps.
  void compute(std::int64_t m, const SomeRows& rows, std::int64_t begin, std::int64_t end, float* sums, float* total,
               float* memory) const {
    const std::int64_t chain = convolution::rows_per_chain(args_.dy.rows, convolution::pixels_of(smaller_));
    for (std::int64_t first = 0, last = 0; first == 0 || first < rows.count; first = last) {
      const std::int64_t chunk_end = first < rows.count ? (rows[first] / chain + 1) * chain : 0;
      while (last < rows.count && rows[last] < chunk_end) ++last;
      add_pixels(m, rows, first, last, begin, end, first == 0 ? total : sums, memory);
      if (first > 0) {
        const std::int64_t floats = larger_.channels * stride();
        for (std::int64_t i = begin * floats; i < end * floats; i += width) {
          store(total + i, load(total + i) + load(sums + i));
        }
      }
      if (rows.count == 0) break;
    }
    keep(m, begin, end, total);
  }

 private:
  /// Each block of pixels costs a load and a store of every sum: larger blocks than in a pass of data.
  static constexpr std::int64_t floats_of_patches = 65536;
  std::int64_t patches_floats() const { return PhasePixels::floats_at_once(depth(), floats_of_patches); }

  /// One chain per sum over the pixels of the rows [first_row, last_row).
  void add_pixels(std::int64_t m, const SomeRows& rows, std::int64_t first_row, std::int64_t last_row,
                  std::int64_t begin, std::int64_t end, float* sums, float* memory) const {
    const MatrixView<const float> dh = args_.dy.model(m), x = args_.x.model(m);
    const PhasePixels pixels(pass_.phase(0, 0), larger_, smaller_, begin, end);
    const std::int64_t apart = PhasePixels::stride(pixels.depth()),
                       block = PhasePixels::at_once(pixels.depth(), floats_of_patches);
    float* const packed = memory + patches_floats();
    float* const to = sums + begin * larger_.channels * stride();
    std::array<PhasePixels::Place, PhasePixels::most_at_once> places;
    const std::int64_t last = last_row * pixels.per_image();
    std::int64_t at = first_row * pixels.per_image();
    bool is_first = true;
    do {
      const std::int64_t some = std::min(block, last - at);
      pixels.gather(args_.window.transposed ? dh : x, rows, at, some, memory, places);
      pack_pixels(args_.window.transposed ? x : dh, places, some, packed);
      multiply(
          pixels.depth(), smaller_.channels, some, memory, 1, apart, packed,
          [&](std::int64_t k, std::int64_t c) { return is_first ? set(0.0f) : load(to + k * stride() + c); },
          [&](std::int64_t k, std::int64_t c, Vec sum) { store(to + k * stride() + c, sum); });
      at += some;
      is_first = false;
    } while (at < last);
  }

  /// The channels of some pixels of the smaller image as an operand.
  void pack_pixels(const MatrixView<const float>& images,
                   const std::array<PhasePixels::Place, PhasePixels::most_at_once>& places, std::int64_t count,
                   float* packed) const {
    const std::int64_t channels = smaller_.channels;
    for (std::int64_t first = 0; first < channels; first += panel_width) {
      const std::int64_t columns = std::min<std::int64_t>(panel_width, channels - first);
      float* to = packed + first * count;
      for (std::int64_t i = 0; i < count; ++i, to += rounded_up(columns, width)) {
        const PhasePixels::Place& place = places[static_cast<std::size_t>(i)];
        pack_rows(images.row(place.row) + place.pixel * channels + first, 0, 1, columns, to);
      }
    }
  }

  void keep(std::int64_t m, std::int64_t begin, std::int64_t end, const float* sums) const {
    const MatrixView<float> dweight = args_.dweight.model(m);
    const std::int64_t in = args_.from.channels, out = args_.to.channels;
    const auto keep_one = [&](float* at, float sum) {
      const float scaled = sum * args_.scale;
      *at = args_.accumulate ? *at + scaled : scaled;
    };
    for (std::int64_t o = 0; o < out; ++o) {
      for (std::int64_t tap = begin; tap < end; ++tap) {
        float* const at = dweight.row(o) + tap * in;
        const float* const from =
            args_.window.transposed ? sums + (tap * out + o) * stride() : sums + tap * in * stride() + o;
        const std::int64_t apart = args_.window.transposed ? 1 : stride();
        for (std::int64_t c = 0; c < in; ++c) keep_one(at + c, from[c * apart]);
      }
    }
  }

  const ConvolutionBackward& args_;
  ImageShape larger_, smaller_;
  convolution::Pass pass_;
};

/// db: the sums of the rows over their pixels, in a chain per chunk.
void bias_gradient(const ConvolutionBackward& args, std::int64_t m, const SomeRows& rows) {
  const MatrixView<const float> dh = args.dy.model(m);
  float* const dbias = args.dbias.model(m).data;
  const std::int64_t channels = args.to.channels, pixels = convolution::pixels_of(args.to);
  const std::int64_t chain =
      convolution::rows_per_chain(args.dy.rows, convolution::pixels_of(args.window.transposed ? args.from : args.to));
  for_vectors(channels, [&](std::int64_t c, int n) {
    Vec total = set(0.0f);
    for (std::int64_t i = 0; i < rows.count;) {
      Vec sum = set(0.0f);
      for (const std::int64_t chunk = rows[i] / chain; i < rows.count && rows[i] / chain == chunk; ++i) {
        const float* from = dh.row(rows[i]) + c;
        Vec row = set(0.0f);
        for (std::int64_t p = 0; p < pixels; ++p, from += channels) row = row + load_some(from, n);
        sum = sum + row;
      }
      total = total + sum;
    }
    total = total * set(args.scale);
    store_some(dbias + c, args.accumulate ? load_some(dbias + c, n) + total : total, n);
  });
}

/// Floats of one model's scratch memory: what all threads share, and then what each has.
struct BackwardMemory {
  std::int64_t rows = 0, packed = 0, sums = 0, each = 0;

  explicit BackwardMemory(const ConvolutionBackward& args) : rows(rounded_up(2 * args.dy.rows, 16)) {
    if (args.dx) {
      const convolution::Pass pass = convolution::backward_pass(args.from, args.to, args.window);
      packed = rounded_up(packed_weights_size(pass), 16) + rounded_up(args.from.channels, 16);
      each = pass_floats(pass);
    }
    if (args.dweight) {
      const WeightGradient gradient(args);
      sums = gradient.sums_floats();
      each = std::max(each, gradient.thread_floats());
    }
  }
  std::int64_t shared() const { return rows + std::max(packed, 2 * sums); }
};

std::size_t backward_workspace(const Context& context, const ConvolutionBackward& args) {
  const BackwardMemory memory(args);
  const std::int64_t threads = std::max(1, context.threads());
  // Either a model per thread, or all threads on one.
  const std::int64_t models = args.dy.models > 1 ? std::min(threads, args.dy.models) : 1;
  return sizeof(float) * static_cast<std::size_t>(models * memory.shared() + threads * memory.each);
}

void backward(Context& context, const ConvolutionBackward& args) {
  const std::int64_t models = args.dy.models, rows = args.dy.rows;
  const convolution::Pass pass = convolution::backward_pass(args.from, args.to, args.window);
  const BackwardMemory memory(args);
  auto* const scratch = static_cast<float*>(context.scratch(backward_workspace(context, args)));
  const auto one_model = [&](std::int64_t m, float* shared, float* each, int threads) {
    auto* const index = reinterpret_cast<std::int32_t*>(shared);
    std::int32_t* const is_used = index + rows;
    shared += memory.rows;
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) {
      activation_backward(args, m, begin, end, is_used);
    });
    std::int32_t count = 0;
    for (std::int32_t r = 0; r < rows; ++r) {
      if (is_used[r] != 0) index[count++] = r;
    }
    const SomeRows used{index, count};
    if (args.dx) {
      const MatrixView<float> dx = args.dx.model(m);
      for (std::int64_t r = 0; r < rows; ++r) {
        if (is_used[r] == 0) std::fill_n(dx.row(r), dx.columns, 0.0f);
      }
      prepare_weights(pass, {args.weight.model(m), true}, shared);
      float* const zeros = shared + memory.packed - rounded_up(args.from.channels, 16);
      std::fill_n(zeros, rounded_up(args.from.channels, 16), 0.0f);
      parallel_ranges(threads, count, [&](int thread, std::int64_t begin, std::int64_t end) {
        run_pass(pass, args.dy.model(m), used, begin, end, shared, zeros, each + thread * memory.each,
                 [&](std::int64_t r, std::int64_t column, int n, Vec sum) { store_some(dx.row(r) + column, sum, n); });
      });
    }
    if (args.dweight) {
      const WeightGradient gradient(args);
      parallel_ranges(threads, gradient.taps(), [&](int thread, std::int64_t begin, std::int64_t end) {
        gradient.compute(m, used, begin, end, shared, shared + memory.sums, each + thread * memory.each);
      });
    }
    if (args.dbias) bias_gradient(args, m, used);
  };
  const int threads =
      worthwhile_threads_of_products(context.threads(), 4.0 * pass_products(pass) * static_cast<double>(models * rows));
  if (models > 1) {
    parallel_ranges(threads, models, [&](int thread, std::int64_t begin, std::int64_t end) {
      float* const own = scratch + thread * (memory.shared() + memory.each);
      for (std::int64_t m = begin; m < end; ++m) one_model(m, own, own + memory.shared(), 1);
    });
  } else if (models == 1) {
    one_model(0, scratch, scratch + memory.shared(), threads);
  }
}

}  // namespace

OpEntry<ConvolutionBackward> convolution_backward_entry() { return {backward, backward_workspace}; }

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
