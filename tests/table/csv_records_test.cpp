#include "host/table/csv_records.hpp"

#include <gtest/gtest.h>

/// What is kept of a stream until it is read again.
namespace cugad {
namespace {

/// A text, then so many empty lines, then the text again.
class SparseLines : public ByteSource {
 public:
  SparseLines(std::string text, std::size_t empty_lines) : text_(std::move(text)), empty_lines_(empty_lines) {}
  std::size_t read(char* buffer, std::size_t size) override {
    std::size_t done = 0;
    for (; done < size && at_ < 2 * text_.size() + empty_lines_; ++done, ++at_) {
      const bool is_first = at_ < text_.size(), is_empty = !is_first && at_ < text_.size() + empty_lines_;
      buffer[done] = is_empty ? '\n' : text_[is_first ? at_ : at_ - text_.size() - empty_lines_];
    }
    return done;
  }

 private:
  std::string text_;
  std::size_t empty_lines_, at_ = 0;
};

CsvRecords records_of(const std::string& text, std::size_t empty_lines) {
  return {std::make_unique<SparseLines>(text, empty_lines), "t.csv", ReadOptions{}};
}

TEST(CsvRecords, EmptyLinesAreNotKept) {
  constexpr std::size_t empty_lines = std::size_t{16} << 20;
  CsvRecords records = records_of("a,b\n1,\"x\ny\"\n", empty_lines);
  using Rows = std::vector<std::pair<std::int64_t, std::string>>;
  const auto rest = [&] {
    Rows rows;
    std::vector<std::string_view> cells;
    while (records.next(cells)) {
      if (!cells.empty()) rows.emplace_back(records.line(), std::string(cells[0]) + "|" + std::string(cells[1]));
    }
    return rows;
  };
  records.keep();
  const Rows first = rest();
  EXPECT_LT(records.kept_bytes(), 100u);
  records.rewind();
  EXPECT_EQ(rest(), first);
  const auto behind = static_cast<std::int64_t>(empty_lines);
  EXPECT_EQ(first, (Rows{{1, "a|b"}, {2, "1|x\ny"}, {4 + behind, "a|b"}, {5 + behind, "1|x\ny"}}));
}

TEST(CsvRecords, KeepingMayBeginAmongRecordsThatAreKept) {
  CsvRecords records = records_of("1,1\n2,2\n3,3\n", 0);
  const auto next = [&](int count) {
    std::string read;
    std::vector<std::string_view> cells;
    for (int i = 0; i < count; ++i) read += records.next(cells) ? std::string(cells[0]) : ".";
    return read;
  };
  records.keep();
  EXPECT_EQ(next(3), "123");
  records.rewind();
  EXPECT_EQ(next(1), "1");
  records.keep();
  EXPECT_EQ(next(3), "231");
  records.rewind();
  EXPECT_EQ(next(6), "23123.");
  EXPECT_EQ(records.kept_bytes(), 0u);
}

/// A text in pieces of so many bytes.
class Pieces : public ByteSource {
 public:
  Pieces(std::string text, std::size_t most) : text_(std::move(text)), most_(most) {}
  std::size_t read(char* buffer, std::size_t size) override {
    const std::size_t count = text_.copy(buffer, std::min(size, most_), at_);
    at_ += count;
    return count;
  }

 private:
  std::string text_;
  std::size_t most_, at_ = 0;
};

/// Quotes inside unquoted cells are letters, those behind blanks open cells; a stream may pause anywhere.
TEST(CsvRecords, QuotesOpenCellsAtTheirBeginningOnly) {
  const std::string text = "1,2\na\"b, \"c, \"\"d\"\"\n, e\" ,f\" \"g\n\"x\"\" \",\t\"y\n\n\"\"\"\n\"\",\"\"\"\"";
  using Row = std::pair<std::int64_t, std::vector<std::string>>;
  const std::vector<Row> expected = {
      {1, {"1", "2"}}, {2, {"a\"b", "c, \"d\"\n, e", "f\" \"g"}}, {4, {"x\" ", "y\n\n\""}}, {7, {"", "\""}}};
  ReadOptions options;
  options.format.separator = ',';
  options.numeric_columns.emplace();
  for (std::size_t most = 1; most <= text.size(); ++most) {
    CsvRecords records(std::make_unique<Pieces>(text, most), "t.csv", options);
    std::vector<Row> rows;
    std::vector<std::string_view> cells;
    while (records.next(cells)) rows.push_back({records.line(), {cells.begin(), cells.end()}});
    EXPECT_EQ(rows, expected) << most;
  }
}

}  // namespace
}  // namespace cugad
