#include "host/cli/reproduce/wilcoxon.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

namespace cugad::cli {
namespace {

constexpr std::size_t most_exact = 50;

/// Twice the ranks of |difference|, so that shared ranks are integers; the sign is that of the difference. Zeros are
/// gone.
std::vector<std::int64_t> doubled_signed_ranks(std::span<const double> differences) {
  std::vector<double> sorted;
  for (const double difference : differences) {
    if (difference != 0) sorted.push_back(difference);
  }
  const auto magnitude_less = [](double a, double b) { return std::abs(a) < std::abs(b); };
  std::sort(sorted.begin(), sorted.end(), magnitude_less);
  std::vector<std::int64_t> ranks;
  for (auto first = sorted.begin(); first != sorted.end();) {
    const auto last = std::upper_bound(first, sorted.end(), *first, magnitude_less);
    const std::int64_t doubled = (first - sorted.begin()) + 1 + (last - sorted.begin());  // first rank + last rank
    for (; first != last; ++first) ranks.push_back(*first > 0 ? doubled : -doubled);
  }
  return ranks;
}

/// P(|sum of signed ranks| >= |the given one|) over all assignments of signs.
double exact_probability(const std::vector<std::int64_t>& ranks) {
  std::int64_t total = 0, positive = 0;
  for (const std::int64_t rank : ranks) {
    total += std::abs(rank);
    positive += std::max<std::int64_t>(rank, 0);
  }
  std::vector<double> probability(static_cast<std::size_t>(total) + 1);  // of each sum of the positive ranks
  probability[0] = 1;
  for (const std::int64_t rank : ranks) {
    const std::int64_t step = std::abs(rank);
    for (std::int64_t sum = total; sum >= 0; --sum) {
      const double with = sum >= step ? probability[sum - step] : 0;
      probability[sum] = (probability[sum] + with) / 2;
    }
  }
  double p = 0;
  const std::int64_t extreme = std::abs(2 * positive - total);
  for (std::int64_t sum = 0; sum <= total; ++sum) {
    if (std::abs(2 * sum - total) >= extreme) p += probability[sum];
  }
  return std::min(p, 1.0);
}

/// The same by a normal distribution: the sum of signed ranks has mean 0 and, ties included, the variance of the sum of
/// squared ranks.
double normal_probability(const std::vector<std::int64_t>& ranks) {
  double sum = 0, variance = 0;
  for (const auto rank : ranks) {
    sum += static_cast<double>(rank);
    variance += static_cast<double>(rank) * static_cast<double>(rank);
  }
  return std::erfc(std::abs(sum) / std::sqrt(variance) / std::numbers::sqrt2);
}

}  // namespace

SignedRankTest signed_rank_test(std::span<const double> differences) {
  const std::vector<std::int64_t> ranks = doubled_signed_ranks(differences);
  if (ranks.empty()) return {};
  const bool exact = ranks.size() <= most_exact;
  return {exact ? exact_probability(ranks) : normal_probability(ranks), exact};
}

}  // namespace cugad::cli
