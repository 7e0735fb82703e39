#include "host/table/csv_records.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "cugad/error.hpp"
#include "host/table/column_names.hpp"
#include "host/table/csv_layout.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

constexpr std::size_t longest_record = std::size_t{64} << 20;
constexpr std::size_t first_buffer = std::size_t{256} << 10;

const char* find_byte(const char* begin, const char* end, char byte) {
  return static_cast<const char*>(std::memchr(begin, byte, static_cast<std::size_t>(end - begin)));
}

}  // namespace

CsvRecords::CsvRecords(std::unique_ptr<ByteSource> source, std::string file, const ReadOptions& options)
    : source_(std::move(source)),
      file_(std::move(file)),
      buffer_(first_buffer),
      comment_(options.format.comment),
      keeps_places_(options.keep_text) {
  if (options.format.separator != 0) {
    separator_ = options.format.separator;
    separator_is_known_ = true;
  }
  skip_marks();
  find_layout(options);
}

/// The line, without its end, that begins `position` bytes after `begin_`; cut off at the end of the stream, or if it
/// is longer than any guess needs.
std::string_view CsvRecords::line_at(std::size_t position) {
  for (;;) {
    const std::string_view rest(buffer_.data() + begin_ + position, end_ - begin_ - position);
    const std::size_t newline = rest.find('\n');
    if (newline != std::string_view::npos) return rest.substr(0, newline);
    if (rest.size() >= first_buffer || !fill()) break;
  }
  return {buffer_.data() + begin_ + position,
          end_ - begin_ - position};  // fill() may have moved it, even without new data
}

void CsvRecords::skip_line() {
  const std::size_t size = line_size();
  begin_ = std::min(begin_ + size + 1, end_);
  ++next_line_;
}

/// Skips the byte order mark of UTF-8, and reads the line "sep=;" of spreadsheets.
void CsvRecords::skip_marks() {
  while (end_ < 3 && fill()) {
  }
  const std::string_view start(buffer_.data(), std::min<std::size_t>(end_, 3));
  if (start == "\xef\xbb\xbf") begin_ = 3;
  if (start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff")) {
    throw Error(ErrorCode::format, fmt::format("{}: is UTF-16 text, expected UTF-8", file_));
  }
  const std::string_view line = line_at(0);
  const std::string_view text = line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
  if (text.size() != 5 || (!text.starts_with("sep=") && !text.starts_with("SEP="))) return;
  if (!separator_is_known_) separator_ = text[4];
  separator_is_known_ = true;
  skip_line();
}

/// Finds the comment prefix and the separator, and skips the lines before the table. Without a configured prefix, a '#'
/// before the first line begins comments.
void CsvRecords::find_layout(const ReadOptions& options) {
  constexpr std::size_t most_bytes = std::size_t{64} << 10, most_lines = 200;
  constexpr std::int64_t most_title_lines = 20;
  const bool adapts = !separator_is_known_ || options.adapt_separator;
  const bool looks_further = !options.numeric_columns;
  std::vector<std::size_t> begins;  // of the lines, relative to begin_, which moves when the buffer is filled
  std::size_t position = 0;
  for (std::size_t l = 0; l < most_lines && position < most_bytes && (looks_further || begins.empty()); ++l) {
    const std::string_view line = line_at(position);
    const std::string_view text = without_blanks(line.ends_with('\r') ? line.substr(0, line.size() - 1) : line);
    if (begins.empty() && comment_.empty() && line.starts_with('#')) comment_ = "#";
    const bool is_comment = !comment_.empty() && line.starts_with(comment_);
    if (!text.empty() && !is_comment) begins.push_back(position);
    if (begin_ + position + line.size() >= end_) break;
    position += line.size() + 1;
  }
  std::vector<std::string_view> lines;
  for (const std::size_t begin : begins) {
    std::string_view line = line_at(begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line.substr(0, most_bytes));
  }
  if (lines.empty()) return;
  if (!looks_further) {
    const bool lacks_separator = rough_cells(lines.front(), separator_).size() < 2;
    const char own_separator = first_line_separator(lines.front());
    while (options.format.has_title && title_lines_ < most_title_lines && !table_line().empty() &&
           rough_cells(table_line(), separator_).size() < 2) {
      skip_line();
      ++title_lines_;
    }
    if (adapts && title_lines_ == 0 && lacks_separator) separator_ = own_separator;
    return;
  }
  const CsvLayout layout = tell_layout(lines, separator_is_known_ ? separator_ : '\0');
  separator_ = layout.separator;
  title_lines_ = static_cast<std::int64_t>(layout.title_lines);
  for (std::size_t l = 0; l < layout.title_lines && !table_line().empty(); ++l) skip_line();
}

