#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cugad/table.hpp"

namespace cugad {

/// No table is wider: a header that declares more columns is damaged, and each column costs memory even without rows.
constexpr std::int64_t largest_column_count = 1'000'000;

/// "0", "1", ...: the names of columns that have none.
std::vector<std::string> numbered_names(std::int64_t count);

/// The position of a column, after the rule of Table::find. `place` opens the message ("data.csv: " or nothing).
std::size_t find_column(std::span<const std::string> names, const std::string& name, const std::string& place = "");

/// For each column whether ReadOptions::text_columns lists it.
std::vector<bool> listed_as_text(std::span<const std::string> names, const ReadOptions& options,
                                 const std::string& file);

/// Throws where a reader is asked for chunks of no rows.
void check_chunk_size(std::int64_t max_rows);

/// Gives the chunk its columns without rows; memory of an earlier chunk is kept.
void prepare_columns(Table& chunk, std::span<const std::string> names, const std::vector<bool>& is_text);

}  // namespace cugad
