#include <algorithm>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void join_rows(const JoinChannels& args, std::int64_t model, std::int64_t begin, std::int64_t end) {
  const MatrixView<const float> a = args.a.model(model), b = args.b.model(model);
  const MatrixView<float> y = args.y.model(model);
  const std::int64_t first = a.columns / args.pixels, second = y.columns / args.pixels - first;
  const std::int64_t step = b.columns == second ? 0 : second;  // one pixel for all
  for (std::int64_t r = begin; r < end; ++r) {
    const float *left = a.row(r), *right = b.row(r);
    float* to = y.row(r);
    for (std::int32_t p = 0; p < args.pixels; ++p, left += first, right += step) {
      to = std::copy_n(left, first, to);
      for (std::int64_t c = 0; c < second; ++c) *to++ = args.rectify && !(right[c] > 0.0f) ? 0.0f : right[c];
    }
  }
}

void split_rows(const SplitChannels& args, std::int64_t model, std::int64_t begin, std::int64_t end) {
  const MatrixView<const float> dy = args.dy.model(model), b = args.b.model(model);
  const MatrixView<float> da = args.da.model(model), db = args.db.model(model);
  const std::int64_t channels = dy.columns / args.pixels;
  const std::int64_t first = args.da ? da.columns / args.pixels : channels - db.columns / args.pixels;
  const std::int64_t second = channels - first;
  for (std::int64_t r = begin; r < end; ++r) {
    const float* from = dy.row(r);
    for (std::int32_t p = 0; p < args.pixels; ++p, from += channels) {
      if (args.da) std::copy_n(from, first, da.row(r) + p * first);
      if (!args.db) continue;
      float* to = db.row(r) + p * second;
      const float* const value = args.rectify ? b.row(r) + p * second : nullptr;
      for (std::int64_t c = 0; c < second; ++c) {
        if (value == nullptr || value[c] > 0.0f) to[c] += from[first + c];
      }
    }
  }
}

template <class Args, class Work>
void for_all_rows(Context& context, const Args& args, const StackView<const float>& all, Work&& work) {
  const double values = static_cast<double>(all.models * all.rows) * static_cast<double>(all.columns);
  const int threads = worthwhile_threads(context.threads(), 0.5 * values);
  for (std::int64_t m = 0; m < all.models; ++m) {
    parallel_ranges(threads, all.rows, [&](int, std::int64_t begin, std::int64_t end) { work(args, m, begin, end); });
  }
}

void run_join_channels(Context& context, const JoinChannels& args) { for_all_rows(context, args, args.y, join_rows); }
void run_split_channels(Context& context, const SplitChannels& args) {
  for_all_rows(context, args, args.dy, split_rows);
}

}  // namespace

OpEntry<JoinChannels> join_channels_entry() {
  return {run_join_channels, [](const Context&, const JoinChannels&) -> std::size_t { return 0; }};
}

OpEntry<SplitChannels> split_channels_entry() {
  return {run_split_channels, [](const Context&, const SplitChannels&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
