#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cugad/table.hpp"

namespace cugad {

/// No table is wider: a header that declares more columns is damaged, and each column costs memory even without rows.
constexpr std::int64_t largest_column_count = 1'000'000;

/// "0", "1", ...: the names of columns that have none.
std::vector<std::string> numbered_names(std::int64_t count);

/// The names of a table without names: those of ReadOptions::names that fit, else numbers.
std::vector<std::string> given_names(std::int64_t count, const ReadOptions& options);
/// Whether ReadOptions::names has a list for so many columns.
bool has_given_names(std::int64_t count, const ReadOptions& options);

/// The position of a column, after the rule of Table::find. `place` opens the message ("data.csv: " or nothing).
std::size_t find_column(std::span<const std::string> names, const std::string& name, const std::string& place = "");

/// For each column whether ReadOptions::text_columns lists it.
std::vector<bool> listed_as_text(std::span<const std::string> names, const ReadOptions& options,
                                 const std::string& file);

/// Finds columns of one table many times.
class ColumnIndex {
 public:
  /// `names` must outlive this.
  explicit ColumnIndex(std::span<const std::string> names);
  /// The position of the column of exactly that name, if there is one.
  std::optional<std::size_t> exact(const std::string& name) const;
  /// The same as find_column().
  std::size_t find(const std::string& name, const std::string& place = "") const;

 private:
  std::span<const std::string> names_;
  std::unordered_map<std::string_view, std::size_t> positions_;
};

std::vector<std::string> column_names(const Table& table);

/// Takes the cells of a row (from 0 in the chunk) away, because it cannot be read.
void clear_row(Table& chunk, std::int64_t row);

/// Throws for chunks of no rows.
void check_chunk_size(std::int64_t max_rows);

/// Gives the chunk its columns without rows; memory of an earlier chunk is kept.
void prepare_columns(Table& chunk, std::span<const std::string> names, const std::vector<bool>& is_text);

}  // namespace cugad
