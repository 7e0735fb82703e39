#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "table_files.hpp"

namespace cugad {
namespace {

using EncoderTest = TableFiles;
using Texts = std::vector<std::string>;

const char* const traffic = "bytes,service,load,state,label\n10,http,0.5,up,ok\n20,ftp,0.25,up,ok\n,IRC,1,,bad\n";

ReadOptions with_header() {
  ReadOptions options;
  options.format.header = TableFormat::Header::yes;
  return options;
}

TableEncoder fitted(const Table& table, const TableEncoder::Options& options = {}) {
  TableEncoder encoder;
  encoder.fit(table, options);
  return encoder;
}

TEST_F(EncoderTest, NumericColumnsThenCategoriesInAsciiOrder) {
  const Table table = read("a.csv", traffic);
  TableEncoder encoder = fitted(table, {{}, {"label"}});
  EXPECT_EQ(encoder.feature_names(),
            (Texts{"bytes", "load", "service=IRC", "service=ftp", "service=http", "state=up"}));
  EXPECT_EQ(encoder.numeric_features(), 2);
  const Matrix matrix = encoder.encode(table);
  ASSERT_EQ(matrix.rows, 3);
  ASSERT_EQ(matrix.columns, 6);
  EXPECT_EQ((std::vector<float>(matrix.row(0), matrix.row(1))), (std::vector<float>{10, 0.5, 0, 0, 1, 1}));
  EXPECT_EQ((std::vector<float>(matrix.row(1), matrix.row(2))), (std::vector<float>{20, 0.25, 0, 1, 0, 1}));
  // A missing number stays NaN; a missing category is NaN in all of its columns, and not counted as unseen.
  EXPECT_TRUE(std::isnan(matrix.row(2)[0]));
  EXPECT_EQ((std::vector<float>(matrix.row(2) + 1, matrix.row(2) + 5)), (std::vector<float>{1, 1, 0, 0}));
  EXPECT_TRUE(std::isnan(matrix.row(2)[5]));
  EXPECT_TRUE(encoder.unseen().empty());
}

TEST_F(EncoderTest, UnseenCategoriesAreCountedOverChunks) {
  TableEncoder encoder = fitted(read("a.csv", traffic), {{}, {"label"}});
  const Table other = read("b.csv", "state,extra,service,bytes,load\nup,x,smtp,1,2\ndown,y,http,3,4\nup,z,smtp,5,6\n");
  for (std::int64_t pass = 1; pass <= 2; ++pass) {
    const Matrix matrix = encoder.encode(other);
    EXPECT_EQ((std::vector<float>(matrix.row(0), matrix.row(1))), (std::vector<float>{1, 2, 0, 0, 0, 1}));
    EXPECT_EQ((std::vector<float>(matrix.row(1), matrix.row(2))), (std::vector<float>{3, 4, 0, 0, 1, 0}));
    EXPECT_EQ(encoder.unseen(), (std::map<std::string, std::int64_t>{{"service", 2 * pass}, {"state", pass}}));
  }
}

TEST_F(EncoderTest, MissingColumnsAndWrongKindsAreNamed) {
  TableEncoder encoder = fitted(read("a.csv", traffic), {{}, {"label"}});
  const Error missing = error_of([&] { encoder.encode(read("b.csv", "byte,service,load,state\n1,x,2,up\n")); });
  EXPECT_EQ(missing.code(), ErrorCode::invalid_argument);
  mentions(missing, "'bytes'");
  const Error text =
      error_of([&] { encoder.encode(read("b.csv", "bytes,service,load,state\n1,x,2,up\n1,x,high,up\n")); });
  EXPECT_EQ(text.code(), ErrorCode::format);
  mentions(text, "column 'load': found 'high' in row 1");
  const Error large = error_of([&] { encoder.encode(read("b.csv", "bytes,service,load,state\n1e39,x,2,up\n")); });
  EXPECT_EQ(large.code(), ErrorCode::format);
  mentions(large, "b.csv, line 2, column 'bytes'");
  EXPECT_TRUE(encoder.unseen().empty());
}

/// Names and positions never mix.
TEST_F(EncoderTest, ColumnsAreFoundByNameOrByPosition) {
  TableEncoder named = fitted(read("a.csv", "2,1,x\n5.5,6.5,7.5\n8.25,9.5,1.5\n", with_header()), {{}, {"x"}});
  EXPECT_EQ(named.encode(read("b.csv", "1,2\n20.5,10.5\n", with_header())).data, (std::vector<float>{10.5, 20.5}));
  const Error other = error_of([&] { named.encode(read("b.csv", "0,1\n20.5,10.5\n", with_header())); });
  mentions(other, "no column '2'");
  // An array has no names: all columns of the table, or its features.
  EXPECT_EQ(named.encode(read("c.npy", npy("<f8", "(1, 3)", array_bytes<double>({1, 2, 3})))).data,
            (std::vector<float>{1, 2}));
  EXPECT_EQ(named.encode(read("c.npy", npy("<f8", "(1, 2)", array_bytes<double>({1, 2})))).data,
            (std::vector<float>{1, 2}));
  const Error width = error_of([&] {
    named.encode(read("c.npy", npy("<f8", "(1, 4)", array_bytes<double>({1, 2, 3, 4}))));
  });
  EXPECT_EQ(width.code(), ErrorCode::invalid_argument);
  mentions(width, "has 4 columns");
  // Read with the encoder's options, the same columns have the names of the fit.
  const Table array = read("c.npy", npy("<f8", "(1, 2)", array_bytes<double>({1, 2})), named.read_options());
  EXPECT_TRUE(array.named);
  EXPECT_EQ(array.columns[0].name, "2");
  TableEncoder unnamed = fitted(read("d.npy", npy("<f8", "(1, 2)", array_bytes<double>({1, 2}))));
  EXPECT_EQ(unnamed.encode(read("e.csv", "b,a\n3,4\n")).data, (std::vector<float>{3, 4}));
  EXPECT_EQ(error_of([&] { unnamed.encode(read("e.csv", "b,a,c\n3,4,5\n")); }).code(), ErrorCode::invalid_argument);
}

/// Seconds since 1970 lie 128 apart in single precision.
TEST_F(EncoderTest, LargeNumbersKeepTheirDifferences) {
  std::string bytes = "time,load,constant\n";
  for (int r = 0; r < 400; ++r) {
    bytes += std::to_string(1700000000 + 7 * r % 400) + "," + std::to_string(r % 7) + ",1700000001\n";
  }
  const Table table = read("a.csv", bytes);
  TableEncoder encoder = fitted(table);
  const Matrix rows = encoder.encode(table);
  std::set<float> times;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    times.insert(rows.row(r)[0]);
    EXPECT_EQ(rows.row(r)[1], static_cast<float>(r % 7));
    EXPECT_EQ(rows.row(r)[2], 0.0f);
  }
  EXPECT_EQ(times.size(), 400u);
  EXPECT_EQ(encoder.offsets()[1], 0.0);
  TableEncoder again = TableEncoder::from_json(encoder.to_json());
  EXPECT_EQ(again.offsets(), encoder.offsets());
  EXPECT_EQ(again.encode(table).data, rows.data);
}

TEST_F(EncoderTest, NumbersAreCategoriesByTheirShortestText) {
  const Table table = read("a.csv", "a,port,land\n1,80,0\n2,100000,1\n3,0.5,1.0\n");
  TableEncoder encoder = fitted(table, {{"port", "-1"}, {}});
  EXPECT_EQ(encoder.feature_names(), (Texts{"a", "port=0.5", "port=100000", "port=80", "land=0", "land=1"}));
  // The same file read with the encoder's options, with its categories as text, and the same numbers from an array.
  const Matrix expected = encoder.encode(table);
  EXPECT_EQ(encoder.encode(read_table(directory.file("a.csv"), encoder.read_options())).data, expected.data);
  EXPECT_TRUE(encoder.unseen().empty());
  const std::string array = npy("<f8", "(3, 3)", array_bytes<double>({1, 80, 0, 2, 100000, 1, 3, 0.5, 1}));
  TableEncoder unnamed = fitted(read("a.npy", array), {{"1", "2"}, {}});
  EXPECT_EQ(unnamed.encode(read("a.npy", array)).data, expected.data);
  // Without a header a column's name is its position.
  EXPECT_EQ(unnamed.encode(table).data, expected.data);
  EXPECT_TRUE(unnamed.unseen().empty());
}

TEST_F(EncoderTest, TextCategoriesMatchNumbersWrittenOtherwise) {
  ReadOptions options;
  options.text_columns = {"b"};
  TableEncoder encoder = fitted(read("a.csv", "a,b\n1,1.0\n2,2.50\n", options));
  EXPECT_EQ(encoder.feature_names(), (Texts{"a", "b=1.0", "b=2.50"}));
  EXPECT_EQ(encoder.encode(read("b.csv", "a,b\n1,1\n2,2.5\n")).data, (std::vector<float>{1, 1, 0, 2, 0, 1}));
  EXPECT_TRUE(encoder.unseen().empty());
}

TEST_F(EncoderTest, FitRefusesWhatItCannotLearn) {
  const Table table = read("a.csv", traffic);
  const Error unknown = error_of([&] { fitted(table, {{"servce"}, {}}); });
  EXPECT_EQ(unknown.code(), ErrorCode::invalid_argument);
  mentions(unknown, "'service'");
  EXPECT_EQ(error_of([&] { fitted(table, {{}, {"labels"}}); }).code(), ErrorCode::invalid_argument);
  const Error many = error_of([&] { fitted(table, {{}, {}, 2}); });
  EXPECT_EQ(many.code(), ErrorCode::invalid_argument);
  mentions(many, "column 'service' has more than 2 categories");
  EXPECT_EQ(error_of([&] { fitted(table, {{}, {"0", "1", "2", "3", "4"}}); }).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of([&] { fitted(read("b.csv", "a,b\n")); }).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of([&] { fitted(read("b.csv", "a,b\n1,caf\xe9\n")); }).code(), ErrorCode::format);
}

TEST_F(EncoderTest, ConstantAndSingleRowTables) {
  EXPECT_EQ(fitted(read("a.csv", "a,b\n1,x\n")).feature_names(), (Texts{"a", "b=x"}));
  TableEncoder encoder = fitted(read("a.csv", "a,b\n1,x\n1,x\n1,x\n"));
  EXPECT_EQ(encoder.encode(read("b.csv", "a,b\n1,x\n")).data, (std::vector<float>{1, 1}));
  EXPECT_EQ(encoder.encode(read("b.csv", "a,b\n")).rows, 0);
}

TEST_F(EncoderTest, JsonRoundTrip) {
  const Table table = read("a.csv", "a,\"b \"\"q\"\"\",c\n1,\"x,\ny\",\xc3\xa9\n2,z,\xe2\x82\xac\n");
  TableEncoder encoder = fitted(table);
  TableEncoder copy = TableEncoder::from_json(encoder.to_json());
  EXPECT_EQ(copy.feature_names(), encoder.feature_names());
  EXPECT_EQ(copy.numeric_features(), encoder.numeric_features());
  EXPECT_EQ(copy.to_json(), encoder.to_json());
  EXPECT_EQ(copy.encode(table).data, encoder.encode(table).data);
  EXPECT_EQ(copy.read_options().text_columns, (Texts{"b \"q\"", "c"}));
}

/// As many as single precision needs, whatever the numbers were read from.
TEST_F(EncoderTest, KnowsTheDecimalsOfNumbers) {
  const Table table =
      read("a.csv", "i,d,f,far,none\n1,0.5,0.1234567,1700000000,\n-20,1.25,1,1700000000.5,\nNA,3e1,2,1700000003,1\n");
  const TableEncoder encoder = fitted(table);
  EXPECT_EQ(encoder.decimals(), (std::vector<int>{0, 2, -1, 0, 0}));
  EXPECT_EQ(TableEncoder::from_json(encoder.to_json()).decimals(), encoder.decimals());
  Table single = table;
  for (double& number : single.columns[1].numbers) number = static_cast<double>(static_cast<float>(number + 0.1));
  EXPECT_EQ(fitted(single).decimals()[1], 2);
  const TableEncoder old = TableEncoder::from_json(R"({"numeric":["a","b"],"categorical":[]})");
  EXPECT_EQ(old.decimals(), (std::vector<int>{-1, -1}));
  for (const std::string list : {"[0]", "[0,7]", "[0,-2]", "[0,0.5]", "3"}) {
    const std::string json = R"({"numeric":["a","b"],"categorical":[],"decimals":)" + list + "}";
    EXPECT_EQ(error_of([&] { TableEncoder::from_json(json); }).code(), ErrorCode::format) << json;
  }
}

TEST_F(EncoderTest, DamagedJsonIsRefused) {
  const std::string good = fitted(read("a.csv", traffic)).to_json();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(error_of([&] { TableEncoder::from_json(good.substr(0, size)); }).code(), ErrorCode::format) << size;
  }
  for (const std::string json :
       {"null", "[]", "{}", R"({"numeric":[],"categorical":[]})", R"({"numeric":["a","a"],"categorical":[]})",
        R"({"numeric":[1],"categorical":[]})", R"({"numeric":["a"],"categorical":{}})",
        R"({"numeric":["a"],"categorical":[],"more":1})", R"({"numeric":["a"],"categorical":[{"name":"b"}]})",
        R"({"numeric":["a"],"categorical":[{"name":"b","values":["y","x"]}]})",
        R"({"numeric":["a"],"categorical":[{"name":"b","values":["x","x"]}]})",
        R"({"numeric":["a"],"categorical":[{"name":"a","values":["x"]}]})",
        R"({"numeric":["a"],"categorical":[{"name":"b","values":[""]}]})",
        R"({"numeric":["a"],"categorical":[{"name":"b","values":"x"}]})"}) {
    EXPECT_EQ(error_of([&] { TableEncoder::from_json(json); }).code(), ErrorCode::format) << json;
  }
  const std::string deep(200000, '[');
  EXPECT_EQ(error_of([&] { TableEncoder::from_json(deep); }).code(), ErrorCode::format);
}

TEST_F(EncoderTest, ChunksEncodeAsTheWhole) {
  const std::string path = directory.file("t.csv");
  synthesize_telemetry(path, 1000, 5, 3);
  const Table whole = read_table(path);
  TableEncoder encoder = fitted(whole, {{}, {"label"}});
  const Matrix expected = encoder.encode(whole);
  const auto reader = open_table(path, encoder.read_options());
  Table chunk;
  std::vector<float> joined;
  while (reader->read(chunk, 77)) {
    const Matrix part = encoder.encode(chunk);
    joined.insert(joined.end(), part.data.begin(), part.data.end());
  }
  EXPECT_EQ(joined, expected.data);
}

}  // namespace
}  // namespace cugad
