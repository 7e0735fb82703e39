#include "host/scores/reference_rows.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "host/model_file/mapped_memory.hpp"

namespace cugad {
namespace {

std::string_view bytes_of(MatrixView<const float> rows, std::int64_t row) {
  return {reinterpret_cast<const char*>(rows.row(row)), sizeof(float) * static_cast<std::size_t>(rows.columns)};
}

}  // namespace

Matrix ReferenceRows::with_copies() const {
  std::vector<std::int64_t> positions;
  for (std::int64_t r = 0; r < rows.rows; ++r) positions.insert(positions.end(), copies[r], r);
  return take_rows(rows, positions);
}

std::vector<bool> first_of_equal(MatrixView<const float> rows, const std::string& directory) {
  LargeArray<std::size_t> hashes(static_cast<std::size_t>(rows.rows), directory);
  for (std::int64_t r = 0; r < rows.rows; ++r) hashes.data()[r] = std::hash<std::string_view>()(bytes_of(rows, r));
  const auto hash = [&](std::int64_t row) { return hashes.data()[row]; };
  const auto equal = [&](std::int64_t first, std::int64_t second) {
    return hash(first) == hash(second) && bytes_of(rows, first) == bytes_of(rows, second);
  };
  // Equal rows are in one share of the hashes, so that the rows of one share are compared at a time.
  constexpr std::int64_t rows_at_a_time = 1 << 22;
  const auto shares = static_cast<std::size_t>((rows.rows + rows_at_a_time - 1) / rows_at_a_time);
  std::vector<bool> is_first(static_cast<std::size_t>(rows.rows), false);
  for (std::size_t share = 0; share < shares; ++share) {
    std::unordered_set<std::int64_t, decltype(hash), decltype(equal)> seen(
        static_cast<std::size_t>(std::min(rows.rows, rows_at_a_time)), hash, equal);
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      if (hash(r) % shares == share) is_first[static_cast<std::size_t>(r)] = seen.insert(r).second;
    }
  }
  return is_first;
}

ReferenceRows choose_reference_rows(Context& context, MatrixView<const float> rows, std::int64_t most,
                                    std::int32_t most_copies, std::uint64_t seed, const std::string& directory) {
  const std::vector<bool> is_first = first_of_equal(rows, directory);
  const auto distinct = std::count(is_first.begin(), is_first.end(), true);
  std::vector<std::int32_t> drawn(static_cast<std::size_t>(std::min<std::int64_t>(distinct, most)));
  run(context, SampleRows{.index = {drawn.data(), 1, static_cast<std::int64_t>(drawn.size()), 1},
                          .source_rows = static_cast<std::int32_t>(distinct),
                          .first_row = {},
                          .row_count = {},
                          .key = {.seed = seed, .purpose = RandomPurpose::calibration, .lane = 1}});
  std::sort(drawn.begin(), drawn.end());
  std::vector<std::int64_t> chosen;
  std::int32_t number = -1;  // of the distinct row
  for (std::int64_t r = 0; r < rows.rows && chosen.size() < drawn.size(); ++r) {
    if (!is_first[static_cast<std::size_t>(r)]) continue;
    if (++number == drawn[chosen.size()]) chosen.push_back(r);
  }
  ReferenceRows references{.rows = take_rows(rows, chosen), .copies = {}};
  references.copies.resize(chosen.size());
  std::unordered_map<std::string_view, std::int32_t*> copies_of;
  for (std::size_t i = 0; i < chosen.size(); ++i)
    copies_of[bytes_of(references.rows.view(), static_cast<std::int64_t>(i))] = &references.copies[i];
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const auto found = copies_of.find(bytes_of(rows, r));
    if (found != copies_of.end()) *found->second = std::min(*found->second + 1, most_copies);
  }
  return references;
}

std::int32_t most_copies(const DetectorOptions& options) { return options.neighbours + 1; }

}  // namespace cugad
