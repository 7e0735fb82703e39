#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "table_files.hpp"

/// Real data sets, if available.
namespace cugad {
namespace {

std::filesystem::path data_directory() {
  const char* given = std::getenv("CUGAD_DATA");
  return given != nullptr ? given : std::filesystem::path(CUGAD_SOURCE_DIR) / ".." / "shared" / "data";
}

class DataTest : public testing::Test {
 protected:
  /// The path of a data file; the test is skipped if there is none.
  std::string data(const std::string& name) {
    const std::filesystem::path path = data_directory() / name;
    return std::filesystem::exists(path) ? path.string() : std::string();
  }
};

#define CUGAD_NEED_DATA(path)                                                                        \
  if ((path).empty()) {                                                                              \
    GTEST_SKIP() << "the data set is not here; set CUGAD_DATA to the folder with kdd99/ and others"; \
  }

TEST_F(DataTest, Kdd99) {
  const std::string path = data("kdd99/kddcup.data_10_percent.gz");
  CUGAD_NEED_DATA(path)
  ReadOptions options;
  options.text_columns = {"1", "2", "3", "6", "11", "20", "21"};
  const auto start = std::chrono::steady_clock::now();
  const Table table = read_table(path, options);
  const std::chrono::duration<double> reading = std::chrono::steady_clock::now() - start;
  RecordProperty("read_seconds", std::to_string(reading.count()));
  ASSERT_EQ(table.rows, 494021);
  ASSERT_EQ(table.columns.size(), 42u);
  EXPECT_EQ(table.columns[4].name, "4");
  EXPECT_EQ(table.columns[4].numbers[0], 181);
  EXPECT_EQ(table.columns[41].texts[0], "normal.");

  TableEncoder encoder;
  encoder.fit(table, {{}, {"-1"}});
  const auto encode_start = std::chrono::steady_clock::now();
  const Matrix matrix = encoder.encode(table);
  const std::chrono::duration<double> encoding = std::chrono::steady_clock::now() - encode_start;
  RecordProperty("encode_seconds", std::to_string(encoding.count()));
  EXPECT_EQ(encoder.numeric_features(), 34);
  ASSERT_EQ(matrix.columns, 121);
  const std::vector<std::string>& names = encoder.feature_names();
  EXPECT_EQ((std::vector<std::string>(names.begin() + 34, names.begin() + 40)),
            (std::vector<std::string>{"1=icmp", "1=tcp", "1=udp", "2=IRC", "2=X11", "2=Z39_50"}));
  EXPECT_EQ(names.back(), "21=1");
  EXPECT_TRUE(encoder.unseen().empty());
  for (std::int64_t r = 0; r < matrix.rows; r += 1000) {
    float ones = 0;
    for (std::int64_t c = 34; c < 121; ++c) ones += matrix.row(r)[c];
    ASSERT_EQ(ones, 7);
  }
  EXPECT_EQ(distinct_rows(matrix).size(), 145584u);

  const std::vector<std::string> normal{"normal."};
  const std::vector<std::uint8_t> is_normal = rows_with_value(table, "-1", normal);
  EXPECT_EQ(kept_rows(is_normal).size(), 97278u);
  // The split of EGBAD: half of a permutation, of which training keeps the attacks.
  std::vector<std::int64_t> train = numpy_permutation(42, table.rows);
  train.resize(247010);
  std::erase_if(train, [&](std::int64_t row) { return is_normal[row] != 0; });
  EXPECT_EQ(train.size(), 198361u);
  EXPECT_EQ(distinct_rows(take_rows(matrix, train)).size(), 34929u);
  // Numbers as categories give the same features as text.
  TableEncoder from_numbers;
  from_numbers.fit(read_table(path), {{"6", "11", "20", "21"}, {"41"}});
  EXPECT_EQ(from_numbers.feature_names(), names);
}

TEST_F(DataTest, AdBench) {
  const std::string folder = data("adbench");
  CUGAD_NEED_DATA(folder)
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".npz") continue;
    const Table table = read_table(entry.path().string());
    EXPECT_GT(table.rows, 100) << entry.path();
    EXPECT_EQ(table.columns.back().name, "y");
    const std::vector<std::string> anomaly{"1"};
    const std::size_t anomalies = kept_rows(rows_with_value(table, "y", anomaly)).size();
    EXPECT_GT(anomalies, 0u) << entry.path();
    EXPECT_LT(anomalies, static_cast<std::size_t>(table.rows)) << entry.path();
  }
}

TEST_F(DataTest, Arrhythmia) {
  const std::string path = data("arrhythmia/arrhythmia.npz");
  CUGAD_NEED_DATA(path)
  const Table table = read_table(path);
  EXPECT_EQ(table.rows, 452);
  EXPECT_EQ(table.columns.size(), 275u);
}

TEST_F(DataTest, Mnist) {
  const std::string images = data("mnist/t10k-images-idx3-ubyte.gz");
  CUGAD_NEED_DATA(images)
  const Table table = read_table(images);
  EXPECT_EQ(table.rows, 10000);
  EXPECT_EQ(table.columns.size(), 784u);
  const Table labels = read_table(data("mnist/t10k-labels-idx1-ubyte.gz"));
  EXPECT_EQ(labels.rows, 10000);
  ASSERT_EQ(labels.columns.size(), 1u);
  EXPECT_EQ(labels.columns[0].numbers[0], 7);
}

}  // namespace
}  // namespace cugad
