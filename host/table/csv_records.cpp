#include "host/table/csv_records.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "cugad/error.hpp"
#include "host/table/cell.hpp"
#include "host/table/column_names.hpp"

namespace cugad {
namespace {

constexpr std::size_t longest_record = std::size_t{64} << 20;
constexpr std::size_t first_buffer = std::size_t{256} << 10;

const char* find_byte(const char* begin, const char* end, char byte) {
  return static_cast<const char*>(std::memchr(begin, byte, static_cast<std::size_t>(end - begin)));
}

}  // namespace

CsvRecords::CsvRecords(std::unique_ptr<ByteSource> source, std::string file)
    : source_(std::move(source)), file_(std::move(file)), buffer_(first_buffer) {
  while (end_ < 3 && fill()) {
  }
  const std::string_view start(buffer_.data(), std::min<std::size_t>(end_, 3));
  if (start == "\xef\xbb\xbf") begin_ = 3;  // the byte order mark of UTF-8, which says nothing
  if (start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff")) {
    throw Error(ErrorCode::format, fmt::format("{}: is UTF-16 text, expected UTF-8", file_));
  }
  separator_ = first_line_separator();
}

/// The separator that the first line with anything in it tells, as far as the first buffer shows it.
char CsvRecords::first_line_separator() {
  std::int64_t semicolons = 0, tabs = 0;
  bool quoted = false;
  char before = '\n';  // the last letter that is no space; a line break until the line has any other
  for (std::size_t size = 0; size < first_buffer; ++size) {
    if (begin_ + size == end_ && !fill()) break;
    const char letter = buffer_[begin_ + size];
    const bool may_open = before == '\n' || before == ';' || before == '\t' || before == '"';
    if (letter == '"' && (quoted || may_open)) quoted = !quoted;
    if (!quoted) {
      if (letter == ',') return ',';
      if (letter == '\n' && before != '\n') break;
      semicolons += letter == ';';
      tabs += letter == '\t';
    }
    if (letter != ' ' && letter != '\r') before = letter;
  }
  if (semicolons == 0 && tabs == 0) return ',';
  return semicolons >= tabs ? ';' : '\t';
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

/// How many bytes the record at `begin_` has, without the newline that ends it.
std::size_t CsvRecords::record_size() {
  std::size_t size = 0;
  for (;;) {
    const char* from = buffer_.data() + begin_ + size;
    const char* newline = find_byte(from, buffer_.data() + end_, '\n');
    if (newline != nullptr) {
      size += static_cast<std::size_t>(newline - from);
      break;
    }
    size = end_ - begin_;
    if (!fill()) break;
  }
  const char* record = buffer_.data() + begin_;
  return find_byte(record, record + size, '"') == nullptr ? size : quoted_record_size();
}

/// The same where the record has quotes, between which newlines are part of a cell.
std::size_t CsvRecords::quoted_record_size() {
  enum class State { cell_start, unquoted, quoted, after_quote } state = State::cell_start;
  for (std::size_t size = 0;; ++size) {
    if (begin_ + size == end_ && !fill()) {
      if (state != State::quoted) return size;
      throw Error(ErrorCode::format,
                  fmt::format("{}, line {}: a quote in this row is never closed", file_, next_line_));
    }
    const char letter = buffer_[begin_ + size];
    if (state == State::quoted) {
      if (letter == '"') state = State::after_quote;
    } else if (letter == '\n') {
      return size;
    } else if (letter == separator_) {
      state = State::cell_start;
    } else if (letter == '"' && state != State::unquoted) {
      state = State::quoted;
    } else if (state != State::cell_start || (letter != ' ' && letter != '\t')) {
      state = State::unquoted;
    }
  }
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
  unescaped_.clear();
  if (is_empty(record)) return;
  const char* position = record.data();
  const char* const end = position + record.size();
  for (;;) {
    const char* start = position;
    while (start != end && is_blank(*start)) ++start;
    if (start != end && *start == '"') {
      position = split_quoted(start + 1, end, cells);
    } else {
      position = start;
      while (position != end && *position != separator_) ++position;
      cells.push_back(without_blanks({start, static_cast<std::size_t>(position - start)}));
    }
    if (cells.size() > largest_column_count) {
      throw Error(ErrorCode::format,
                  fmt::format("{}, line {}: has more than {} cells", file_, line_, largest_column_count));
    }
    if (position == end) return;
    ++position;  // the separator
  }
}

/// Takes the quoted cell whose text begins at `position`; returns where the cell ends: at a separator or the record's
/// end.
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
  while (after != end && is_blank(*after)) ++after;
  if (after != end && *after != separator_) {
    const char* expected = separator_ == ',' ? "comma" : separator_ == ';' ? "semicolon" : "tab";
    throw Error(ErrorCode::format, fmt::format("{}, line {}: found '{}' after a closing quote, expected a {}", file_,
                                               line_, one_line({after, 1}), expected));
  }
  return after;
}

}  // namespace cugad