/// Passes comments and empty lines; the next line of the table, or nothing at the end.
std::string_view CsvRecords::table_line() {
  for (;;) {
    if (!comment_.empty() && pass_comment()) continue;
    std::string_view line = line_at(0);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!without_blanks(line).empty() || begin_ == end_) return line;
    skip_line();
  }
}

bool CsvRecords::is_ready() const {
  return kept_read_ < kept_.size() || ended_ ||
         find_byte(buffer_.data() + begin_, buffer_.data() + end_, '\n') != nullptr || source_->is_ready();
}

std::vector<std::string_view> CsvRecords::comment_cells() {
  std::vector<std::string_view> cells;
  split(without_blanks(std::string_view(last_comment_).substr(comment_.size())), cells);
  return cells;
}

void CsvRecords::keep() { keeping_ = true; }

void CsvRecords::rewind() {
  keeping_ = false;
  kept_read_ = 0;
}

/// Appends bytes to the buffer; false at the end of the stream.
bool CsvRecords::fill() {
  if (ended_) return false;
  if (end_ - begin_ > longest_record) {
    throw Error(ErrorCode::format, fmt::format("{}, line {}: longer than {} MiB (a quote that is never closed?)", file_,
                                               next_line_, longest_record >> 20));
  }
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
  const std::size_t count = source_->read(buffer_.data() + end_, buffer_.size() - end_);
  end_ += count;
  ended_ = count == 0;
  return !ended_;
}

/// How many bytes the line at `begin_` has, without the newline that ends it: the first from `size` bytes on.
std::size_t CsvRecords::line_size(std::size_t size) {
  for (;;) {
    const char* from = buffer_.data() + begin_ + size;
    const char* newline = find_byte(from, buffer_.data() + end_, '\n');
    if (newline != nullptr) return size + static_cast<std::size_t>(newline - from);
    size = end_ - begin_;
    if (!fill()) return size;
  }
}

/// The same of the record, which continues after newlines between quotes.
std::size_t CsvRecords::record_size() {
  const std::size_t size = line_size();
  const char* record = buffer_.data() + begin_;
  return find_byte(record, record + size, '"') == nullptr ? size : quoted_record_size();
}

/// The same for a record with quotes, between which newlines are part of a cell. A quote opens a cell if only blanks
/// are between it and the cell's beginning.
std::size_t CsvRecords::quoted_record_size() {
  std::size_t size = 0, newline = line_size();
  for (;;) {
    const char* record = buffer_.data() + begin_;
    const char* const quote = find_byte(record + size, record + newline, '"');
    if (quote == nullptr) return newline;
    size = static_cast<std::size_t>(quote - record) + 1;
    const char* before = quote;
    while (before != record && (before[-1] == ' ' || before[-1] == '\t') && !separates(before[-1])) --before;
    if (before != record && !separates(before[-1])) continue;
    for (bool is_doubled = true; is_doubled; size += is_doubled) {
      size = closing_quote(size) + 1;
      is_doubled = (begin_ + size < end_ || fill()) && buffer_[begin_ + size] == '"';
    }
    if (size > newline) newline = line_size(size);
  }
}

/// Where the quote is, from `size` bytes after `begin_` on, that ends the cell.
std::size_t CsvRecords::closing_quote(std::size_t size) {
  for (;;) {
    const char* const record = buffer_.data() + begin_;
    const char* const quote = find_byte(record + size, buffer_.data() + end_, '"');
    if (quote != nullptr) return static_cast<std::size_t>(quote - record);
    size = end_ - begin_;
    if (fill()) continue;
    throw Error(ErrorCode::format, fmt::format("{}, line {}: a quote in this row is never closed", file_, next_line_));
  }
}

/// Skips a comment line, with any quotes in it; false if there is none.
bool CsvRecords::pass_comment() {
  while (end_ - begin_ < comment_.size() && fill()) {
  }
  if (!std::string_view(buffer_.data() + begin_, end_ - begin_).starts_with(comment_)) return false;
  const std::size_t size = line_size();
  const std::string_view line(buffer_.data() + begin_, size);
  last_comment_ = line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
  skip_line();
  return true;
}

