#include <algorithm>
#include <cmath>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/philox.hpp"
#include "kernels/random/normal.hpp"
#include "kernels/random/uniform.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

constexpr int chunk = 256;  ///< elements

/// Cuts elements [begin, end) of all models (element e of model m counts as m * rows * columns + e) into runs that are
/// contiguous in memory: body(model, first element of the run, count, where it goes).
template <class Body>
void for_runs(const StackView<float>& out, std::int64_t begin, std::int64_t end, Body&& body) {
  const std::int64_t size = out.rows * out.columns;
  const std::int64_t run = out.row_stride == out.columns ? size : out.columns;
  while (begin < end) {
    const std::int64_t model = begin / size, element = begin % size;
    const std::int64_t count = std::min(run - element % run, end - begin);
    body(model, element, count, out.model(model).row(element / out.columns) + element % out.columns);
    begin += count;
  }
}

template <class Body>
void fill(Context& context, const StackView<float>& out, double nanoseconds_per_element, Body&& body) {
  const std::int64_t total = out.models * out.rows * out.columns;
  const int threads = worthwhile_threads(context.threads(), nanoseconds_per_element * static_cast<double>(total));
  parallel_ranges(threads, total, [&](int, std::int64_t begin, std::int64_t end) { for_runs(out, begin, end, body); });
}

/// `pairs` pairs of words to as many pairs of normals.
void transform(const std::uint32_t* words, int pairs, float* normals) {
  for (int i = 0; i < pairs; ++i) {
    const NormalPair pair = box_muller(words[2 * i], words[2 * i + 1]);
    normals[2 * i] = pair.cosine;
    normals[2 * i + 1] = pair.sine;
  }
}

/// Element e drawn anew from the following lanes until it is at most 2 in magnitude.
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
  const auto normals = [&](std::int64_t model, std::int64_t element, std::int64_t count, float* out) {
    std::uint32_t words[chunk];
    float normal[chunk];
    while (count > 0) {
      const std::int64_t skip = element % 2;  // the sine whose cosine is in the run before
      const std::int64_t take = std::min(chunk - skip, count);
      const std::int64_t even = (skip + take + 1) / 2 * 2;
      philox_words(args.key, model, static_cast<std::uint64_t>(element - skip), even, words);
      transform(words, static_cast<int>(even / 2), normal);
      if (args.truncated) {
        for (std::int64_t i = skip; i < skip + take; ++i) {
          if (std::fabs(normal[i]) > 2.0f) normal[i] = redraw(args.key, model, element - skip + i);
        }
      }
      for (std::int64_t i = 0; i < take; ++i) out[i] = multiply_add(args.deviation, normal[skip + i], args.mean);
      element += take;
      out += take;
      count -= take;
    }
  };
  fill(context, args.out, args.truncated ? 3.0 : 1.0, normals);
}

void run_fill_uniform(Context& context, const FillUniform& args) {
  const float span = args.high - args.low;
  const auto uniforms = [&](std::int64_t model, std::int64_t element, std::int64_t count, float* out) {
    std::uint32_t words[chunk];
    while (count > 0) {
      const std::int64_t take = std::min<std::int64_t>(chunk, count);
      philox_words(args.key, model, static_cast<std::uint64_t>(element), take, words);
      for (std::int64_t i = 0; i < take; ++i) {
        out[i] = multiply_add(span, unit_uniform(words[i]), args.low);
      }
      element += take;
      out += take;
      count -= take;
    }
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
