#include "host/scores/reference_rows.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace cugad {

Matrix ReferenceRows::with_copies() const {
  std::vector<std::int64_t> positions;
  for (std::int64_t r = 0; r < rows.rows; ++r) positions.insert(positions.end(), copies[r], r);
  return take_rows(rows, positions);
}

ReferenceRows choose_reference_rows(Context& context, const Matrix& rows, std::int64_t most, std::int32_t most_copies,
                                    std::uint64_t seed) {
  const std::size_t row_bytes = sizeof(float) * static_cast<std::size_t>(rows.columns);
  const auto compare = [&](std::int64_t a, std::int64_t b) { return std::memcmp(rows.row(a), rows.row(b), row_bytes); };
  std::vector<std::int64_t> sorted(static_cast<std::size_t>(rows.rows));
  std::iota(sorted.begin(), sorted.end(), std::int64_t{0});
  std::sort(sorted.begin(), sorted.end(), [&](std::int64_t a, std::int64_t b) {
    const int order = compare(a, b);
    return order != 0 ? order < 0 : a < b;
  });
  std::vector<std::int32_t> copies_of(sorted.size(), 0);  // at the first of equal rows
  for (std::size_t i = 0, first = 0; i < sorted.size(); ++i) {
    if (compare(sorted[first], sorted[i]) != 0) first = i;
    std::int32_t& copies = copies_of[sorted[first]];
    copies = std::min(copies + 1, most_copies);
  }
  std::vector<std::int64_t> distinct;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    if (copies_of[r] > 0) distinct.push_back(r);
  }
  std::vector<std::int32_t> drawn(std::min<std::size_t>(distinct.size(), most));
  run(context, SampleRows{.index = {drawn.data(), 1, static_cast<std::int64_t>(drawn.size()), 1},
                          .source_rows = static_cast<std::int32_t>(distinct.size()),
                          .first_row = {},
                          .row_count = {},
                          .key = {.seed = seed, .purpose = RandomPurpose::calibration, .lane = 1}});
  std::sort(drawn.begin(), drawn.end());
  std::vector<std::int64_t> chosen;
  ReferenceRows references;
  for (const std::int32_t position : drawn) {
    chosen.push_back(distinct[position]);
    references.copies.push_back(copies_of[distinct[position]]);
  }
  references.rows = take_rows(rows, chosen);
  return references;
}

std::int32_t most_copies(const DetectorOptions& options) { return options.neighbours + 1; }

}  // namespace cugad