/// The next one, from those that are kept or else from the buffer. Sets its line.
bool CsvRecords::next_record(std::string_view& record) {
  if (kept_read_ < kept_.size()) {
    if (keeping_) {
      record = kept_[kept_read_].record;
      line_ = kept_[kept_read_++].line;
      return true;
    }
    current_ = std::move(kept_.front());
    kept_.pop_front();
    kept_bytes_ -= current_.record.size();
    record = current_.record;
    line_ = current_.line;
    return true;
  }
  if (begin_ == end_ && !fill()) return false;
  while (!comment_.empty() && pass_comment()) {
    if (begin_ == end_ && !fill()) return false;
  }
  const std::size_t size = record_size();
  line_ = next_line_;
  record = std::string_view(buffer_.data() + begin_, size);
  begin_ = std::min(begin_ + size + 1, end_);
  next_line_ += 1 + std::count(record.begin(), record.end(), '\n');
  if (record.ends_with('\r')) record.remove_suffix(1);
  if (std::memchr(record.data(), 0, record.size()) != nullptr) {
    throw Error(ErrorCode::format,
                fmt::format("{}, line {}: holds a NUL byte, expected text (is the file binary?)", file_, line_));
  }
  if (keeping_ && !is_empty(record)) {
    kept_.push_back({std::string(record), line_});
    kept_read_ = kept_.size();
    kept_bytes_ += record.size();
  }
  return true;
}

bool CsvRecords::next(std::vector<std::string_view>& cells) {
  std::string_view record;
  if (!next_record(record)) return false;
  split(record, cells);
  return true;
}

void CsvRecords::split(std::string_view record, std::vector<std::string_view>& cells) {
  cells.clear();
  places_.clear();
  unescaped_.clear();
  text_ = record;
  if (is_empty(record)) return;
  if (separator_ == ' ') record = text_ = without_blanks(record);
  const char* position = record.data();
  const auto keep_place = [&](const char* first, const char* last) {
    if (!keeps_places_) return;
    while (last > first && is_blank(*(last - 1))) --last;
    places_.emplace_back(first - text_.data(), last - text_.data());
  };
  const char* const end = position + record.size();
  for (;;) {
    const char* start = position;
    while (start != end && is_blank(*start)) ++start;
    if (start != end && *start == '"') {
      position = split_quoted(start + 1, end, cells);
    } else {
      position = start;
      while (position != end && !separates(*position)) ++position;
      cells.push_back(without_blanks({start, static_cast<std::size_t>(position - start)}));
    }
    keep_place(start, position);
    if (cells.size() > largest_column_count) {
      throw Error(ErrorCode::format,
                  fmt::format("{}, line {}: has more than {} cells", file_, line_, largest_column_count));
    }
    if (position == end) return;
    ++position;  // the separator; of a run of blanks the rest is dropped in front of the next cell
  }
}

/// Takes the quoted cell whose text begins at `position`; returns the end of the cell: a separator or the record's end.
const char* CsvRecords::split_quoted(const char* position, const char* end, std::vector<std::string_view>& cells) {
  const char* text = position;
  std::string* unescaped = nullptr;
  const char* quote = nullptr;
  for (;;) {
    quote = find_byte(position, end, '"');
    if (quote == nullptr) {  // only a carriage return between the quote and the end can have hidden it
      throw Error(ErrorCode::format, fmt::format("{}, line {}: a quote in this row is never closed", file_, line_));
    }
    if (quote + 1 == end || quote[1] != '"') break;
    if (unescaped == nullptr) unescaped = &unescaped_.emplace_back();
    unescaped->append(text, quote + 1);  // with one of the two quotes
    text = position = quote + 2;
  }
  if (unescaped != nullptr) unescaped->append(text, quote);
  cells.push_back(unescaped != nullptr ? std::string_view(*unescaped)
                                       : std::string_view(text, static_cast<std::size_t>(quote - text)));
  const char* after = quote + 1;
  while (after != end && is_blank(*after) && separator_ != ' ') ++after;
  if (after != end && !separates(*after)) {
    throw Error(ErrorCode::format, fmt::format("{}, line {}: found '{}' after a closing quote, expected a {}", file_,
                                               line_, one_line({after, 1}), separator_name(separator_)));
  }
  return after;
}

}  // namespace cugad
