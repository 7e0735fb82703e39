#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <unordered_set>

#include "cugad/error.hpp"
#include "host/floating_point.hpp"
#include "host/table/column_names.hpp"
#include "host/table/csv_layout.hpp"
#include "host/table/csv_records.hpp"
#include "host/table/csv_sample.hpp"
#include "host/table/readers.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

using Header = TableFormat::Header;

constexpr std::int64_t rows_that_tell_the_kind = 1000;
/// Rows may be very wide: the kinds are then inferred from fewer rows, so that memory stays bounded.
constexpr std::size_t bytes_that_tell_the_kind = std::size_t{32} << 20;

class CsvReader : public TableReader {
 public:
  CsvReader(std::unique_ptr<ByteSource> source, const std::string& file, const ReadOptions& options)
      : file_(file),
        options_(options),
        missing_(options.format.missing.begin(), options.format.missing.end()),
        records_(std::move(source), file, options) {
    read_header();
    choose_kinds();
    note_layout();
  }

  const std::vector<std::string>& column_names() const override { return names_; }

  bool read(Table& chunk, std::int64_t max_rows) override {
    const FloatingPointEnvironment environment;
    check_chunk_size(max_rows);
    if (failure_) std::rethrow_exception(failure_);
    prepare_columns(chunk, names_, is_text_);
    chunk.named = named_;
    chunk.first_row = rows_read_;
    while (chunk.rows < max_rows) {
      if (options_.as_it_comes && chunk.rows > 0 && !records_.is_ready()) break;
      try {
        if (!next_row()) break;
        append_row(chunk);
      } catch (const Error& error) {
        // What came before the row that cannot be read is handed over first.
        if (!options_.as_it_comes || chunk.rows == 0) throw;
        failure_ = std::current_exception();
        break;
      }
    }
    rows_read_ += chunk.rows;
    return chunk.rows > 0;
  }

  TableFormat format() const override { return format_; }
  std::vector<std::string> header() const override { return header_; }

  std::vector<std::string> notes() const override {
    std::vector<std::string> notes = notes_;
    if (repeated_headers_ > 0) {
      notes.push_back(fmt::format("{}: {} more lines repeat the header and are skipped", file_, repeated_headers_));
    }
    return notes;
  }

 private:
  std::string place() const { return fmt::format("{}, line {}", file_, records_.line()); }

  /// The next record. Empty lines are none: a missing cell alone in its row is written as "" or NA.
  bool next_record() {
    do {
      if (!records_.next(cells_)) return false;
    } while (cells_.empty());
    return true;
  }

  /// The next row of data, with the cells of all columns or, marked, with those that it has.
  bool next_row() {
    do {
      if (!next_record()) return false;
    } while (repeats_header());
    drop_cell_behind_the_last(names_.size());
    reason_.clear();
    if (cells_.size() != names_.size()) {
      complain(
          fmt::format("{}: found {} cells, expected {} as in the first line", place(), cells_.size(), names_.size()));
    }
    return true;
  }

  /// Data whose lines all end in a separator, which the header lacks.
  void drop_cell_behind_the_last(std::size_t width) {
    if (width > 0 && cells_.size() == width + 1 && cells_.back().empty()) cells_.pop_back();
  }

  /// Concatenated files with repeated headers.
  bool repeats_header() {
    if (header_.empty() || !std::equal(cells_.begin(), cells_.end(), header_.begin(), header_.end())) return false;
    ++repeated_headers_;
    return true;
  }

  /// Refuses the row, or marks it.
  void complain(const std::string& reason) {
    if (!options_.mark_errors) throw Error(ErrorCode::format, reason);
    if (reason_.empty()) reason_ = reason;
  }

  CellKind kind_of(std::string_view cell, double& number) const {
    return is_listed_as_missing(cell) ? CellKind::missing : parse_cell(cell, number);
  }
  bool is_listed_as_missing(std::string_view cell) const {
    return !missing_.empty() && missing_.contains(std::string(cell));
  }

  FirstLine first_line() const {
    FirstLine first{{cells_.begin(), cells_.end()}, {}};
    double number = 0;
    for (const std::string_view cell : cells_) first.kinds.push_back(kind_of(cell, number));
    return first;
  }

