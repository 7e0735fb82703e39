#include "host/report/column_summary.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "cugad/metrics.hpp"
#include "host/report/shown_text.hpp"

namespace cugad {
namespace {

constexpr int bins = 24;
constexpr std::size_t most_values = 10;
constexpr double shown_percents[] = {5, 25, 50, 75, 95};

/// Counts of the sample in equal bins of its range from the 1 % to the 99 % quantile; what is outside is in the outer
/// ones.
std::vector<int> histogram(const std::vector<float>& sample, double low, double high) {
  std::vector<int> counts(bins);
  for (const float value : sample) {
    const double place = high > low ? (value - low) / (high - low) * bins : 0.0;
    ++counts[static_cast<std::size_t>(std::clamp(place, 0.0, bins - 1.0))];
  }
  return counts;
}

}  // namespace

ColumnSummary::ColumnSummary(const std::vector<std::string>& names, const TableEncoder* encoder) {
  const auto columns = static_cast<std::int64_t>(names.size());
  const std::int64_t numeric = encoder != nullptr ? encoder->numeric_features() : columns;
  for (std::int64_t c = 0; c < std::min(numeric, most_columns); ++c) {
    const auto at = static_cast<std::size_t>(c);
    Numbers& numbers = numbers_.emplace_back();
    numbers.name = names[at];
    numbers.feature = c;
    if (encoder != nullptr) numbers.offset = encoder->offsets()[at];
  }
  left_out_ = numeric - static_cast<std::int64_t>(numbers_.size());
  if (encoder == nullptr) return;
  for (CategoricalColumn& column : categorical_columns(*encoder)) {
    if (static_cast<std::int64_t>(numbers_.size() + categories_.size()) == most_columns) {
      ++left_out_;
      continue;
    }
    Categories& categories = categories_.emplace_back();
    categories.counts.resize(column.values.size());
    categories.column = std::move(column);
  }
}

void ColumnSummary::thin_sample() {
  const auto keep_every_second = [](std::vector<float>& values) {
    for (std::size_t i = 0; 2 * i < values.size(); ++i) values[i] = values[2 * i];
    values.resize((values.size() + 1) / 2);
  };
  for (Numbers& numbers : numbers_) keep_every_second(numbers.sample);
  sampled_ = (sampled_ + 1) / 2;
  stride_ *= 2;
}

void ColumnSummary::add(const float* row) {
  if (sampled_ == sampled_rows) thin_sample();
  const bool is_sampled = rows_ % stride_ == 0;
  for (Numbers& numbers : numbers_) {
    const float value = row[numbers.feature];
    if (is_sampled) numbers.sample.push_back(value);
    if (!std::isfinite(value)) {
      ++numbers.missing;
      continue;
    }
    const bool is_first = numbers.missing == rows_;
    numbers.least = is_first ? value : std::min(numbers.least, value);
    numbers.most = is_first ? value : std::max(numbers.most, value);
  }
  for (Categories& categories : categories_) {
    const float* first = row + categories.column.first_feature;
    const auto end = first + categories.counts.size();
    if (categories.counts.empty() || std::isnan(*first)) {
      ++categories.missing;
    } else if (const auto found = std::find_if(first, end, [](float value) { return value != 0.0f; }); found == end) {
      ++categories.unseen;
    } else {
      ++categories.counts[static_cast<std::size_t>(found - first)];
    }
  }
  sampled_ += is_sampled;
  ++rows_;
}

void ColumnSummary::put_numbers(OrderedJson& place, const Numbers& numbers) {
  place["kind"] = "number";
  place["missing"] = numbers.missing;
  std::vector<float> sample;
  std::copy_if(numbers.sample.begin(), numbers.sample.end(), std::back_inserter(sample),
               [](float value) { return std::isfinite(value); });
  if (sample.empty()) return;
  std::vector<double> quantiles;
  for (const double percent : shown_percents)
    quantiles.push_back(metrics::percentile(sample, percent) + numbers.offset);
  const double low = metrics::percentile(sample, 1), high = metrics::percentile(sample, 99);
  place["least"] = numbers.least + numbers.offset;
  place["most"] = numbers.most + numbers.offset;
  put_list(place["quantiles"], quantiles);
  put_list(place["bins"], histogram(sample, low, high));
}

void ColumnSummary::put_categories(OrderedJson& place, const Categories& categories) {
  place["kind"] = "category";
  place["missing"] = categories.missing;
  place["unseen"] = categories.unseen;
  std::vector<std::size_t> order(categories.counts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return categories.counts[a] > categories.counts[b]; });
  place["distinct"] = order.size();
  order.resize(std::min(order.size(), most_values));
  std::vector<std::string> values;
  std::vector<std::int64_t> counts;
  for (const std::size_t i : order) {
    values.push_back(shown_text(categories.column.values[i]));
    counts.push_back(categories.counts[i]);
  }
  put_list(place["values"], values);
  put_list(place["counts"], counts);
}

void ColumnSummary::put(OrderedJson& place) const {
  place = OrderedJson::array();
  for (const Numbers& numbers : numbers_) {
    OrderedJson& column = place.emplace_back(OrderedJson::object());
    column["name"] = shown_text(numbers.name);
    put_numbers(column, numbers);
  }
  for (const Categories& categories : categories_) {
    OrderedJson& column = place.emplace_back(OrderedJson::object());
    column["name"] = shown_text(categories.column.name);
    put_categories(column, categories);
  }
}

std::optional<std::size_t> ColumnSummary::place_of(std::int64_t feature) const {
  if (feature < static_cast<std::int64_t>(numbers_.size())) return static_cast<std::size_t>(feature);
  for (std::size_t i = 0; i < categories_.size(); ++i) {
    const CategoricalColumn& column = categories_[i].column;
    const std::int64_t end = column.first_feature + static_cast<std::int64_t>(column.values.size());
    if (feature >= column.first_feature && feature < end) return numbers_.size() + i;
  }
  return {};
}

}  // namespace cugad
