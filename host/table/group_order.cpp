#include "host/table/group_order.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace cugad {

double portable_exp(double x) {
  constexpr double ln2 = 0.6931471805599453;
  const double power = std::floor(x / ln2 + 0.5);
  const double rest = x - power * ln2;
  double sum = 1;
  for (int term = 14; term > 0; --term) sum = 1 + sum * rest / term;
  return std::ldexp(sum, static_cast<int>(power));
}

std::vector<std::int64_t> log_uniform_sizes(std::int64_t rows, const std::vector<double>& place) {
  const auto size_at = [&](double log_base, double where) {
    // No size beyond `rows` is of use, and so none overflows.
    return std::floor(std::min(portable_exp(std::min(log_base * where, 60.0)), static_cast<double>(rows)));
  };
  const auto total_at = [&](double log_base) {
    double total = 0;  // whole numbers up to rows * groups: exact in the used range, far below 2^53
    for (const double where : place) total += size_at(log_base, where);
    return total;
  };
  double low = 0, high = 1;
  while (high < 1e12 && total_at(high) <= static_cast<double>(rows)) high *= 2;
  for (int halving = 0; halving < 100; ++halving) {
    const double middle = low + (high - low) / 2;
    (total_at(middle) <= static_cast<double>(rows) ? low : high) = middle;
  }
  std::vector<std::int64_t> sizes;
  for (const double where : place) sizes.push_back(static_cast<std::int64_t>(size_at(low, where)));
  std::vector<std::size_t> order(place.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return place[a] > place[b]; });
  std::int64_t left = rows - std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  const auto groups = static_cast<std::int64_t>(sizes.size());
  for (std::int64_t i = 0; i < groups; ++i) sizes[order[i]] += left / groups + (i < left % groups ? 1 : 0);
  return sizes;
}

GroupOrder GroupOrder::even(std::int64_t groups) {
  GroupOrder order;
  order.groups_ = groups;
  return order;
}

GroupOrder GroupOrder::uneven(std::int64_t rows, const std::vector<double>& place) {
  GroupOrder order;
  order.groups_ = static_cast<std::int64_t>(place.size());
  order.size_ = log_uniform_sizes(rows, place);
  order.taken_.assign(place.size(), 0);
  for (std::int64_t g = 0; g < order.groups_; ++g) {
    order.due_.push({0.5 / static_cast<double>(order.size_[g]), g});
  }
  return order;
}

GroupOrder::Row GroupOrder::next() {
  if (size_.empty()) {
    const std::int64_t row = row_++;
    return {row % groups_, row / groups_};
  }
  // A group of n rows has its k-th in the middle of the k-th of n equal parts of the file.
  const std::int64_t group = due_.top().group;
  due_.pop();
  const std::int64_t number = taken_[group]++;
  if (taken_[group] < size_[group]) {
    due_.push({(static_cast<double>(taken_[group]) + 0.5) / static_cast<double>(size_[group]), group});
  }
  return {group, number};
}

}  // namespace cugad
