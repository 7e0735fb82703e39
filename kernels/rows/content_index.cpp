#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/rows/content_hash.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void run_content_index(Context& context, const ContentIndex& args) {
  const std::int64_t rows = args.x.rows, columns = args.x.columns;
  const int threads = worthwhile_threads(context.threads(), 1.5 * static_cast<double>(rows * columns));
  for (std::int64_t m = 0; m < args.x.models; ++m) {
    parallel_ranges(threads, rows, [&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const std::uint32_t hash = content_hash(args.x.model(m).row(r), columns);
        for (std::int32_t k = 0; k < args.draws; ++k) {
          *args.index.model(m).row(r * args.draws + k) = content_position(hash, k, args.pool);
        }
      }
    });
  }
}

}  // namespace

OpEntry<ContentIndex> content_index_entry() {
  return {run_content_index, [](const Context&, const ContentIndex&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
