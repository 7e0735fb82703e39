#include "host/detector/folds.hpp"

#include <algorithm>
#include <cassert>
#include <set>
#include <utility>

#include "kernels/rows/content_hash.hpp"

namespace cugad {
namespace {

/// Rows whose hashes are sorted at a time.
constexpr std::int64_t sorted_rows = 1 << 22;

/// How many folds there can be: as many as `wanted`, or as there are hashes.
std::int64_t fold_count(std::span<const std::uint32_t> hashes, std::int64_t wanted) {
  std::set<std::uint32_t> distinct;
  for (const std::uint32_t hash : hashes) {
    distinct.insert(hash);
    if (std::ssize(distinct) >= wanted) return wanted;
  }
  return std::ssize(distinct);
}

}  // namespace

std::vector<std::int64_t> Folds::order() const {
  std::vector<std::int64_t> order(of_row.size()), next(begin.begin(), begin.end() - 1);
  for (std::size_t r = 0; r < of_row.size(); ++r) order[next[of_row[r]]++] = static_cast<std::int64_t>(r);
  return order;
}

Folds make_folds(std::span<const std::uint32_t> hashes, std::int64_t wanted) {
  assert(wanted <= Folds::most);
  Folds folds;
  folds.of_row.resize(hashes.size());
  folds.begin = {0, std::ssize(hashes)};
  const std::int64_t count = fold_count(hashes, wanted);
  if (count <= 1) return folds;
  std::vector<std::int64_t> size(static_cast<std::size_t>(count));
  std::vector<std::pair<std::uint32_t, std::int32_t>> sorted;  // hashes of one range with their rows
  const auto ranges = static_cast<std::uint64_t>((std::ssize(hashes) + sorted_rows - 1) / sorted_rows);
  for (std::uint64_t range = 0; range < ranges; ++range) {
    sorted.clear();
    for (std::size_t r = 0; r < hashes.size(); ++r) {
      if (hashes[r] * ranges >> 32 == range) sorted.emplace_back(hashes[r], static_cast<std::int32_t>(r));
    }
    std::sort(sorted.begin(), sorted.end());
    // Group after group of equal hashes goes to the smallest fold so far.
    for (std::size_t i = 0; i < sorted.size();) {
      const std::size_t first = i;
      const auto smallest = std::min_element(size.begin(), size.end());
      for (; i < sorted.size() && sorted[i].first == sorted[first].first; ++i) {
        folds.of_row[static_cast<std::size_t>(sorted[i].second)] = static_cast<std::uint8_t>(smallest - size.begin());
      }
      *smallest += static_cast<std::int64_t>(i - first);
    }
  }
  folds.begin.assign(1, 0);
  for (const std::int64_t rows_of_fold : size) folds.begin.push_back(folds.begin.back() + rows_of_fold);
  return folds;
}

Folds make_folds(MatrixView<const float> rows, std::int64_t wanted) {
  std::vector<std::uint32_t> hashes(static_cast<std::size_t>(rows.rows));
  for (std::int64_t r = 0; r < rows.rows; ++r) hashes[r] = content_hash(rows.row(r), rows.columns);
  return make_folds(hashes, wanted);
}

}  // namespace cugad
