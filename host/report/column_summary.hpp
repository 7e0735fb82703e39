#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cugad/table.hpp"
#include "host/table/categorical_column.hpp"
#include "host/text/json.hpp"

namespace cugad {

/// What the columns of the rows hold: ranges, quantiles, missing cells, categories. Ranges and counts are exact;
/// quantiles and histograms are those of evenly spaced rows, at most `sampled_rows`.
class ColumnSummary {
 public:
  static constexpr std::size_t sampled_rows = 4096;
  static constexpr std::int64_t most_columns = 300;  ///< more are not summarised

  /// `names`: of the detector's columns; `encoder`: null if each is a number.
  ColumnSummary(const std::vector<std::string>& names, const TableEncoder* encoder);
  void add(const float* row);
  /// A list of objects, one per column of the table.
  void put(OrderedJson& place) const;
  /// The number of columns beyond `most_columns`.
  std::int64_t left_out() const { return left_out_; }
  /// The place in the list of the column that holds a feature of the detector; none if it is left out.
  std::optional<std::size_t> place_of(std::int64_t feature) const;

 private:
  struct Numbers {
    std::string name;
    std::int64_t feature = 0, missing = 0;
    double offset = 0;
    float least = 0, most = 0;
    std::vector<float> sample;
  };
  struct Categories {
    CategoricalColumn column;
    std::int64_t missing = 0, unseen = 0;
    std::vector<std::int64_t> counts;
  };
  void thin_sample();
  static void put_numbers(OrderedJson& place, const Numbers& numbers);
  static void put_categories(OrderedJson& place, const Categories& categories);

  std::vector<Numbers> numbers_;
  std::vector<Categories> categories_;
  std::int64_t left_out_ = 0;
  std::int64_t rows_ = 0, stride_ = 1;  ///< every stride-th row is in the sample
  std::size_t sampled_ = 0;
};

}  // namespace cugad