  /// Skips the records before the first row of data.
  void read_header() {
    records_.keep();
    if (!next_record()) throw Error(ErrorCode::format, fmt::format("{}: is empty, expected a table", file_));
    const FirstLine first = first_line();
    for (const std::string& cell : first.cells) {
      if (cell.find('\r') == std::string::npos) continue;
      throw Error(ErrorCode::format,
                  place() + ": a carriage return inside a cell, expected lines that end with a newline");
    }
    const auto comment = comment_names(first.cells.size());
    const bool has_sample = !options_.numeric_columns;
    if (has_sample) take_sample(first);
    format_ = options_.format;
    Header& header = format_.header;
    if (header == Header::automatic) {
      HeaderGuess guess{.is_header = !has_sample && has_known_names(first)};
      if (has_sample) guess = guess_header(first, sample_);
      if (equal_rows_ > 0 && !guess.is_over_numbers) {
        // They may as well be data.
        add_to_sample(first.cells, equal_rows_);
        guess = guess_header(first, sample_);
      }
      if (!guess.is_header && !comment.empty()) guess = {.is_header = true, .is_weak = true};
      header = !guess.is_header                               ? Header::no
               : comment.empty() || !is_comment_better(first) ? Header::yes
                                                              : Header::comment;
      if (guess.is_weak && !options_.by_position) note_guess(first, header);
    }
    records_.rewind();
    if (header == Header::yes) {
      next_record();
      header_ = first.cells;
    } else if (header == Header::comment) {
      if (comment.empty()) {
        throw Error(ErrorCode::format,
                    place() + ": expected a comment line in front that names the columns (--header)");
      }
      header_ = comment;
    } else if (has_sample) {
      add_to_sample(first.cells);
    }
    name_columns(first.cells.size());
  }

