#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <unordered_set>

#include "cugad/error.hpp"
#include "cugad/table.hpp"
#include "host/floating_point.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

void check_position(std::int64_t row, std::int64_t rows) {
  if (row >= 0 && row < rows) return;
  throw Error(ErrorCode::invalid_argument, fmt::format("row {} was asked for, expected 0 to {}", row, rows - 1));
}

/// A value or cell to be compared: equal numbers are equal however they are written, and so are missing cells.
struct Comparable {
  CellKind kind = CellKind::missing;
  double number = 0;
  std::string_view text;

  explicit Comparable(std::string_view cell) : text(cell) { kind = parse_cell(cell, number); }
  bool operator==(const Comparable& other) const {
    if (kind != other.kind) return false;
    if (kind == CellKind::number) return number == other.number;
    return kind == CellKind::missing || text == other.text;
  }
};

}  // namespace

std::vector<std::uint8_t> rows_with_value(const Table& table, const std::string& column,
                                          std::span<const std::string> values) {
  const FloatingPointEnvironment environment;
  const std::vector<Comparable> wanted(values.begin(), values.end());
  const auto is_wanted = [&](const Comparable& cell) {
    return std::find(wanted.begin(), wanted.end(), cell) != wanted.end();
  };
  const Column& searched = table.columns[table.find(column)];
  std::vector<std::uint8_t> found(static_cast<std::size_t>(table.rows), 0);
  Comparable number_cell("");
  for (std::size_t r = 0; r < found.size(); ++r) {
    if (searched.is_text) {
      found[r] = is_wanted(Comparable(searched.texts[r])) ? 1 : 0;
    } else {
      number_cell.number = searched.numbers[r];
      number_cell.kind = searched.numbers[r] != searched.numbers[r] ? CellKind::missing : CellKind::number;
      found[r] = is_wanted(number_cell) ? 1 : 0;
    }
  }
  return found;
}

std::vector<std::int64_t> kept_rows(std::span<const std::uint8_t> keep) {
  std::vector<std::int64_t> rows;
  for (std::size_t r = 0; r < keep.size(); ++r) {
    if (keep[r] != 0) rows.push_back(static_cast<std::int64_t>(r));
  }
  return rows;
}

Matrix take_rows(MatrixView<const float> matrix, std::span<const std::int64_t> rows) {
  for (const std::int64_t row : rows) check_position(row, matrix.rows);
  Matrix taken(static_cast<std::int64_t>(rows.size()), matrix.columns);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::copy_n(matrix.row(rows[r]), matrix.columns, taken.row(static_cast<std::int64_t>(r)));
  }
  return taken;
}

Table take_rows(const Table& table, std::span<const std::int64_t> rows) {
  for (const std::int64_t row : rows) check_position(row, table.rows);
  Table taken;
  taken.rows = static_cast<std::int64_t>(rows.size());
  taken.named = table.named;
  for (const Column& column : table.columns) {
    Column& copy = taken.columns.emplace_back();
    copy.name = column.name;
    copy.is_text = column.is_text;
    for (const std::int64_t row : rows) {
      if (column.is_text) {
        copy.texts.push_back(column.texts[row]);
      } else {
        copy.numbers.push_back(column.numbers[row]);
      }
    }
  }
  return taken;
}

std::vector<std::int64_t> distinct_rows(const Matrix& matrix) {
  const std::size_t row_bytes = sizeof(float) * static_cast<std::size_t>(matrix.columns);
  const auto bytes_of = [&](std::int64_t row) {
    return std::string_view(reinterpret_cast<const char*>(matrix.row(row)), row_bytes);
  };
  std::vector<std::size_t> hashes(static_cast<std::size_t>(matrix.rows));
  for (std::int64_t r = 0; r < matrix.rows; ++r) hashes[r] = std::hash<std::string_view>()(bytes_of(r));

  const auto hash = [&](std::int64_t row) { return hashes[row]; };
  const auto equal = [&](std::int64_t first, std::int64_t second) {
    return hashes[first] == hashes[second] && bytes_of(first) == bytes_of(second);
  };
  std::unordered_set<std::int64_t, decltype(hash), decltype(equal)> seen(hashes.size(), hash, equal);
  std::vector<std::int64_t> distinct;
  for (std::int64_t r = 0; r < matrix.rows; ++r) {
    if (seen.insert(r).second) distinct.push_back(r);
  }
  return distinct;
}

}  // namespace cugad
