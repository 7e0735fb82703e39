#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cugad/cugad_table.h"
#include "cugad/metrics.hpp"
#include "tests/c_api/handles.hpp"
#include "tests/common/temporary_directory.hpp"

/// Tables and measures from C.
namespace cugad::test {
namespace {

struct ReleaseTable {
  void operator()(cugad_reader* reader) const { cugad_reader_close(reader); }
  void operator()(cugad_table* table) const { cugad_table_destroy(table); }
  void operator()(cugad_encoder* encoder) const { cugad_encoder_destroy(encoder); }
};
using ReaderHandle = std::unique_ptr<cugad_reader, ReleaseTable>;
using TableHandle = std::unique_ptr<cugad_table, ReleaseTable>;
using EncoderHandle = std::unique_ptr<cugad_encoder, ReleaseTable>;

const std::string rows_of_file = "id;speed;state;label\nr1;1,5;on;normal\nr2;;off;bad\nr3;3,25;on;normal\n";

class CTable : public testing::Test {
 protected:
  void SetUp() override { write_text(path_, rows_of_file); }

  ReaderHandle open(const char* options = nullptr) const {
    cugad_reader* reader = nullptr;
    EXPECT_OK(cugad_reader_open(path_.c_str(), options, &reader));
    return ReaderHandle(reader);
  }
  static TableHandle read(cugad_reader* reader, std::int64_t rows = INT64_MAX) {
    cugad_table* table = nullptr;
    EXPECT_OK(cugad_reader_read(reader, rows, &table));
    return TableHandle(table);
  }
  static EncoderHandle fit(cugad_table* table, const char* options) {
    cugad_encoder* encoder = nullptr;
    EXPECT_OK(cugad_encoder_fit(table, options, &encoder));
    return EncoderHandle(encoder);
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.file("rows.csv");
};

TEST_F(CTable, IsReadInChunks) {
  const ReaderHandle reader = open();
  const TableHandle first = read(reader.get(), 2), second = read(reader.get(), 2);
  EXPECT_EQ(read(reader.get(), 2), nullptr);
  std::int64_t number = 0;
  ASSERT_OK(cugad_table_rows(first.get(), &number));
  EXPECT_EQ(number, 2);
  ASSERT_OK(cugad_table_first_row(second.get(), &number));
  EXPECT_EQ(number, 2);
  ASSERT_OK(cugad_table_columns(first.get(), &number));
  EXPECT_EQ(number, 4);
  const char* text = nullptr;
  ASSERT_OK(cugad_table_column_name(first.get(), 1, &text));
  EXPECT_STREQ(text, "speed");
  ASSERT_OK(cugad_table_find(first.get(), "speed", &number));
  EXPECT_EQ(number, 1);
  const double* numbers = nullptr;
  ASSERT_OK(cugad_table_numbers(first.get(), 1, &numbers));
  EXPECT_EQ(numbers[0], 1.5);
  EXPECT_TRUE(std::isnan(numbers[1]));
  ASSERT_OK(cugad_table_numbers(first.get(), 2, &numbers));
  EXPECT_EQ(numbers, nullptr);
  const char* const* texts = nullptr;
  ASSERT_OK(cugad_table_texts(first.get(), 1, &texts));
  EXPECT_STREQ(texts[0], "1.5");
  EXPECT_STREQ(texts[1], "");
  ASSERT_OK(cugad_table_texts(second.get(), 0, &texts));
  EXPECT_STREQ(texts[0], "r3");
  ASSERT_OK(cugad_reader_format(reader.get(), &text));
  EXPECT_EQ(nlohmann::json::parse(text).at("separator"), ";");
  ASSERT_OK(cugad_reader_notes(reader.get(), &text));
  EXPECT_TRUE(nlohmann::json::parse(text).is_array());
}

TEST_F(CTable, OptionsDecideHowItIsRead) {
  write_text(path_, "a|b\n7|1,5\nx|2,5\n");
  const ReaderHandle reader = open(
      R"({"text_columns": ["a"], "format": {"separator": "|", "decimal": ",", "header": "yes"}, "mark_errors": true})");
  const TableHandle table = read(reader.get());
  const char* const* texts = nullptr;
  ASSERT_OK(cugad_table_texts(table.get(), 0, &texts));
  EXPECT_STREQ(texts[0], "7");
  const double* numbers = nullptr;
  ASSERT_OK(cugad_table_numbers(table.get(), 1, &numbers));
  EXPECT_EQ(numbers[1], 2.5);
  write_text(path_, "a,b\n1,2\n1,2,3\n");
  const ReaderHandle marking = open(R"({"mark_errors": true})");
  const TableHandle marked = read(marking.get());
  const char* text = nullptr;
  ASSERT_OK(cugad_table_row_error(marked.get(), 0, &text));
  EXPECT_EQ(text, nullptr);
  ASSERT_OK(cugad_table_row_error(marked.get(), 1, &text));
  EXPECT_NE(text, nullptr);
}

TEST_F(CTable, RowsAreChosen) {
  const ReaderHandle reader = open();
  const TableHandle table = read(reader.get());
  const char* const normal[] = {"normal", "usual"};
  std::uint8_t flags[3] = {9, 9, 9};
  ASSERT_OK(cugad_table_rows_with_value(table.get(), "label", normal, 2, flags));
  EXPECT_EQ(std::vector<std::uint8_t>(flags, flags + 3), (std::vector<std::uint8_t>{1, 0, 1}));
  const std::int64_t rows[] = {2, 0};
  cugad_table* taken = nullptr;
  ASSERT_OK(cugad_table_take_rows(table.get(), rows, 2, &taken));
  const TableHandle owner(taken);
  const char* const* texts = nullptr;
  ASSERT_OK(cugad_table_texts(taken, 0, &texts));
  EXPECT_STREQ(texts[0], "r3");
  EXPECT_STREQ(texts[1], "r1");
  const char* json = nullptr;
  const char* const settled[] = {"label", "id", "state"};
  ASSERT_OK(cugad_table_examine(table.get(), settled, 3, &json));
  EXPECT_TRUE(nlohmann::json::parse(json).is_array());
}

TEST_F(CTable, IsEncodedAsInCpp) {
  const ReaderHandle reader = open();
  const TableHandle table = read(reader.get());
  const EncoderHandle encoder = fit(table.get(), R"({"excluded": ["id", "label"]})");
  TableEncoder expected;
  const Table read_by_cpp = read_table(path_);
  TableEncoder::Options excluding;
  excluding.excluded = {"id", "label"};
  expected.fit(read_by_cpp, excluding);
  const char* json = nullptr;
  ASSERT_OK(cugad_encoder_to_json(encoder.get(), &json));
  EXPECT_EQ(json, expected.to_json());
  std::int64_t features = 0, binary = 0;
  ASSERT_OK(cugad_encoder_features(encoder.get(), &features, &binary));
  EXPECT_EQ(features, 3);
  EXPECT_EQ(binary, 2);
  const char* const* names = nullptr;
  ASSERT_OK(cugad_encoder_feature_names(encoder.get(), &names));
  EXPECT_EQ(std::vector<std::string>(names, names + 3), expected.feature_names());
  std::vector<float> x(3 * 5, -7.0f);
  ASSERT_OK(cugad_encoder_encode(encoder.get(), table.get(), x.data(), 5));
  const Matrix rows = expected.encode(read_by_cpp);
  for (std::int64_t r = 0; r < 3; ++r) {
    EXPECT_TRUE(same_bits(std::vector<float>(&x[r * 5], &x[r * 5 + 3]), {rows.row(r), rows.row(r) + 3}));
    EXPECT_EQ(x[r * 5 + 3], -7.0f);
  }

  // Another program, with the stored texts of this one: it counts an unseen value.
  const char *kept = nullptr, *options = nullptr, *format = nullptr;
  ASSERT_OK(cugad_reader_format(reader.get(), &format));
  ASSERT_OK(cugad_encoder_to_json(encoder.get(), &kept));
  cugad_encoder* made = nullptr;
  ASSERT_OK(cugad_encoder_from_json(kept, &made));
  const EncoderHandle again(made);
  ASSERT_OK(cugad_encoder_read_options(made, &options));
  write_text(path_, "id;speed;state;label\nr1;1,5;idle;normal\n");
  const ReaderHandle later = open(("{\"format\": " + std::string(format) + ", " + (options + 1)).c_str());
  const TableHandle more = read(later.get());
  ASSERT_OK(cugad_encoder_encode(made, more.get(), x.data(), 3));
  EXPECT_EQ(std::vector<float>(x.begin(), x.begin() + 3), (std::vector<float>{1.5f, 0, 0}));
  ASSERT_OK(cugad_encoder_unseen(made, &json));
  EXPECT_EQ(nlohmann::json::parse(json), (nlohmann::json{{"state", 1}}));
}

TEST_F(CTable, MeasuresAreThoseOfCpp) {
  const std::vector<std::uint8_t> labels = {0, 1, 0, 1, 0};
  const std::vector<float> scores = {0.1f, 0.9f, 0.5f, 0.4f, 0.2f};
  double value = 0;
  ASSERT_OK(cugad_auroc(labels.data(), scores.data(), 5, &value));
  EXPECT_EQ(value, metrics::auroc(labels, scores));
  ASSERT_OK(cugad_average_precision(labels.data(), scores.data(), 5, &value));
  EXPECT_EQ(value, metrics::average_precision(labels, scores));
  cugad_decision decision = {};
  decision.struct_size = sizeof decision;
  ASSERT_OK(cugad_decide(labels.data(), scores.data(), 5, 0.4, &decision));
  EXPECT_EQ(decision.flagged, metrics::decide(labels, scores, 0.4).flagged);
  EXPECT_EQ(decision.f1, metrics::decide(labels, scores, 0.4).f1);
  ASSERT_OK(cugad_decide_top_percent(labels.data(), scores.data(), 5, 40, &decision));
  EXPECT_EQ(decision.precision, metrics::decide_top_percent(labels, scores, 40).precision);
  ASSERT_OK(cugad_synthesize_telemetry(path_.c_str(), 20, 1, 1, 0));
  synthesize_telemetry(directory_.file("same.csv"), 20, 1);
  EXPECT_EQ(read_text(path_), read_text(directory_.file("same.csv")));
}

TEST_F(CTable, RefusesWrongCalls) {
  cugad_reader* reader = nullptr;
  const auto expect = [](cugad_status status, cugad_status expected, const std::string& part) {
    EXPECT_EQ(status, expected) << cugad_last_error();
    EXPECT_NE(std::string(cugad_last_error()).find(part), std::string::npos) << cugad_last_error();
  };
  constexpr cugad_status invalid = CUGAD_ERROR_INVALID_ARGUMENT;
  const auto opened = [&](const char* options) { return cugad_reader_open(path_.c_str(), options, &reader); };
  expect(cugad_reader_open(directory_.file("absent.csv").c_str(), "", &reader), CUGAD_ERROR_INPUT_OUTPUT, "absent");
  expect(opened("[]"), invalid, "JSON object");
  expect(opened(R"({"text_colums": []})"), invalid, "text_columns");
  expect(opened(R"({"mark_errors": 1})"), invalid, "true or false");
  expect(opened(R"({"mark_errors": true, "mark_errors": true})"), invalid, "twice");
  expect(opened(R"({"text_columns": ["a", 1]})"), invalid, "list of texts");
  expect(opened(R"({"names": ["a"]})"), invalid, "list of texts");
  expect(opened(R"({"format": {"seperator": ";"}})"), invalid, "separator");
  expect(opened(R"({"format": {"separator": ";;"}})"), invalid, "format");
  EXPECT_EQ(reader, nullptr);
  const ReaderHandle good = open();
  const TableHandle table = read(good.get());
  cugad_table* none = nullptr;
  expect(cugad_reader_read(good.get(), 0, &none), invalid, "0");
  std::int64_t number = 0;
  const double* numbers = nullptr;
  const char* text = nullptr;
  expect(cugad_table_find(table.get(), "sped", &number), invalid, "speed");
  expect(cugad_table_numbers(table.get(), 4, &numbers), invalid, "column is 4, expected 0 to 3");
  expect(cugad_table_row_error(table.get(), -1, &text), invalid, "row is -1");
  const std::int64_t rows[] = {3};
  expect(cugad_table_take_rows(table.get(), rows, 1, &none), invalid, "a row is 3");
  cugad_encoder* encoder = nullptr;
  expect(cugad_encoder_fit(table.get(), R"({"max_categories": -1})", &encoder), invalid, "max_categories");
  expect(cugad_encoder_fit(table.get(), R"({"excluded": ["sped"]})", &encoder), invalid, "speed");
  expect(cugad_encoder_from_json("{}", &encoder), CUGAD_ERROR_FORMAT, "encoder");
  const EncoderHandle made = fit(table.get(), R"({"excluded": ["id", "label"]})");
  std::vector<float> x(9);
  expect(cugad_encoder_encode(made.get(), table.get(), x.data(), 2), invalid, "row_stride is 2");
  expect(cugad_encoder_encode(made.get(), table.get(), nullptr, 3), invalid, "x is NULL");
  double value = 0;
  expect(cugad_auroc(nullptr, x.data(), 9, &value), invalid, "labels is NULL");
  expect(cugad_decide(nullptr, nullptr, 0, 0.5, nullptr), invalid, "decision is NULL");
}

}  // namespace
}  // namespace cugad::test
