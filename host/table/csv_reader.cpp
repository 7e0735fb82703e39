#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "cugad/error.hpp"
#include "host/floating_point.hpp"
#include "host/table/cell.hpp"
#include "host/table/column_names.hpp"
#include "host/table/csv_records.hpp"
#include "host/table/readers.hpp"

namespace cugad {
namespace {

constexpr std::int64_t rows_that_tell_the_kind = 1000;
/// Rows may be very wide: the kinds are then told from fewer rows, so that memory stays bounded.
constexpr std::size_t bytes_that_tell_the_kind = std::size_t{256} << 20;

/// What the header rule needs to know of a line after the next has been read.
struct FirstLine {
  std::vector<std::string> cells;
  std::vector<CellKind> kinds;
};

std::vector<CellKind> kinds_of(const std::vector<std::string_view>& cells) {
  std::vector<CellKind> kinds;
  double number = 0;
  for (const std::string_view cell : cells) kinds.push_back(parse_cell(cell, number));
  return kinds;
}

bool all_distinct_texts(const FirstLine& line) {
  const std::unordered_set<std::string_view> distinct(line.cells.begin(), line.cells.end());
  return distinct.size() == line.cells.size() &&
         std::all_of(line.kinds.begin(), line.kinds.end(), [](CellKind kind) { return kind == CellKind::text; });
}

class CsvReader : public TableReader {
 public:
  CsvReader(std::unique_ptr<ByteSource> source, const std::string& file, const ReadOptions& options)
      : file_(file), records_(std::move(source), file) {
    read_header();
    is_text_ = listed_as_text(names_, options, file_);
    if (options.infer_text) infer_text();
  }

  const std::vector<std::string>& column_names() const override { return names_; }

  bool read(Table& chunk, std::int64_t max_rows) override {
    const FloatingPointEnvironment environment;
    check_chunk_size(max_rows);
    prepare_columns(chunk, names_, is_text_);
    chunk.first_row = rows_read_;
    while (chunk.rows < max_rows && next_row()) {
      for (std::size_t c = 0; c < names_.size(); ++c) append(chunk.columns[c], cells_[c]);
      ++chunk.rows;
    }
    rows_read_ += chunk.rows;
    return chunk.rows > 0;
  }

 private:
  /// The next record. Empty lines are none: a missing cell alone in its row is written as "" or NA.
  bool next_row() {
    do {
      if (!records_.next(cells_)) return false;
    } while (cells_.empty());
    if (!names_.empty() && cells_.size() != names_.size()) {
      throw Error(ErrorCode::format, fmt::format("{}, line {}: found {} cells, expected {} as in the first line", file_,
                                                 records_.line(), cells_.size(), names_.size()));
    }
    return true;
  }

  void read_header() {
    records_.keep();
    if (!next_row()) throw Error(ErrorCode::format, fmt::format("{}: is empty, expected a table", file_));
    const FirstLine first{{cells_.begin(), cells_.end()}, kinds_of(cells_)};
    for (const std::string& cell : first.cells) {
      if (cell.find('\r') != std::string::npos) {
        throw Error(ErrorCode::format,
                    fmt::format("{}, line {}: a carriage return inside a cell, expected lines that end with a newline",
                                file_, records_.line()));
      }
    }
    if (has_header(first)) {
      // Back to the line behind the header: rewind to the start, then read the header again.
      records_.rewind();
      next_row();
      names_ = first.cells;
      name_unnamed_columns();
      refuse_duplicates();
    } else {
      records_.rewind();
      names_ = numbered_names(static_cast<std::int64_t>(first.cells.size()));
    }
  }

  bool has_header(const FirstLine& first) {
    if (all_distinct_texts(first)) return true;
    if (!next_row()) return false;
    const std::vector<CellKind> below = kinds_of(cells_);
    for (std::size_t c = 0; c < std::min(first.kinds.size(), below.size()); ++c) {
      const bool number_below = below[c] == CellKind::number || below[c] == CellKind::infinite;
      if (first.kinds[c] == CellKind::text && number_below) return true;
    }
    return false;
  }

  /// An unnamed column (pandas writes its index so) is called by its position.
  void name_unnamed_columns() {
    for (std::size_t c = 0; c < names_.size(); ++c) {
      if (names_[c].empty()) names_[c] = std::to_string(c);
    }
  }

  void refuse_duplicates() const {
    std::unordered_set<std::string_view> seen;
    for (const std::string& name : names_) {
      if (seen.insert(name).second) continue;
      throw Error(ErrorCode::format, fmt::format("{}, line {}: two columns are named '{}', expected distinct names",
                                                 file_, records_.line(), one_line(name)));
    }
  }

  void infer_text() {
    records_.keep();
    double number = 0;
    for (std::int64_t row = 0; row < rows_that_tell_the_kind && records_.kept_bytes() < bytes_that_tell_the_kind;
         ++row) {
      if (!next_row()) break;
      for (std::size_t c = 0; c < names_.size(); ++c) {
        if (!is_text_[c]) is_text_[c] = parse_cell(cells_[c], number) == CellKind::text;
      }
    }
    records_.rewind();
  }

  void append(Column& column, std::string_view cell) const {
    double number = 0;
    if (column.is_text) {
      const bool missing = parse_cell(cell, number) == CellKind::missing;
      column.texts.emplace_back(missing ? std::string_view() : cell);
      return;
    }
    switch (parse_cell(cell, number)) {
      case CellKind::number:
        refuse_too_large(column, cell, number);
        column.numbers.push_back(number);
        return;
      case CellKind::missing:
        column.numbers.push_back(std::numeric_limits<double>::quiet_NaN());
        return;
      case CellKind::infinite:
      case CellKind::text:
        throw Error(ErrorCode::format, fmt::format("{}, line {}, column '{}': found '{}', expected a finite number",
                                                   file_, records_.line(), one_line(column.name), one_line(cell)));
    }
  }

  /// Models take single precision. Here the line is known, later only the row.
  void refuse_too_large(const Column& column, std::string_view cell, double number) const {
    constexpr float largest = std::numeric_limits<float>::max();
    if (std::isfinite(static_cast<float>(number))) return;
    throw Error(ErrorCode::format, fmt::format("{}, line {}, column '{}': found '{}', expected a number of at most {}",
                                               file_, records_.line(), one_line(column.name), one_line(cell), largest));
  }

  std::string file_;
  CsvRecords records_;
  std::vector<std::string> names_;
  std::vector<bool> is_text_;
  std::vector<std::string_view> cells_;
  std::int64_t rows_read_ = 0;
};

}  // namespace

std::unique_ptr<TableReader> open_csv(std::unique_ptr<ByteSource> source, const std::string& file,
                                      const ReadOptions& options) {
  return std::make_unique<CsvReader>(std::move(source), file, options);
}

}  // namespace cugad
