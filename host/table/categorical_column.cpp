#include "host/table/categorical_column.hpp"

#include <algorithm>

namespace cugad {

std::vector<CategoricalColumn> categorical_columns(const TableEncoder& encoder) {
  const std::vector<std::string>& features = encoder.feature_names();
  std::vector<CategoricalColumn> found;
  auto feature = static_cast<std::size_t>(encoder.numeric_features());
  for (const std::string& name : encoder.read_options().text_columns) {
    CategoricalColumn column{name, {}, static_cast<std::int64_t>(feature)};
    const std::string prefix = name + "=";
    for (; feature < features.size() && features[feature].starts_with(prefix); ++feature) {
      column.values.push_back(features[feature].substr(prefix.size()));
    }
    found.push_back(std::move(column));
  }
  return found;
}

std::string CategoricalColumn::decoded(const float* row) const {
  if (values.empty()) return "";
  const float* first = row + first_feature;
  const auto largest = std::max_element(first, first + values.size()) - first;
  return values[static_cast<std::size_t>(largest)];
}

}  // namespace cugad
