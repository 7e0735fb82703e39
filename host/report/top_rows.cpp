#include "host/report/top_rows.hpp"

#include <algorithm>
#include <utility>

namespace cugad {
namespace {

bool is_above(const TopRow& a, const TopRow& b) { return a.score != b.score ? a.score > b.score : a.number < b.number; }

}  // namespace

void TopRows::add(TopRow row) {
  kept_.push_back(std::move(row));
  std::push_heap(kept_.begin(), kept_.end(), is_above);
  if (kept_.size() <= most_) return;
  std::pop_heap(kept_.begin(), kept_.end(), is_above);
  kept_.pop_back();
}

std::vector<TopRow> TopRows::sorted() const {
  std::vector<TopRow> rows = kept_;
  std::sort(rows.begin(), rows.end(), is_above);
  return rows;
}

}  // namespace cugad
