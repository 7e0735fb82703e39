#include <algorithm>
#include <cmath>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/philox.hpp"
#include "kernels/random/normal.hpp"
#include "kernels/random/uniform.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int chunk = 256;  ///< elements; a multiple of a bulk of Philox words

/// Calls make(model, first element, count, destination) for up to `chunk` of the elements of a model at a time (element
/// e is in row e / columns), and distributes them over rows: a row may be shorter than a bulk of random words.
template <class Make>
void fill(Context& context, const StackView<float>& out, double nanoseconds_per_element, Make&& make) {
  const std::int64_t size = out.rows * out.columns, total = out.models * size;
  const int threads = worthwhile_threads(context.threads(), nanoseconds_per_element * static_cast<double>(total));
  parallel_ranges(threads, total, [&](int, std::int64_t begin, std::int64_t end) {
    float values[chunk];
    while (begin < end) {
      const std::int64_t model = begin / size, first = begin % size;
      const std::int64_t count = std::min({std::int64_t{chunk}, size - first, end - begin});
      make(model, first, count, values);
      for (std::int64_t done = 0; done < count;) {
        const std::int64_t row = (first + done) / out.columns, column = (first + done) % out.columns;
        const std::int64_t part = std::min(out.columns - column, count - done);
        std::copy_n(values + done, part, out.model(model).row(row) + column);
        done += part;
      }
      begin += count;
    }
  });
}

/// `pairs` pairs of words to as many pairs of normals.
void transform(const std::uint32_t* words, int pairs, float* normals) {
  for (int i = 0; i < pairs; ++i) {
    const NormalPair pair = box_muller(words[2 * i], words[2 * i + 1]);
    normals[2 * i] = pair.cosine;
    normals[2 * i + 1] = pair.sine;
  }
}

/// Element e, redrawn from the following lanes until it is at most 2 in magnitude.
float redraw(RandomKey key, std::int64_t model, std::int64_t element) {
  for (;;) {
    ++key.lane;
    const auto words = philox_block(key, model, static_cast<std::uint64_t>(element / 4));
    const std::size_t at = static_cast<std::size_t>(element % 4) & ~std::size_t{1};
    const NormalPair pair = box_muller(words[at], words[at + 1]);
    const float normal = element % 2 == 0 ? pair.cosine : pair.sine;
    if (std::fabs(normal) <= 2.0f) return normal;
  }
}

void run_fill_normal(Context& context, const FillNormal& args) {
  const auto normals = [&](std::int64_t model, std::int64_t first, std::int64_t count, float* out) {
    std::uint32_t words[chunk + 2];
    float normal[chunk + 2];
    const std::int64_t skip = first % 2;  // the sine whose cosine is in the chunk before
    const std::int64_t even = (skip + count + 1) / 2 * 2;
    philox_words(args.key, model, static_cast<std::uint64_t>(first - skip), even, words);
    transform(words, static_cast<int>(even / 2), normal);
    if (args.truncated) {
      for (std::int64_t i = skip; i < skip + count; ++i) {
        if (std::fabs(normal[i]) > 2.0f) normal[i] = redraw(args.key, model, first - skip + i);
      }
    }
    for (std::int64_t i = 0; i < count; ++i) out[i] = multiply_add(args.deviation, normal[skip + i], args.mean);
  };
  fill(context, args.out, args.truncated ? 3.0 : 1.0, normals);
}

void run_fill_uniform(Context& context, const FillUniform& args) {
  const float span = args.high - args.low;
  const auto uniforms = [&](std::int64_t model, std::int64_t first, std::int64_t count, float* out) {
    if (span == 0.0f) {  // a constant, as for clearing: nothing to draw
      std::fill_n(out, count, args.low);
      return;
    }
    std::uint32_t words[chunk];
    philox_words(args.key, model, static_cast<std::uint64_t>(first), count, words);
    for (std::int64_t i = 0; i < count; ++i) out[i] = multiply_add(span, unit_uniform(words[i]), args.low);
  };
  fill(context, args.out, 0.4, uniforms);
}

}  // namespace

OpEntry<FillNormal> fill_normal_entry() {
  return {run_fill_normal, [](const Context&, const FillNormal&) -> std::size_t { return 0; }};
}

OpEntry<FillUniform> fill_uniform_entry() {
  return {run_fill_uniform, [](const Context&, const FillUniform&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
