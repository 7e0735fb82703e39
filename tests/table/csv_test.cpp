#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "table_files.hpp"

namespace cugad {
namespace {

using CsvTest = TableFiles;
using Texts = std::vector<std::string>;
using Numbers = std::vector<double>;

std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (const Column& column : table.columns) names.push_back(column.name);
  return names;
}

TEST_F(CsvTest, ReadsNumbersAndTexts) {
  const Table table = read("a.csv", "load,service,bytes\n0.5,http,1e3\n-2,ftp,+7\n.25,http,-1.5E-2\n");
  EXPECT_EQ(table.rows, 3);
  EXPECT_EQ(table.first_row, 0);
  EXPECT_EQ(names_of(table), (Texts{"load", "service", "bytes"}));
  EXPECT_EQ(table.columns[0].numbers, (Numbers{0.5, -2, 0.25}));
  EXPECT_TRUE(table.columns[1].is_text);
  EXPECT_EQ(table.columns[1].texts, (Texts{"http", "ftp", "http"}));
  EXPECT_EQ(table.columns[2].numbers, (Numbers{1000, 7, -0.015}));
}

/// Each cell's place in its row, with quotes and without the blanks around it.
TEST_F(CsvTest, KeepsTheTextOfRows) {
  const auto cells = [](const Table& table) {
    std::vector<Texts> rows;
    for (const WrittenRow& row : table.written) {
      rows.emplace_back();
      for (const auto& [begin, end] : row.cells) rows.back().push_back(row.text.substr(begin, end - begin));
    }
    return rows;
  };
  ReadOptions options;
  options.keep_text = true;
  const std::string text = "a,b\r\n 1e0 ,\"x, \"\"y\"\"\"  \r\n\r\n,  \r\n2,\"z\nz\",\r\n";
  const Table table = read("a.csv", text, options);
  ASSERT_EQ(table.written.size(), 3u);
  EXPECT_EQ(table.written[0].text, " 1e0 ,\"x, \"\"y\"\"\"");
  EXPECT_EQ(table.written[2].text, "2,\"z\nz\"") << "without the separator behind the last cell";
  EXPECT_EQ(cells(table), (std::vector<Texts>{{"1e0", "\"x, \"\"y\"\"\""}, {"", ""}, {"2", "\"z\nz\""}}));
  EXPECT_TRUE(read("a.csv", text).written.empty());
  options.format.separator = ' ';
  EXPECT_EQ(cells(read("b.csv", "a b\n1   x\n  2 y \n", options)), (std::vector<Texts>{{"1", "x"}, {"2", "y"}}));
  EXPECT_EQ(open_table(directory.file("a.csv"))->header(), (Texts{"a", "b"}));
  EXPECT_TRUE(open_table(directory.write("c.csv", "1,2\n3,4\n"))->header().empty());
}

TEST_F(CsvTest, NumbersAreTheNearestDoubles) {
  const Table table = read("a.csv", "x\n0.1\n123456789012345\n1234567890123456789\n1e-400\n4.9e-324\n-0\n00012\n");
  const Numbers expected{0.1, 123456789012345.0, 1234567890123456789.0, 0, 4.9e-324, -0.0, 12};
  EXPECT_EQ(table.columns[0].numbers, expected);
  EXPECT_TRUE(std::signbit(table.columns[0].numbers[5]));
}

TEST_F(CsvTest, QuotesFollowRfc4180) {
  const Table table = read("a.csv",
                           "name,\"a, b\",n\n\"one \"\"two\"\"\",\"line\nbreak\",1\n \"x\" ,\" kept \",\"2\"\n5\" "
                           "disk,\"\",3\n");
  EXPECT_EQ(names_of(table), (Texts{"name", "a, b", "n"}));
  EXPECT_EQ(table.columns[0].texts, (Texts{"one \"two\"", "x", "5\" disk"}));
  EXPECT_EQ(table.columns[1].texts, (Texts{"line\nbreak", " kept ", ""}));
  EXPECT_EQ(table.columns[2].numbers, (Numbers{1, 2, 3}));
}

TEST_F(CsvTest, LineEndsBlanksAndByteOrderMark) {
  const Table expected = read("a.csv", "a,b\n1,x\n2,y\n");
  for (const std::string bytes :
       {"a,b\r\n1,x\r\n2,y\r\n", "a,b\n1,x\n2,y",
        "\xef\xbb\xbf"
        "a,b\n1,x\n2,y\n",
        "a , b\n\t1 ,  x\n2\t,y \n", "\n\na,b\n\n1,x\n\n\n2,y\n\n", "\"a\",\"b\"\r\n\"1\",\"x\"\r\n2,y"}) {
    const Table table = read("b.csv", bytes);
    EXPECT_EQ(names_of(table), names_of(expected)) << bytes;
    EXPECT_EQ(table.columns[0].numbers, expected.columns[0].numbers) << bytes;
    EXPECT_EQ(table.columns[1].texts, expected.columns[1].texts) << bytes;
  }
}

TEST_F(CsvTest, MissingCells) {
  const Table table = read("a.csv", "x,y\n1,a\n,NA\nNA,\nN/A,?\nNaN,null\nnan,b\nnull,nan\n?,N/A\n\" \",\"\"\n");
  EXPECT_EQ(table.rows, 9);
  EXPECT_EQ(table.columns[0].numbers[0], 1);
  for (std::size_t r = 1; r < 9; ++r) EXPECT_TRUE(std::isnan(table.columns[0].numbers[r])) << r;
  EXPECT_EQ(table.columns[1].texts, (Texts{"a", "", "", "", "", "b", "", "", ""}));
}

TEST_F(CsvTest, EveryWordForMissing) {
  for (const char* word :
       {"NA",   "N/A",  "n/a",          "#N/A",    "<NA>",    "#NA",   "NaN",   "nan",    "-nan",
        "-NaN", "null", "NULL",         "None",    "?",       "n.a.",  "N.A.",  "NaT",    "\\N",
        "-",    "--",   "\xe2\x80\x93", "#DIV/0!", "#VALUE!", "#NUM!", "#REF!", "#NAME?", "#NULL!"}) {
    EXPECT_TRUE(std::isnan(read("a.csv", "x\n1\n" + std::string(word) + "\n").columns.at(0).numbers.at(1))) << word;
  }
}

/// Where the first line has no comma, semicolons or tabs separate.
TEST_F(CsvTest, OtherSeparators) {
  const Table expected = read("a.csv", "a,b b,c\n1,\"x;y\",\n2,\"\",4\n");
  for (const std::string bytes : {"a;b b;c\n1;\"x;y\";\n2;;4\n", "a\tb b\tc\n1\tx;y\t\n2\t\t4\n",
                                  "\xef\xbb\xbf\"a\" ; b b;c\r\n1;\"x;y\";\r\n 2 ; ;\"4\"\r\n"}) {
    const Table table = read("b.csv", bytes);
    EXPECT_EQ(names_of(table), names_of(expected)) << bytes;
    ASSERT_EQ(table.columns.size(), 3u) << bytes;
    EXPECT_EQ(table.columns[0].numbers, expected.columns[0].numbers) << bytes;
    EXPECT_EQ(table.columns[1].texts, expected.columns[1].texts) << bytes;
    EXPECT_TRUE(std::isnan(table.columns[2].numbers[0])) << bytes;
    EXPECT_EQ(table.columns[2].numbers[1], 4) << bytes;
  }
  // A line of tabs is a row of missing cells; one of pandas' unnamed index begins with one.
  const Table tabs = read("c.csv", "\ta\n0\t5\n\t\n");
  EXPECT_EQ(names_of(tabs), (Texts{"0", "a"}));
  EXPECT_EQ(tabs.rows, 2);
  // If two separators divide all lines equally, the one between numbers wins; commas inside quotes never count.
  EXPECT_EQ(names_of(read("d.csv", "a;b,c\n1;2,3\n")), (Texts{"a", "b,c"}));
  EXPECT_EQ(names_of(read("e.csv", "\"a,b\";c\n1;2\n")), (Texts{"a,b", "c"}));
  EXPECT_EQ(names_of(read("f.csv", "5\" disk,c\n1,2\n")), (Texts{"5\" disk", "c"}));
  mentions(read_error("g.csv", "a;b\n\"1\"x;2\n"), "line 2: found 'x' after a closing quote, expected a semicolon");
}

TEST_F(CsvTest, HeaderRule) {
  struct Case {
    const char* bytes;
    std::vector<std::string> names;
    std::int64_t rows;
  };
  const Case cases[] = {
      {"a,b\n1,2\n", {"a", "b"}, 1},
      {"0,tcp,5\n1,udp,6\n", {"0", "1", "2"}, 2},
      {"1,x,label\n2,y,3\n", {"1", "x", "label"}, 1},  // a text above a number
      {"a,b\nx,y\n", {"a", "b"}, 1},                   // distinct texts
      {"a,a\nx,y\n", {"0", "1"}, 2},                   // the same text twice
      {"?,1\n5,2\n", {"0", "1"}, 2},                   // a missing cell is no text
      {",name\n1,x\n", {"0", "1"}, 2},
      {",size\n1,2\n", {"0", "size"}, 1},
      {"1,2\n", {"0", "1"}, 1},
      {"7\n", {"0"}, 1},
      {"a,b\n", {"a", "b"}, 0},
      {"a,b", {"a", "b"}, 0},
  };
  for (const Case& one : cases) {
    const Table table = read("a.csv", one.bytes);
    EXPECT_EQ(names_of(table), one.names) << one.bytes;
    EXPECT_EQ(table.rows, one.rows) << one.bytes;
  }
}

/// Inference from the rows below: texts that repeat themselves, numbers with decimals.
TEST_F(CsvTest, HeaderIsToldByManyRows) {
  const auto repeated = [](const std::string& first, const std::vector<std::string>& rows) {
    std::string bytes = first;
    for (int r = 0; r < 30; ++r) bytes += rows[static_cast<std::size_t>(r) % rows.size()];
    return bytes;
  };
  struct Case {
    std::string bytes;
    bool is_header;
    bool has_note;
  };
  const std::vector<Case> cases = {
      {repeated("country,2019,2020\n", {"Paris,20.5,1.5\n", "Nice,21.5,2.5\n"}), true, false},
      {repeated("2019,2020,2021\n", {"20.00,1013.9,47.9\n", "19.5,1011.1,45.1\n"}), true, true},
      {repeated(",city,state\n", {"7,Lyon,ok\n", "8,Nice,ok\n", "9,Nice,warn\n"}), true, false},
      {repeated("label,1,2\n", {"normal,20.5,3.5\n"}), true, false},
      {repeated("0,1,2,3\n", {"5,3,9,1\n", "6,4,8,7\n"}), true, true},
      {repeated("Lyon,ok\n", {"Lyon,ok\n", "Nice,ok\n", "Paris,warn\n"}), false, false},
      {repeated("Lyon,ok\n", {"Nice,ok\n", "Paris,warn\n"}), false, false},
      {repeated("20,5;7\n", {"20,5;7\n", "19,25;8\n"}), false, false},
      {repeated("5,3,9\n", {"6,4,8\n"}), false, false},
      {"a,b\nx,y\n", true, true},
  };
  for (const Case& one : cases) {
    const auto reader = open_table(directory.write("a.csv", one.bytes));
    EXPECT_EQ(reader->format().header, one.is_header ? TableFormat::Header::yes : TableFormat::Header::no) << one.bytes;
    EXPECT_EQ(reader->notes().size(), one.has_note ? 1u : 0u) << one.bytes;
    Table chunk;
    reader->read(chunk, 100);
    EXPECT_EQ(chunk.named, one.is_header) << one.bytes;
  }
  // The user's choice wins.
  ReadOptions options;
  options.format.header = TableFormat::Header::no;
  EXPECT_EQ(read("b.csv", "a,b\n1,2\n", options).rows, 2);
  options.format.header = TableFormat::Header::yes;
  EXPECT_EQ(names_of(read("b.csv", "7,5\n1,2\n", options)), (Texts{"7", "5"}));
}

TEST_F(CsvTest, HeaderOnlyGivesNamedColumnsWithoutRows) {
  const auto reader = open_table(directory.write("a.csv", "a,b\n"));
  Table chunk;
  EXPECT_FALSE(reader->read(chunk, 10));
  EXPECT_EQ(chunk.rows, 0);
  EXPECT_EQ(names_of(chunk), (Texts{"a", "b"}));
  EXPECT_FALSE(reader->read(chunk, 10));
}

TEST_F(CsvTest, ColumnWithoutAnyNumberIsNumericWhenAllIsMissing) {
  const Table table = read("a.csv", "a,b\n1,\n2,NA\n");
  EXPECT_FALSE(table.columns[1].is_text);
  EXPECT_TRUE(std::isnan(table.columns[1].numbers[1]));
}

TEST_F(CsvTest, TextColumnsByNameAndPosition) {
  ReadOptions options;
  options.text_columns = {"b", "-1"};
  const Table table = read("a.csv", "a,b,c\n1,2,03\n4,5,6.0\n", options);
  EXPECT_FALSE(table.columns[0].is_text);
  EXPECT_EQ(table.columns[1].texts, (Texts{"2", "5"}));
  EXPECT_EQ(table.columns[2].texts, (Texts{"03", "6.0"}));
}

TEST_F(CsvTest, UnknownTextColumnNamesTheNearest) {
  ReadOptions options;
  options.text_columns = {"servcie"};
  const Error error = read_error("a.csv", "load,service\n1,x\n", options);
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  mentions(error, "'servcie'");
  mentions(error, "'service'");
  mentions(error, "a.csv");
}

TEST_F(CsvTest, TextIsInferredFromAThousandRows) {
  std::string bytes = "x,y\n";
  for (int i = 0; i < 999; ++i) bytes += "1,1\n";
  EXPECT_TRUE(read("a.csv", bytes + "word,1\n").columns[0].is_text);
  const Error error = read_error("a.csv", bytes + "1,1\nword,1\n");
  EXPECT_EQ(error.code(), ErrorCode::format);
  mentions(error, "line 1002");
  mentions(error, "column 'x'");
  mentions(error, "'word'");
}

TEST_F(CsvTest, WithoutInferenceTextIsAnError) {
  ReadOptions options;
  options.infer_text = false;
  options.text_columns = {"b"};
  EXPECT_EQ(read("a.csv", "a,b\n1,x\n", options).columns[1].texts, (Texts{"x"}));
  const Error error = read_error("a.csv", "a,b\n1,x\n2,x\nred,y\n", options);
  EXPECT_EQ(error.code(), ErrorCode::format);
  mentions(error, "a.csv, line 4, column 'a': found 'red'");
}

TEST_F(CsvTest, InfiniteNumbersAreErrors) {
  for (const std::string cell : {"inf", "-inf", "INFINITY", "+Inf", "1e999", "-1e400"}) {
    const Error error = read_error("a.csv", "a,b\n1,2\n3," + cell + "\n");
    EXPECT_EQ(error.code(), ErrorCode::format) << cell;
    mentions(error, "line 3, column 'b'");
    mentions(error, "'" + cell + "'");
  }
}

TEST_F(CsvTest, WhatIsNoNumberIsText) {
  for (const std::string cell : {"1.2.3", "1e", "--1", "+-1", ".", "1 2", "0x10", "1_000", "12a", "e5", "infinite"}) {
    const Table table = read("a.csv", "a,b\n1,2\n" + cell + ",3\n");
    ASSERT_TRUE(table.columns[0].is_text) << cell;
    EXPECT_EQ(table.columns[0].texts[1], cell);
  }
}

TEST_F(CsvTest, RaggedRowsNameTheLine) {
  const Error fewer = read_error("a.csv", "a,b,c\n1,2,3\n\n4,5\n");
  EXPECT_EQ(fewer.code(), ErrorCode::format);
  mentions(fewer, "a.csv, line 4: found 2 cells, expected 3");
  mentions(read_error("a.csv", "a,b\n1,2\n1,2,3\n"), "line 3: found 3 cells, expected 2");
  // Newlines inside quotes count as lines.
  mentions(read_error("a.csv", "a,b\n\"x\ny\",2\n1\n"), "line 4: found 1 cells");
}

TEST_F(CsvTest, DamagedText) {
  mentions(read_error("a.csv", "a,b\n1,\"x\n2,y\n"), "line 2: a quote in this row is never closed");
  mentions(read_error("a.csv", "a,b\n1,\"x\"y\n"), "line 2: found 'y' after a closing quote");
  mentions(read_error("a.csv", "a,b\n" + std::string(100, '1') + ",2\n3," + std::string(1, '\0') + "4\n"),
           "line 3: holds a NUL byte");
  mentions(read_error("a.csv", "a,b\r1,2\r"), "carriage return");
  mentions(read_error("a.csv",
                      "\xff\xfe"
                      "a\0,\0b\0"),
           "UTF-16");
  EXPECT_EQ(read_error("a.csv", "a,b\n1,\"").code(), ErrorCode::format);
}

TEST_F(CsvTest, MessagesStayOnOneShortLine) {
  const Error error = read_error("a.csv", "a,b\n1,2\n3,\"inf\"\n\"x\ny\",4\n");
  EXPECT_EQ(error.code(), ErrorCode::format);
  ReadOptions options;
  options.infer_text = false;
  const Error long_cell = read_error("a.csv", "a,b\n1,2\n3,\"line\nbreak" + std::string(10000, 'x') + "\"\n", options);
  EXPECT_LT(std::string(long_cell.what()).size(), 400u);
}

TEST_F(CsvTest, EmptyFiles) {
  for (const std::string bytes : {"", "\n", "\n\r\n  \n", "\xef\xbb\xbf"}) {
    const Error error = read_error("a.csv", bytes);
    EXPECT_EQ(error.code(), ErrorCode::format);
    mentions(error, "is empty");
  }
  EXPECT_EQ(read_error("a.csv.gz", gzipped("")).code(), ErrorCode::format);
}

TEST_F(CsvTest, MissingFilesAndDirectories) {
  const Error missing = error_of([&] { read_table(directory.file("none.csv")); });
  EXPECT_EQ(missing.code(), ErrorCode::input_output);
  mentions(missing, "none.csv");
  const Error folder = error_of([&] { read_table(directory.path()); });
  EXPECT_EQ(folder.code(), ErrorCode::input_output);
  mentions(folder, "is a directory");
}

TEST_F(CsvTest, GzipIsRecognisedByContent) {
  const std::string bytes = "a,b\n1,x\n2,y\n";
  for (const std::string name : {"a.csv.gz", "a.csv", "a.data", "a.gz"}) {
    EXPECT_EQ(read(name, gzipped(bytes)).columns[1].texts, (Texts{"x", "y"})) << name;
  }
  // Members one after another are one text.
  EXPECT_EQ(read("a.csv.gz", gzipped("a,b\n1,x\n") + gzipped("2,y\n")).rows, 2);
}

TEST_F(CsvTest, DamagedGzip) {
  std::string bytes = "a,b\n";
  for (int i = 0; i < 2000; ++i) bytes += std::to_string(i * 7919) + ",x\n";
  const std::string packed = gzipped(bytes);
  for (const std::size_t size :
       {std::size_t{2}, std::size_t{5}, std::size_t{11}, packed.size() / 2, packed.size() - 1}) {
    const Error error = read_error("a.csv.gz", packed.substr(0, size));
    EXPECT_EQ(error.code(), ErrorCode::format) << size;
    mentions(error, "a.csv.gz: the gzip data ends too early");
  }
  EXPECT_EQ(read_error("a.csv.gz", packed + "tail").code(), ErrorCode::format);
  std::string wrong_sum = packed;
  wrong_sum[wrong_sum.size() - 6] ^= 1;
  mentions(read_error("a.csv.gz", wrong_sum), "damaged gzip data");
}

TEST_F(CsvTest, UnknownKindsAreNamed) {
  mentions(read_error("a.parquet", std::string("PAR1\x15\x00\x15\x00", 8)), "expected csv, npy, npz or idx");
  mentions(read_error("a.npy", "a,b\n1,2\n"), "holds no npy table");
  mentions(read_error("a.npz", "a,b\n1,2\n"), "holds no npz table");
  mentions(read_error("images-idx3-ubyte", "a,b\n1,2\n"), "holds no idx table");
  mentions(read_error("a.csv", std::string("\x7f"
                                           "ELF\0\0",
                                           6)),
           "holds no csv table");
}

TEST_F(CsvTest, ReadsStandardInput) {
  const std::string path = directory.write("a.csv", "a,b\n1,x\n2,y\n");
  std::FILE* file = std::fopen(path.c_str(), "rb");
  ASSERT_NE(file, nullptr);
  const int saved = ::dup(STDIN_FILENO);
  ::dup2(::fileno(file), STDIN_FILENO);
  const Table table = read_table("-");
  ::lseek(STDIN_FILENO, 0, SEEK_SET);
  ReadOptions options;
  options.text_columns = {"c"};
  const Error error = error_of([&] { read_table("-", options); });
  if (saved >= 0) {
    ::dup2(saved, STDIN_FILENO);
    ::close(saved);
  }
  std::fclose(file);
  EXPECT_EQ(table.columns[1].texts, (Texts{"x", "y"}));
  mentions(error, "standard input");
}

TEST_F(CsvTest, ChunksJoinToTheWhole) {
  std::string bytes = "n,t\n";
  for (int i = 0; i < 1000; ++i) bytes += std::to_string(i) + (i % 3 == 0 ? ",\"a,\nb\"\n" : ",plain\n");
  const std::string path = directory.write("a.csv", bytes);
  const Table whole = read_table(path);
  for (const std::int64_t size : {1, 7, 333, 1000, 5000}) {
    const auto reader = open_table(path);
    Table chunk;
    std::int64_t rows = 0;
    while (reader->read(chunk, size)) {
      ASSERT_EQ(chunk.rows, std::min(size, 1000 - rows));
      ASSERT_EQ(chunk.first_row, rows);
      ASSERT_EQ(chunk.columns[0].numbers.size(), static_cast<std::size_t>(chunk.rows));
      for (std::int64_t r = 0; r < chunk.rows; ++r) {
        ASSERT_EQ(chunk.columns[0].numbers[r], whole.columns[0].numbers[rows + r]);
        ASSERT_EQ(chunk.columns[1].texts[r], whole.columns[1].texts[rows + r]);
      }
      rows += chunk.rows;
    }
    EXPECT_EQ(rows, 1000);
    EXPECT_EQ(chunk.rows, 0);
  }
  Table chunk;
  EXPECT_EQ(error_of([&] { open_table(path)->read(chunk, 0); }).code(), ErrorCode::invalid_argument);
}

TEST_F(CsvTest, FindsColumns) {
  const Table table = read("a.csv", "load,7,bytes_in\n1,2,3\n");
  EXPECT_EQ(table.find("load"), 0u);
  EXPECT_EQ(table.find("7"), 1u);  // a name goes before a position
  EXPECT_EQ(table.find("2"), 2u);
  EXPECT_EQ(table.find("-1"), 2u);
  EXPECT_EQ(table.find("-3"), 0u);
  mentions(error_of([&] { table.find("bytes_on"); }), "'bytes_in'");
  for (const std::string name : {"3", "-4", "99999999999999999999"}) {
    const Error error = error_of([&] { table.find(name); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    mentions(error, "from -3 to 2");
  }
  EXPECT_EQ(error_of([&] { table.find(""); }).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of([&] { Table().find("x"); }).code(), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace cugad
