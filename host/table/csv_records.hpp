#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/table/byte_source.hpp"
#include "host/table/cell.hpp"

namespace cugad {

/// Splits a stream of bytes into csv records and cells. Holds one record and a buffer, never the whole file. Cells are
/// separated by commas or, where the first line has none outside quotes, by the semicolons or tabs that it has.
class CsvRecords {
 public:
  CsvRecords(std::unique_ptr<ByteSource> source, std::string file);

  /// The cells of the next record: quotes resolved, blanks around unquoted cells dropped; none for an empty line. The
  /// views are valid until the next call. False at the end.
  bool next(std::vector<std::string_view>& cells);
  /// The line, from 1, on which the record that `next` gave begins.
  std::int64_t line() const { return line_; }

  /// From here on all records but empty lines are kept, until `rewind` goes back to this place.
  void keep();
  void rewind();
  std::size_t kept_bytes() const { return kept_bytes_; }

 private:
  /// A record that was read and will be once more: its bytes and its line.
  struct Kept {
    std::string record;
    std::int64_t line;
  };
  bool next_record(std::string_view& record);
  bool fill();
  char first_line_separator();
  bool is_blank(char letter) const { return letter == ' ' || (letter == '\t' && separator_ != '\t'); }
  bool is_empty(std::string_view record) const { return separator_ != '\t' && without_blanks(record).empty(); }
  std::size_t record_size();
  std::size_t quoted_record_size();
  void split(std::string_view record, std::vector<std::string_view>& cells);
  const char* split_quoted(const char* position, const char* end, std::vector<std::string_view>& cells);

  std::unique_ptr<ByteSource> source_;
  std::string file_;
  std::vector<char> buffer_;
  char separator_ = ',';
  std::size_t begin_ = 0;  ///< where the next record begins in the buffer
  std::size_t end_ = 0;    ///< where the bytes in the buffer end
  bool ended_ = false;
  bool keeping_ = false;
  std::deque<Kept> kept_;
  std::size_t kept_read_ = 0;  ///< of `kept_`, while keeping; else those read are no longer there
  std::size_t kept_bytes_ = 0;
  Kept current_;  ///< the last record that came out of `kept_`
  std::int64_t line_ = 0;
  std::int64_t next_line_ = 1;
  std::deque<std::string> unescaped_;  ///< quoted cells of this record that hold doubled quotes
};

}  // namespace cugad
