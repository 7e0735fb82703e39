#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "host/table/date_time.hpp"
#include "table_files.hpp"

/// Tables as people and programs write them: inferred formats, and given ones.
namespace cugad {
namespace {

using FormatTest = TableFiles;
using Numbers = std::vector<double>;

TEST_F(FormatTest, NumbersInOtherWaysOfWriting) {
  struct Case {
    std::string cells;  ///< of a file separated by semicolons, one a line
    Numbers numbers;
  };
  const std::vector<Case> cases = {
      {"20,5\n-3,25\n7\n", {20.5, -3.25, 7}},
      {"1.234,5\n0,5\n12.345.678,25\n", {1234.5, 0.5, 12345678.25}},
      {"1,234.5\n7\n1,000\n", {1234.5, 7, 1000}},
      {"1,234,567\n1,000\n", {1234567, 1000}},
      {"1 234\n12\n1 234 567\n", {1234, 12, 1234567}},
      {"1\xc2\xa0"
       "234,5\n7,25\n",
       {1234.5, 7.25}},
      {"1'234.5\n7\n", {1234.5, 7}},
      {"12%\n-3.5%\n", {12, -3.5}},
      {"12,5 %\n3,25 %\n", {12.5, 3.25}},
      {"$5\n-$7.50\n$1,200.25\n", {5, -7.5, 1200.25}},
      {"\xe2\x82\xac 5,50\n\xe2\x82\xac 7,25\n", {5.5, 7.25}},
      {"20 kg\n21.5 kg\n", {20, 21.5}},
      {"20\xc2\xb0"
       "C\n21\xc2\xb0"
       "C\n",
       {20, 21}},
      {"\xe2\x88\x92"
       "5\n3\n",
       {-5, 3}},
      {"0,123\n0,5\n", {0.123, 0.5}},
      {"1e5\n2e-3\n", {1e5, 2e-3}},
  };
  for (const Case& one : cases) {
    std::string bytes = "id;x\n";
    for (std::size_t at = 0; at < one.cells.size();) {
      const std::size_t end = one.cells.find('\n', at);
      bytes += "a;" + one.cells.substr(at, end - at) + '\n';
      at = end + 1;
    }
    const Table table = read("a.csv", bytes);
    ASSERT_FALSE(table.columns[1].is_text) << one.cells;
    EXPECT_EQ(table.columns[1].numbers, one.numbers) << one.cells;
  }
}

TEST_F(FormatTest, WhatIsNoNumberStaysText) {
  for (const std::string cells :
       {"5 kg;7 g", "node 7;node 8", "2024-01-01;2024-01-02", "10:30;11:45", "1.2.3;1.2.4", "20,5;20.5",
        "192.168.0.1;192.168.0.2", "1 2;3 4", "12/24;13/24", "5-7;8-9", "412be5b;412be5b", "1234,5678,9;1,2"}) {
    const std::size_t middle = cells.find(';');
    const Table table = read("a.csv", "x|y\n" + cells.substr(0, middle) + "|a\n" + cells.substr(middle + 1) + "|a\n");
    EXPECT_TRUE(table.columns[0].is_text) << cells;
  }
}

/// 1,234 alone may be a thousand or a little more than one.
TEST_F(FormatTest, AmbiguousNumbersAreAskedAbout) {
  const std::string bytes = "id;x\na;1,234\na;5,678\n";
  const Error error = read_error("a.csv", bytes);
  EXPECT_EQ(error.code(), ErrorCode::format);
  mentions(error, "column 'x': '1,234'");
  mentions(error, "--decimal");
  ReadOptions options;
  options.format.decimal = ',';
  EXPECT_EQ(read("a.csv", bytes, options).columns[1].numbers, (Numbers{1.234, 5.678}));
  options.format.decimal = '.';
  EXPECT_EQ(read("a.csv", bytes, options).columns[1].numbers, (Numbers{1234, 5678}));
  // Another column settles it.
  EXPECT_EQ(read("a.csv", "y;x\n0,5;1,234\n0,25;5,678\n").columns[1].numbers, (Numbers{1.234, 5.678}));
  EXPECT_EQ(read("a.csv", "y;x\n0.5;1,234\n0.25;5,678\n").columns[1].numbers, (Numbers{1234, 5678}));
  mentions(read_error("a.csv", "y;x\n0,5;1.234\n0,25;5.678\n"), "column 'x': '1.234'");
}

TEST_F(FormatTest, SeparatorsAreTold) {
  for (const std::string bytes :
       {"a,b\n1.5,2\n3,4\n", "a;b\n1,5;2\n3;4\n", "a|b\n1.5|2\n3|4\n", "a\tb\n1.5\t2\n3\t4\n", "a b\n1.5 2\n3 4\n",
        "  a   b\n 1.5   2\n   3   4\n", "sep=;\na;b\n1.5;2\n3;4\n", "sep=;\r\na;b\r\n1.5;2\r\n3;4\r\n"}) {
    const Table table = read("a.csv", bytes);
    ASSERT_EQ(table.columns.size(), 2u) << bytes;
    EXPECT_EQ(table.columns[0].name, "a") << bytes;
    EXPECT_EQ(table.columns[0].numbers, (Numbers{1.5, 3})) << bytes;
    EXPECT_EQ(table.columns[1].numbers, (Numbers{2, 4})) << bytes;
  }
  // Without a header, decimal commas in the first line.
  const Table table = read("b.csv", "20,00;1013,9;47,9\n20,60;1015,0;45,4\n");
  EXPECT_EQ(table.rows, 2);
  EXPECT_EQ(table.columns.size(), 3u);
  // Words with blanks between them are one cell.
  EXPECT_EQ(read("c.csv", "city\nNew York\nLos Angeles\n").columns.size(), 1u);
  ReadOptions options;
  options.format.separator = '!';
  EXPECT_EQ(read("d.csv", "a!b\n1!2\n", options).columns.size(), 2u);
}

TEST_F(FormatTest, LinesInFrontOfTheTable) {
  for (const std::string front :
       {"# station 12\n", "# station 12, raw\n#\n", "#\n\n", "station 12\n", "station 12\n\nraw\n"}) {
    const auto reader = open_table(directory.write("a.csv", front + "x,y\n1,2\n3,4\n5,6\n"));
    Table table;
    reader->read(table, 100);
    EXPECT_EQ(table.rows, 3) << front;
    EXPECT_EQ(table.columns[0].name, "x") << front;
    // Read in the given format without reading further than needed, as when scoring.
    ReadOptions options;
    options.format = reader->format();
    options.numeric_columns = {"x", "y"};
    EXPECT_EQ(read("a.csv", front + "x,y\n1,2\n3,4\n5,6\n", options).rows, 3) << front;
  }
  const auto reader = open_table(directory.write("b.csv", "# x, y\n1.5,2\n3,4\n"));
  EXPECT_EQ(reader->column_names(), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(reader->format().header, TableFormat::Header::comment);
  ReadOptions options;
  options.format = reader->format();
  EXPECT_EQ(read("b.csv", "# x, y\n1,2\n", options).rows, 1);
  options.format = {.comment = "%"};
  EXPECT_EQ(read("c.csv", "x,y\n1,2\n% a \"remark\n3,4\n", options).rows, 2);
}

TEST_F(FormatTest, RepeatedHeadersAndEmptyCellsBehind) {
  const auto reader = open_table(directory.write("a.csv", "x,y\n1,2\n3,4\nx,y\n5,6\n"));
  Table table;
  reader->read(table, 100);
  EXPECT_EQ(table.columns[0].numbers, (Numbers{1, 3, 5}));
  EXPECT_EQ(reader->notes().size(), 1u);
  EXPECT_EQ(read("b.csv", "x,y\n1,2,\n3,4,\n").columns[1].numbers, (Numbers{2, 4}));
  EXPECT_EQ(read("c.csv", "x,y,\n1,2,\n3,4,\n").columns[2].name, "2");
}

TEST_F(FormatTest, RepeatedNamesAreNumbered) {
  const auto reader = open_table(directory.write("a.csv", "t,p,t,t.1,t\n1,2,3,4,5\n"));
  EXPECT_EQ(reader->column_names(), (std::vector<std::string>{"t", "p", "t.1", "t.1.1", "t.2"}));
  ASSERT_FALSE(reader->notes().empty());
  EXPECT_NE(reader->notes()[0].find("position 2"), std::string::npos) << reader->notes()[0];
}

TEST_F(FormatTest, WordsForMissingCells) {
  ReadOptions options;
  options.format.missing = {"ERR", "99,9"};
  const Table table = read("a.csv", "x;y\n1;ERR\nERR;b\n99,9;c\n", options);
  ASSERT_FALSE(table.columns[0].is_text);
  EXPECT_TRUE(std::isnan(table.columns[0].numbers[1]));
  EXPECT_TRUE(std::isnan(table.columns[0].numbers[2]));
  EXPECT_EQ(table.columns[1].texts, (std::vector<std::string>{"", "b", "c"}));
  // A dash is a value among texts, and none among numbers.
  const Table dashes = read("b.csv", "x,y\n1,-\n-,a\n");
  EXPECT_TRUE(std::isnan(dashes.columns[0].numbers[1]));
  EXPECT_EQ(dashes.columns[1].texts, (std::vector<std::string>{"-", "a"}));
}

/// A stored format reads later files equally, without guesses.
TEST_F(FormatTest, KeptFormats) {
  const auto reader = open_table(directory.write("a.csv", "x;y;z\n1.000,5;5 kg;1\n0,25;6 kg;2\n"));
  ReadOptions options;
  options.format = TableFormat::from_json(reader->format().to_json());
  EXPECT_EQ(options.format.to_json(), reader->format().to_json());
  options.numeric_columns = {"x", "y"};
  const Table table = read("b.csv", "y;w;x\n7 kg;1;2,000\n", options);
  EXPECT_EQ(table.columns[0].numbers, (Numbers{7}));
  EXPECT_TRUE(table.columns[1].is_text);
  EXPECT_EQ(table.columns[2].numbers, (Numbers{2}));
  const Error point = read_error("b.csv", "x;y\n20.5;7 kg\n", options);
  mentions(point, "line 2, column 'x': found '20.5', expected a finite number with a decimal comma");
  mentions(point, "--decimal");
  mentions(read_error("b.csv", "x;y\n2;7\n", options), "in front of ' kg'");
  EXPECT_EQ(read("b.csv", "20,5;7\n2;7 kg\n", options).rows, 1);  // the first line is the header, with any contents
  for (const std::string json : {"", "null", "{}", R"({"separator":";;"})"}) {
    EXPECT_EQ(error_of([&] { TableFormat::from_json(json); }).code(), ErrorCode::format) << json;
  }
}

TEST_F(FormatTest, RowsThatCannotBeReadAreMarked) {
  ReadOptions options;
  options.mark_errors = true;
  const std::string bytes = "x,y\n1,2\nERR,3\n4\n5,6,7\ninf,1\n8,1e300\n9,10\n";
  options.numeric_columns = {"x", "y"};
  const Table table = read("a.csv", bytes, options);
  ASSERT_EQ(table.rows, 7);
  ASSERT_EQ(table.unreadable.size(), 5u);
  EXPECT_NE(table.unreadable.at(1).find("line 3, column 'x': found 'ERR'"), std::string::npos);
  EXPECT_NE(table.unreadable.at(2).find("line 4: found 1 cells"), std::string::npos);
  for (const auto& [row, reason] : table.unreadable) {
    for (const Column& column : table.columns) EXPECT_TRUE(std::isnan(column.numbers[row])) << reason;
  }
  EXPECT_EQ(table.columns[1].numbers[6], 10);
  const std::string array = npy("<f8", "(2, 2)", array_bytes<double>({1, HUGE_VAL, 3, 4}));
  options.numeric_columns = {"0", "1"};
  const Table numbers = read("a.npy", array, options);
  EXPECT_EQ(numbers.unreadable.size(), 1u);
  EXPECT_TRUE(std::isnan(numbers.columns[0].numbers[0]));
  // As they come: the rows before the bad row are returned before the error.
  options.numeric_columns = {"x", "y"};
  options.mark_errors = false;
  options.as_it_comes = true;
  const auto reader = open_table(directory.write("b.csv", bytes), options);
  Table chunk;
  ASSERT_TRUE(reader->read(chunk, 100));
  EXPECT_EQ(chunk.rows, 1);
  mentions(error_of([&] { reader->read(chunk, 100); }), "line 3");
}

TEST_F(FormatTest, CompressedFilesAreReadAlike) {
  const std::string bytes = "# a\nx;y\n1,5;a\n2;b\n";
  const Table plain = read("a.csv", bytes), packed = read("a.csv.gz", gzipped(bytes));
  EXPECT_EQ(packed.columns[0].numbers, plain.columns[0].numbers);
  EXPECT_EQ(packed.columns[1].texts, plain.columns[1].texts);
}

std::vector<std::string> left_out(const Table& table, const std::vector<std::string>& settled = {}) {
  std::vector<std::string> names;
  for (const ColumnFinding& finding : examine_columns(table, settled)) {
    if (finding.advice == ColumnFinding::Advice::leave_out) names.push_back(finding.column);
  }
  return names;
}

/// The digits of large numbers are no rounding of even steps.
TEST_F(FormatTest, OnlyEvenStepsCountTheRows) {
  std::string bytes = "large,largest,tenths,count,far\n";
  for (int r = 0; r < 40; ++r) {
    const int one = r * 997 % 40;
    bytes += fmt::format("{},{},{:.1f},{},{}\n", 1000000000000000 + one % 7, 9007199254740900 + one % 7, 1e9 + 0.1 * r,
                         9007199254740900 + r, -1000000000000000 - one % 7);
  }
  EXPECT_EQ(left_out(read("a.csv", bytes)), (std::vector<std::string>{"tenths", "count"}));
}

TEST_F(FormatTest, ColumnsThatAreNoFeatures) {
  std::string bytes = ",id,uuid,when,clock,shuffled,time,empty,kind,load\n";
  for (int r = 0; r < 40; ++r) {
    bytes += std::to_string(r) + ',' + std::to_string(7000 + (r * 997) % 40 * 3) + ",u" + std::to_string(r * 7919) +
             ",2024-01-" + std::to_string(10 + r % 20) + " 10:00," + std::to_string(10 + r % 10) + ":15," +
             std::to_string(r * 7 % 40) + ',' + std::to_string(1000 + r * r) + ",," + (r % 2 == 0 ? "a" : "b") + ',' +
             std::to_string(r * 37 % 11) + "\n";
  }
  const Table table = read("a.csv", bytes);
  EXPECT_EQ(left_out(table),
            (std::vector<std::string>{"0", "id", "uuid", "when", "clock", "shuffled", "time", "empty"}));
  EXPECT_EQ(left_out(table, {"id", "0"}),
            (std::vector<std::string>{"uuid", "when", "clock", "shuffled", "time", "empty"}));
  for (const ColumnFinding& finding : examine_columns(table, {})) {
    EXPECT_EQ(finding.text.find("--include") != std::string::npos, finding.column != "empty") << finding.text;
  }
  // Few rows allow no inference.
  EXPECT_TRUE(left_out(read("b.csv", "n,t\n1,a\n2,b\n3,c\n")).empty());
}

TEST_F(FormatTest, NumbersAmongOtherWords) {
  std::string mixed = "x,y\n", codes = "x,y\n", styles = "x,y\n";
  for (int r = 0; r < 60; ++r) {
    mixed += (r % 20 == 7 ? std::string("off") : std::to_string(r % 30) + ".5") + ",1\n";
    codes += (r % 20 == 7 ? std::string("3+") : std::to_string(r % 3)) + ",1\n";
    styles += std::to_string(r) + (r % 2 == 0 ? " kg" : " g") + ",1\n";
  }
  const auto finding = [&](const std::string& bytes) {
    const auto findings = examine_columns(read("a.csv", bytes), {});
    return findings.empty() ? ColumnFinding{} : findings.front();
  };
  EXPECT_EQ(finding(mixed).advice, ColumnFinding::Advice::refuse);
  EXPECT_NE(finding(mixed).text.find("57 of its cells are numbers, 3 are not: 'off'; --missing 'off'"),
            std::string::npos)
      << finding(mixed).text;
  EXPECT_EQ(finding(codes).advice, ColumnFinding::Advice::note);
  EXPECT_EQ(finding(styles).advice, ColumnFinding::Advice::refuse);
}

TEST(DateTime, KnowsDatesAndTimes) {
  for (const char* text : {"2024-05-01", "2024-05-01 13:55", "2024-05-01T13:55:36Z", "2024-05-01T13:55:36.123+02:00",
                           "01.05.2024", "5/1/2024 1:55 PM", "10/Oct/2000:13:55:36 -0700", "2024/5/1", "13:55",
                           "1:55:36.5", "01-Jan-2024", "1 Jan 2024"}) {
    EXPECT_TRUE(is_date_or_time(text)) << text;
  }
  for (const char* text : {"", "2024", "1.2.3", "192.168.0.1", "2024-13-01", "a", "10:", "25-30", "1:2", "2024-05-01x",
                           "12:99", "99/99/2024", "-", "2024-05"}) {
    EXPECT_FALSE(is_date_or_time(text)) << text;
  }
}

}  // namespace
}  // namespace cugad
