#include "host/detector/folds.hpp"

#include <algorithm>
#include <numeric>

#include "kernels/rows/content_hash.hpp"

namespace cugad {
Folds make_folds(const Matrix& rows, std::int64_t wanted) {
  Folds folds;
  folds.order.resize(static_cast<std::size_t>(rows.rows));
  std::iota(folds.order.begin(), folds.order.end(), std::int64_t{0});
  folds.begin = {0, rows.rows};
  if (wanted <= 1 || rows.rows <= 1) return folds;

  std::vector<std::uint32_t> hash(folds.order.size());
  for (std::int64_t r = 0; r < rows.rows; ++r) hash[r] = content_hash(rows.row(r), rows.columns);
  std::vector<std::int64_t> by_hash = folds.order;
  std::sort(by_hash.begin(), by_hash.end(),
            [&](std::int64_t a, std::int64_t b) { return hash[a] != hash[b] ? hash[a] < hash[b] : a < b; });
  const auto group_end = [&](std::size_t from) {
    std::size_t end = from;
    while (end < by_hash.size() && hash[by_hash[end]] == hash[by_hash[from]]) ++end;
    return end;
  };
  std::int64_t distinct = 0;
  for (std::size_t i = 0; i < by_hash.size(); i = group_end(i)) ++distinct;
  const std::int64_t count = std::min(wanted, distinct);
  if (count <= 1) return folds;

  // Group after group goes to the smallest fold so far.
  std::vector<std::int64_t> size(static_cast<std::size_t>(count)), fold_of(by_hash.size());
  for (std::size_t i = 0; i < by_hash.size();) {
    const std::size_t end = group_end(i);
    const auto smallest = std::min_element(size.begin(), size.end());
    *smallest += static_cast<std::int64_t>(end - i);
    for (; i < end; ++i) fold_of[by_hash[i]] = smallest - size.begin();
  }
  std::stable_sort(folds.order.begin(), folds.order.end(),
                   [&](std::int64_t a, std::int64_t b) { return fold_of[a] < fold_of[b]; });
  folds.begin.assign(1, 0);
  for (const std::int64_t rows_of_fold : size) folds.begin.push_back(folds.begin.back() + rows_of_fold);
  return folds;
}

}  // namespace cugad
