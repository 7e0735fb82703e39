#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/philox.hpp"
#include "kernels/random/left_out.hpp"
#include "kernels/random/permutation.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

/// The round keys of epoch e are the words 4 e to 4 e + 3 of the stream at step 0: the step only determines the
/// position of a batch in the epoch.
Permutation epoch_permutation(const RandomKey& key, std::int64_t model, std::uint32_t rows, std::uint64_t epoch) {
  RandomKey epoch_key = key;
  epoch_key.step = 0;
  epoch_key.step_counter = nullptr;
  const auto words = philox_block(epoch_key, model, epoch);
  return make_permutation(rows, words[0], words[1], words[2], words[3]);
}

void run_model(const SampleRows& args, std::int64_t model) {
  const MatrixView<std::int32_t> index = args.index.model(model);
  const std::int32_t first = args.first_row ? *args.first_row.model(model).data : 0;
  const std::int32_t given = args.row_count ? *args.row_count.model(model).data : args.source_rows;
  const std::uint32_t rows = given > 0 ? static_cast<std::uint32_t>(given) : 1;
  std::uint64_t position = std::uint64_t{stream_step(args.key)} * static_cast<std::uint64_t>(index.rows);
  std::uint64_t epoch = position / rows;
  Permutation permutation = epoch_permutation(args.key, model, rows, epoch);
  for (std::int64_t i = 0; i < index.rows; ++i, ++position) {
    if (position - epoch * rows >= rows) permutation = epoch_permutation(args.key, model, rows, ++epoch);
    const auto place = static_cast<std::uint32_t>(position - epoch * rows);
    *index.row(i) = skip_left_out(args, model, first + static_cast<std::int32_t>(permuted(permutation, place)));
  }
}

void run_sample_rows(Context&, const SampleRows& args) {
  if (args.index.rows == 0) return;
  for (std::int64_t m = 0; m < args.index.models; ++m) run_model(args, m);
}

}  // namespace

OpEntry<SampleRows> sample_rows_entry() {
  return {run_sample_rows, [](const Context&, const SampleRows&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
