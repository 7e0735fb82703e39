#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cugad/table.hpp"
#include "host/table/byte_source.hpp"
#include "host/text/cell.hpp"

namespace cugad {

/// Splits a stream of bytes into csv records and cells. Holds one record and a buffer, never the whole file.
class CsvRecords {
 public:
  /// Fields that `options.format` leaves open are inferred from the first lines; from the first alone if the columns'
  /// kinds are known, so that a stream need not wait for more. Comments and title lines are skipped.
  CsvRecords(std::unique_ptr<ByteSource> source, std::string file, const ReadOptions& options);

  /// The cells of the next record: quotes resolved, blanks around unquoted cells dropped; none for an empty line. The
  /// views are valid until the next call. False at the end.
  bool next(std::vector<std::string_view>& cells);
  /// The record of the cells that `next` gave, valid as long as they are; and where each begins and ends in it, with
  /// its quotes, if options.keep_text.
  std::string_view text() const { return text_; }
  const std::vector<std::pair<std::size_t, std::size_t>>& places() const { return places_; }
  /// Whether `next` would answer without waiting for a writer.
  bool is_ready() const;
  char separator() const { return separator_; }
  const std::string& comment() const { return comment_; }
  /// The latest comment line; empty if there was none.
  const std::string& last_comment() const { return last_comment_; }
  /// The cells of the latest comment line, without its mark; valid until the next call.
  std::vector<std::string_view> comment_cells();
  std::int64_t title_lines() const { return title_lines_; }
  /// The line, from 1, on which the record that `next` gave begins.
  std::int64_t line() const { return line_; }

  /// From here on all records but empty lines are kept, until `rewind` returns to this position.
  void keep();
  void rewind();
  std::size_t kept_bytes() const { return kept_bytes_; }

 private:
  /// A record that was read and will be once more: its bytes and its line.
  struct BufferedRecord {
    std::string record;
    std::int64_t line;
  };
  bool next_record(std::string_view& record);
  bool fill();
  std::string_view line_at(std::size_t position);
  std::string_view table_line();
  void skip_marks();
  void find_layout(const ReadOptions& options);
  void skip_line();
  bool is_blank(char letter) const { return letter == ' ' || (letter == '\t' && separator_ != '\t'); }
  bool is_empty(std::string_view record) const { return separator_ != '\t' && without_blanks(record).empty(); }
  bool separates(char letter) const { return letter == separator_ || (separator_ == ' ' && letter == '\t'); }
  std::size_t line_size(std::size_t size = 0);
  std::size_t record_size();
  bool pass_comment();
  std::size_t quoted_record_size();
  std::size_t closing_quote(std::size_t size);
  void split(std::string_view record, std::vector<std::string_view>& cells);
  const char* split_quoted(const char* position, const char* end, std::vector<std::string_view>& cells);

  std::unique_ptr<ByteSource> source_;
  std::string file_;
  std::vector<char> buffer_;
  char separator_ = ',';
  bool separator_is_known_ = false;
  std::string comment_, last_comment_;
  std::int64_t title_lines_ = 0;
  std::size_t begin_ = 0;  ///< begin of the next record in the buffer
  std::size_t end_ = 0;    ///< end of the bytes in the buffer
  bool ended_ = false;
  bool keeping_ = false;
  std::deque<BufferedRecord> kept_;
  std::size_t kept_read_ = 0;  ///< of `kept_`, while keeping; else those read are no longer there
  std::size_t kept_bytes_ = 0;
  BufferedRecord current_;  ///< the last record that came out of `kept_`
  std::int64_t line_ = 0;
  std::int64_t next_line_ = 1;
  bool keeps_places_ = false;
  std::string_view text_;
  std::vector<std::pair<std::size_t, std::size_t>> places_;
  std::deque<std::string> unescaped_;  ///< quoted cells of this record that hold doubled quotes
};

}  // namespace cugad
