#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "cugad/table.hpp"

/// What examine_columns() has to know of a column's cells, learnt cell by cell: no column need be held.
namespace cugad {

/// The cells of a column of numbers.
class NumberCells {
 public:
  /// `is_unnamed`: the name is only a position.
  NumberCells(std::string_view name, bool is_unnamed);
  void add(double number);

  bool has_value() const { return has_value_; }
  /// Whether it is named like a label and has few values.
  bool is_like_a_label() const;
  /// Why the numbers count or identify the rows; empty if they may be a feature.
  std::string why_no_feature();

 private:
  void follow(double number);
  bool are_distinct();

  bool is_named_like_id_, is_unnamed_, is_named_like_label_;
  std::int64_t rows_ = 0;
  bool has_value_ = false, is_complete_ = true, are_dates_ = true, are_times_;
  std::unordered_set<double> few_;  ///< of a column that is named like a label

  // How the numbers go from row to row, while none is missing.
  bool are_integers_ = true, rises_ = true, stands_still_ = false;
  double last_ = 0, step_ = 0, farthest_from_step_ = 0;
  double least_ = std::numeric_limits<double>::infinity(), most_ = -least_;
  bool may_be_distinct_ = true;
  std::vector<double> integers_;  ///< of the first rows, in any order, until two are equal
  std::size_t next_search_;       ///< for two equal ones, once there are so many
};

/// The cells of a column of texts: its distinct texts, numbered as they come, with their counts.
class TextCells {
 public:
  static constexpr std::int32_t missing = -1;

  explicit TextCells(std::string_view name);
  TextCells(TextCells&&) = default;
  TextCells& operator=(TextCells&&) = default;

  /// Returns the number of the text, or `missing` for an empty one.
  std::int32_t add(std::string_view text);
  std::int64_t values() const { return values_; }
  std::size_t distinct() const { return entries_.size(); }
  bool is_like_a_label() const;
  /// The distinct texts by their numbers.
  std::vector<std::string_view> texts() const;

  /// What the texts look like.
  struct Kinds {
    std::int64_t numbers = 0, other_numbers = 0, dates = 0;
    std::size_t distinct_numbers = 0;
    std::vector<std::pair<std::string_view, std::int64_t>> words;  ///< those that are no numbers, with their counts
  };
  Kinds kinds() const;

 private:
  struct Entry {
    std::int32_t number = 0;
    std::int64_t count = 0;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Entries = std::unordered_map<std::string, Entry, Hash, std::equal_to<>>;

  Entries entries_;
  Entries::value_type* last_ = nullptr;  ///< runs of one text are common
  std::int64_t values_ = 0;
  bool is_named_like_label_, has_missing_ = false;
};

/// The finding for a column of that name, if there is one.
std::optional<ColumnFinding> examine_cells(const std::string& name, NumberCells& cells);
std::optional<ColumnFinding> examine_cells(const std::string& name, const TextCells& cells);

}  // namespace cugad