  /// The names in a comment before the data: as many distinct texts as there are columns.
  std::vector<std::string> comment_names(std::size_t width) {
    if (records_.last_comment().empty()) return {};
    std::vector<std::string> names;
    for (const std::string_view cell : records_.comment_cells()) names.emplace_back(cell);
    const std::unordered_set<std::string_view> distinct(names.begin(), names.end());
    double number = 0;
    const bool are_texts = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
      return parse_cell(name, number) == CellKind::text;
    });
    return names.size() == width && distinct.size() == width && are_texts ? names : std::vector<std::string>();
  }

  /// Whether a comment has the names rather than the first line: that is then data.
  bool is_comment_better(const FirstLine& first) const {
    if (!options_.numeric_columns) return !guess_header(first, sample_).is_header;
    return !has_known_names(first);
  }

  /// Whether the first line contains a requested column name or, if names do not count, has a text for a number.
  bool has_known_names(const FirstLine& first) const {
    const auto position_is_text = [&](const std::string& name) {
      const auto names = given_names(static_cast<std::int64_t>(first.cells.size()), options_);
      const auto at = static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
      return at < first.kinds.size() && first.kinds[at] == CellKind::text && !is_dash(first.cells[at]);
    };
    const auto is_named = [&](const std::string& name) {
      return std::find(first.cells.begin(), first.cells.end(), name) != first.cells.end();
    };
    for (const auto* names : {&*options_.numeric_columns, &options_.text_columns}) {
      const bool any = options_.by_position ? std::any_of(names->begin(), names->end(), position_is_text)
                                            : std::any_of(names->begin(), names->end(), is_named);
      if (any) return true;
      if (options_.by_position) return false;  // texts over texts are ambiguous
    }
    return false;
  }

  template <class Cells>
  void add_to_sample(const Cells& cells, std::int64_t times = 1) {
    double number = 0;
    for (std::size_t c = 0; c < sample_.size(); ++c) {
      const CellKind kind = kind_of(cells[c], number);
      for (std::int64_t t = 0; t < times; ++t) sample_[c].add(cells[c], kind, number);
    }
  }

  /// Reads the rows below the first line. A row of another width is left for the reading; rows that repeat a first line
  /// with texts are counted, as it may be a header.
  void take_sample(const FirstLine& first) {
    const std::size_t width = first.cells.size();
    const bool has_texts = std::count(first.kinds.begin(), first.kinds.end(), CellKind::text) > 0;
    sample_.resize(width);
    for (std::int64_t row = 0; row < rows_that_tell_the_kind && records_.kept_bytes() < bytes_that_tell_the_kind;
         ++row) {
      if (!next_record()) break;
      drop_cell_behind_the_last(width);
      if (cells_.size() != width) {
        if (options_.mark_errors) continue;
        break;
      }
      if (has_texts && std::equal(cells_.begin(), cells_.end(), first.cells.begin())) {
        ++equal_rows_;
      } else {
        add_to_sample(cells_);
      }
    }
  }

  void name_columns(std::size_t width) {
    named_ = !header_.empty() && !options_.by_position;
    if (named_) {
      names_ = header_;
      name_unnamed_columns();
      number_repeated_names();
      return;
    }
    names_ = given_names(static_cast<std::int64_t>(width), options_);
    named_ = has_given_names(static_cast<std::int64_t>(width), options_);
    if (!header_.empty()) {
      notes_.push_back(
          fmt::format("{}: the model knows its columns by position only: names such as '{}' are not compared", file_,
                      one_line(header_.front())));
    }
  }

  /// An unnamed column (pandas writes its index so) is called by its position.
  void name_unnamed_columns() {
    for (std::size_t c = 0; c < names_.size(); ++c) {
      if (names_[c].empty()) names_[c] = std::to_string(c);
    }
  }

  void number_repeated_names() {
    std::unordered_set<std::string> seen;
    for (std::size_t c = 0; c < names_.size(); ++c) {
      if (seen.insert(names_[c]).second) continue;
      const std::string name = names_[c];
      for (int number = 1; !seen.insert(names_[c]).second; ++number) names_[c] = fmt::format("{}.{}", name, number);
      if (notes_.size() < 3) {
        notes_.push_back(fmt::format("{}: two columns are named '{}'; the one at position {} is called '{}'", file_,
                                     one_line(name), c, one_line(names_[c])));
      }
    }
  }

  void choose_kinds() {
    formats_.resize(names_.size());
    if (options_.numeric_columns) {
      const std::unordered_set<std::string_view> numeric(options_.numeric_columns->begin(),
                                                         options_.numeric_columns->end());
      for (const std::string& name : names_) is_text_.push_back(!numeric.contains(name));
    } else {
      is_text_ = listed_as_text(names_, options_, file_);
      if (options_.infer_text) {
        for (std::size_t c = 0; c < names_.size(); ++c) {
          if (!is_text_[c]) is_text_[c] = !sample_[c].is_number();
        }
      }
      find_number_formats();
    }
    for (std::size_t c = 0; c < names_.size(); ++c) {
      if (is_text_[c]) continue;
      const auto kept = format_.columns.find(names_[c]);
      if (kept != format_.columns.end()) {
        formats_[c] = kept->second;
      } else if (format_.decimal != 0 && options_.numeric_columns) {
        formats_[c] = {format_.decimal, true, {}, {}};
      }
    }
    sample_ = {};
  }

  /// Stores the formats of numeric columns that are not written as in C.
  void find_number_formats() {
    bool has_comma = false, has_point = false;
    for (std::size_t c = 0; c < names_.size(); ++c) {
      if (is_text_[c]) continue;
      has_comma = has_comma || sample_[c].style.decimal() == ',';
      has_point = has_point || sample_[c].style.decimal() == '.';
    }
    for (std::size_t c = 0; c < names_.size(); ++c) {
      const NumberStyle& style = sample_[c].style;
      if (is_text_[c] || !style.is_number() || format_.columns.contains(names_[c])) continue;
      char decimal = style.decimal().value_or('.');
      if (format_.decimal != 0) {
        decimal = format_.decimal;
      } else if (style.is_ambiguous_comma() || (style.is_ambiguous_point() && has_comma)) {
        if (has_comma == has_point) refuse_ambiguous(c);
        decimal = has_comma ? ',' : '.';
        if (style.is_ambiguous_point()) refuse_ambiguous(c);
      }
      NumberFormat format = style.format(decimal);
      if (format_.decimal != 0) format.grouped = true;
      // Numbers as in C, but with groups: only if some cell has one.
      if (format != NumberFormat{}) format_.columns.emplace(names_[c], format);
    }
  }

  [[noreturn]] void refuse_ambiguous(std::size_t column) const {
    throw Error(ErrorCode::format,
                fmt::format("{}, column '{}': '{}' may have groups of three digits or decimals; name the decimals "
                            "begin with: --decimal . or --decimal ,",
                            file_, one_line(names_[column]), one_line(sample_[column].style.open_example())));
  }

  void note_guess(const FirstLine& first, Header header) {
    const std::string line = one_line(fmt::format("{}", fmt::join(first.cells, std::string(1, records_.separator()))));
    if (header == Header::yes) {
      notes_.push_back(
          fmt::format("{}: the first line ({}) is taken as the header; --header no reads it as data", file_, line));
    } else if (header == Header::no) {
      notes_.push_back(
          fmt::format("{}: the first line ({}) is taken as data; --header yes reads it as the header", file_, line));
    } else {
      notes_.push_back(
          fmt::format("{}: the last comment in front of the data is taken as the header; --header no "
                      "ignores it",
                      file_));
    }
  }

  void note_layout() {
    format_.separator = records_.separator();
    format_.comment = records_.comment();
    format_.has_title = options_.format.has_title || records_.title_lines() > 0;
    if (records_.title_lines() > 0 && !options_.numeric_columns) {
      notes_.push_back(fmt::format("{}: {} lines in front of the table are skipped", file_, records_.title_lines()));
    }
  }

  void append_row(Table& chunk) {
    if (options_.keep_text) keep_text(chunk);
    if (cells_.size() != names_.size()) cells_.assign(names_.size(), {});
    for (std::size_t c = 0; c < names_.size(); ++c) append(chunk.columns[c], formats_[c], cells_[c]);
    if (!reason_.empty()) {
      clear_row(chunk, chunk.rows);
      chunk.unreadable.emplace(chunk.rows, reason_);
    }
    ++chunk.rows;
  }

  /// Keeps the record up to its last cell: another separator may follow.
  void keep_text(Table& chunk) const {
    WrittenRow row{std::string(records_.text()), records_.places()};
    row.cells.resize(std::min(row.cells.size(), names_.size()));
    if (!row.cells.empty()) row.text.resize(row.cells.back().second);
    chunk.written.push_back(std::move(row));
  }

  void append(Column& column, const NumberFormat& format, std::string_view cell) {
    if (column.is_text) {
      column.texts.emplace_back(is_listed_as_missing(cell) || is_missing(cell) ? std::string_view() : cell);
      return;
    }
    double number = std::numeric_limits<double>::quiet_NaN();
    const bool is_absent = is_dash(cell) || is_listed_as_missing(cell);
    const CellKind kind = is_absent ? CellKind::missing : parse_number(cell, format, number);
    // Models take single precision. Here the line is known, later only the row.
    const bool is_too_large = std::abs(number) > std::numeric_limits<float>::max();
    if (kind == CellKind::text || kind == CellKind::infinite || is_too_large) refuse_cell(column, format, cell);
    column.numbers.push_back(kind == CellKind::number ? number : std::numeric_limits<double>::quiet_NaN());
  }

  void refuse_cell(const Column& column, const NumberFormat& format, std::string_view cell) {
    std::string expected = "a finite number";
    if (format.decimal == ',') expected += " with a decimal comma";
    if (!format.prefix.empty()) expected += fmt::format(" behind '{}'", one_line(format.prefix));
    if (!format.suffix.empty()) expected += fmt::format(" in front of '{}'", one_line(format.suffix));
    double number = 0;
    const CellKind kind = parse_cell(cell, number);
    const char* hint = " (--missing lists cells without a value)";
    if (kind == CellKind::infinite || (kind == CellKind::number && format == NumberFormat{})) {
      hint = "";
    } else if (rows_read_ == 0 && header_.empty() && records_.line() <= 1) {
      hint = " (--header yes if the first line is the header)";
    } else if (looks_like_number(cell)) {
      hint = " (--decimal sets how numbers are written)";
    }
    complain(fmt::format("{}, column '{}': found '{}', expected {}{}", place(), one_line(column.name), one_line(cell),
                         expected, hint));
  }

  std::string file_;
  ReadOptions options_;
  std::unordered_set<std::string> missing_;
  CsvRecords records_;
  TableFormat format_;
  std::vector<std::string> names_, header_;
  bool named_ = false;
  std::vector<ColumnSample> sample_;
  std::vector<bool> is_text_;
  std::vector<NumberFormat> formats_;  ///< of each column
  std::vector<std::string_view> cells_;
  std::string reason_;  ///< why the row at hand cannot be read
  std::exception_ptr failure_;
  std::vector<std::string> notes_;
  std::int64_t rows_read_ = 0, repeated_headers_ = 0;
  std::int64_t equal_rows_ = 0;  ///< of the sample, to the first line
};

}  // namespace

std::unique_ptr<TableReader> open_csv(std::unique_ptr<ByteSource> source, const std::string& file,
                                      const ReadOptions& options) {
  return std::make_unique<CsvReader>(std::move(source), file, options);
}

}  // namespace cugad
