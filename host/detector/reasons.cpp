#include "host/detector/reasons.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cugad {
namespace {

bool comes_before(const Reason& a, const Reason& b) {
  const bool first = a.finding != Finding::residual, second = b.finding != Finding::residual;
  if (first != second) return first;
  return a.share != b.share ? a.share > b.share : a.residual > b.residual;
}

/// The 0/1 column of a category that has the largest value.
std::int64_t largest(const Place& place, const float* row) {
  return std::max_element(row + place.first, row + place.first + place.columns) - row;
}

}  // namespace

std::vector<Place> places_of(const Novelty& novelty, const ColumnRoles& roles) {
  std::vector<bool> is_taken(roles.order.size(), false), is_given(roles.order.size(), false);
  for (std::size_t i = roles.order.size() - static_cast<std::size_t>(roles.condition); i < roles.order.size(); ++i) {
    is_given[static_cast<std::size_t>(roles.order[i])] = true;
  }
  std::vector<Place> places;
  const auto add_category = [&](std::int64_t first, std::int64_t columns) {
    if (is_taken[static_cast<std::size_t>(first)]) return;
    places.push_back({first, columns, true, is_given[static_cast<std::size_t>(first)]});
    std::fill_n(is_taken.begin() + first, columns, true);
  };
  for (const Novelty::Source& source : novelty.sources()) {
    if (source.kind == SourceKind::category) add_category(source.first, source.columns);
  }
  for (const Category& category : roles.categories) add_category(category.first, category.columns);
  for (std::size_t c = 0; c < is_taken.size(); ++c) {
    if (!is_taken[c]) places.push_back({static_cast<std::int64_t>(c), 1, false, is_given[c]});
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.first < b.first; });
  return places;
}

std::vector<Reason> reasons_of(std::span<const Place> places, const float* row, const float* residual,
                               const Finding* finding, std::int64_t tried) {
  std::vector<Reason> reasons;
  for (std::size_t p = 0; p < places.size(); ++p) {
    const Place& place = places[p];
    Reason reason{.place = static_cast<std::int64_t>(p), .column = static_cast<int>(place.first)};
    const bool is_missing = std::isnan(row[place.first]);
    if (place.is_category && !is_missing) reason.column = static_cast<int>(largest(place, row));
    for (std::int64_t c = place.first; c < place.first + place.columns; ++c) {
      reason.residual += residual[c];
      if (finding[c] == Finding::residual) continue;
      reason.finding = finding[c];
      reason.column = static_cast<int>(c);
    }
    // Its part in a sum that is infinite.
    if (std::isnan(reason.residual) && !is_missing) reason.residual = std::numeric_limits<float>::infinity();
    reason.is_given = place.is_given;
    reason.is_tried = !place.is_given && (!is_missing || reason.finding == Finding::missing);
    reasons.push_back(reason);
  }
  std::stable_sort(reasons.begin(), reasons.end(), [](const Reason& a, const Reason& b) {
    return a.is_tried != b.is_tried ? a.is_tried : comes_before(a, b);
  });
  for (std::size_t i = static_cast<std::size_t>(tried); i < reasons.size(); ++i) reasons[i].is_tried = false;
  return reasons;
}

void hide(const Place& place, float* row) { std::fill_n(row + place.first, place.columns, Reason::unknown); }

void put(const Place& place, const float* value, float* row) {
  if (!place.is_category) {
    row[place.first] = value[place.first];
    return;
  }
  std::fill_n(row + place.first, place.columns, 0.0f);
  row[largest(place, value)] = 1.0f;
}

ExpectedCell expected_at(const Place& place, const float* value, const float* low, const float* high, bool has_range) {
  ExpectedCell expected = Reason().expected;
  if (!place.is_category) {
    expected.low = low[place.first];
    expected.high = high[place.first];
    return expected;
  }
  const auto share = [&](std::int64_t column) { return std::clamp(double{value[column]}, 0.0, 1.0); };
  double sum = 0.0;
  for (std::int64_t c = place.first; c < place.first + place.columns; ++c) sum += share(c);
  expected.category = static_cast<int>(largest(place, value));
  if (has_range && sum > 0.0) expected.likelihood = static_cast<float>(share(expected.category) / sum);
  return expected;
}

Explanation explanation_of(std::vector<Reason> reasons, std::int64_t count) {
  double sum = 0.0;
  for (const Reason& reason : reasons) sum += double{reason.drop};
  for (Reason& reason : reasons) {
    reason.share = sum > 0.0 ? static_cast<float>(double{reason.drop} / sum) : 0.0f;
  }
  std::stable_sort(reasons.begin(), reasons.end(), comes_before);
  Explanation explanation;
  for (std::int64_t i = 0; i < std::min(count, static_cast<std::int64_t>(reasons.size())); ++i) {
    const Reason& reason = reasons[static_cast<std::size_t>(i)];
    explanation.column.push_back(reason.column);
    explanation.share.push_back(reason.share);
    explanation.residual.push_back(reason.residual);
    explanation.finding.push_back(reason.finding);
    explanation.expected.push_back(reason.expected);
  }
  return explanation;
}

}  // namespace cugad
