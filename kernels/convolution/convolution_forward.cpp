#include "kernels/convolution/narrow_pass.hpp"
#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/layer_ending.hpp"
#include "kernels/cpu/parallel.hpp"

/// Convolutions on the CPU: products of small blocks of patches with packed weights, the epilogue in registers.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

/// Floats of a thread: the packed weights, the bias as whole vectors, and what a pass needs.
struct ForwardMemory {
  std::int64_t packed, bias, pass;

  explicit ForwardMemory(const convolution::Pass& of)
      : packed(rounded_up(packed_weights_size(of), 16)),
        bias(rounded_up(of.target.channels, 16)),
        pass(pass_floats(of)) {}
  std::int64_t floats() const { return packed + bias + pass; }
};

std::size_t forward_workspace(const Context& context, const ConvolutionForward& args) {
  return sizeof(float) *
         static_cast<std::size_t>(ForwardMemory(convolution::forward_pass(args.from, args.to, args.window)).floats()) *
         static_cast<std::size_t>(std::max(1, context.threads()));
}

void forward(Context& context, const ConvolutionForward& args) {
  const std::int64_t models = args.y.models, rows = args.y.rows;
  const convolution::Pass pass = convolution::forward_pass(args.from, args.to, args.window);
  const ForwardMemory memory(pass);
  auto* const scratch = static_cast<float*>(context.scratch(forward_workspace(context, args)));
  const LayerEnding<ConvolutionForward> ending{args};
  const auto prepare = [&](std::int64_t m, float* packed) {
    prepare_weights(pass, {args.weight.model(m), false}, packed);
    float* const bias = packed + memory.packed;
    std::fill_n(bias, memory.bias, 0.0f);
    if (args.bias && !args.derivative_of) std::copy_n(args.bias.model(m).data, args.to.channels, bias);
  };
  const auto work = [&](std::int64_t m, std::int64_t begin, std::int64_t end, const float* packed, float* own) {
    run_pass(pass, args.x.model(m), {}, begin, end, packed, packed + memory.packed, own,
             [&](std::int64_t r, std::int64_t column, int n, Vec sum) { ending.keep(m, r, column, n, sum); });
    for (std::int64_t r = begin; r < end; ++r) ending.finish_row(m, r);
  };
  const int threads =
      worthwhile_threads_of_products(context.threads(), 2.0 * pass_products(pass) * static_cast<double>(models * rows));
  const auto own = [&](int thread) { return scratch + thread * memory.floats() + memory.packed + memory.bias; };
  if (models > 1) {
    parallel_ranges(threads, models, [&](int thread, std::int64_t begin, std::int64_t end) {
      float* const packed = scratch + thread * memory.floats();
      for (std::int64_t m = begin; m < end; ++m) {
        prepare(m, packed);
        work(m, 0, rows, packed, own(thread));
      }
    });
  } else if (models == 1) {
    prepare(0, scratch);
    parallel_ranges(threads, rows, [&](int thread, std::int64_t begin, std::int64_t end) {
      work(0, begin, end, scratch, own(thread));
    });
  }
}

}  // namespace

OpEntry<ConvolutionForward> convolution_forward_entry() { return {forward, forward_workspace}; }

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
