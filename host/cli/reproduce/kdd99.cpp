#include <algorithm>
#include <array>

#include "host/cli/reproduce/protocol.hpp"

/// KDD99 (10 percent) after the protocol of EGBAD's data/kdd.py: the attacks are the training class and normal traffic
/// is the anomaly; half of the rows train, the rest test; features are raw.
namespace cugad::cli {
namespace {

// The figures of the very file that the papers used; anything else would be another protocol.
constexpr std::int64_t file_rows = 494021;
constexpr std::int64_t first_half = 247010;
constexpr std::int64_t train_rows = 198361;
constexpr std::int64_t all_test_rows = 247011;
constexpr std::int64_t test_anomalies = 48629;
constexpr std::int64_t features = 121;
constexpr std::int64_t numeric_features = 34;
constexpr std::uint32_t split_seed = 42;
constexpr std::uint32_t sample_seed = 0;

constexpr std::array<const char*, 42> column_names = {"duration",
                                                      "protocol_type",
                                                      "service",
                                                      "flag",
                                                      "src_bytes",
                                                      "dst_bytes",
                                                      "land",
                                                      "wrong_fragment",
                                                      "urgent",
                                                      "hot",
                                                      "num_failed_logins",
                                                      "logged_in",
                                                      "num_compromised",
                                                      "root_shell",
                                                      "su_attempted",
                                                      "num_root",
                                                      "num_file_creations",
                                                      "num_shells",
                                                      "num_access_files",
                                                      "num_outbound_cmds",
                                                      "is_host_login",
                                                      "is_guest_login",
                                                      "count",
                                                      "srv_count",
                                                      "serror_rate",
                                                      "srv_serror_rate",
                                                      "rerror_rate",
                                                      "srv_rerror_rate",
                                                      "same_srv_rate",
                                                      "diff_srv_rate",
                                                      "srv_diff_host_rate",
                                                      "dst_host_count",
                                                      "dst_host_srv_count",
                                                      "dst_host_same_srv_rate",
                                                      "dst_host_diff_srv_rate",
                                                      "dst_host_same_src_port_rate",
                                                      "dst_host_srv_diff_host_rate",
                                                      "dst_host_serror_rate",
                                                      "dst_host_srv_serror_rate",
                                                      "dst_host_rerror_rate",
                                                      "dst_host_srv_rerror_rate",
                                                      "label"};
/// Positions of the categorical columns and, last, of the label.
const std::vector<std::string> text_columns = {"1", "2", "3", "6", "11", "20", "21", "41"};

Table read_kdd99(const std::string& path) {
  Table table = read_table(path, {.text_columns = text_columns, .infer_text = false});
  expect_count(path, "columns", static_cast<std::int64_t>(table.columns.size()), column_names.size());
  expect_count(path, "rows", table.rows, file_rows);
  for (std::size_t column = 0; column < column_names.size(); ++column) {
    table.columns[column].name = column_names[column];
  }
  return table;
}

/// The rows of the file that test: all that are not in the first half of the permutation, in file order.
std::vector<std::int64_t> test_positions(const std::vector<std::int64_t>& permutation, std::int64_t wanted) {
  std::vector<std::int64_t> positions(permutation.begin() + first_half, permutation.end());
  std::sort(positions.begin(), positions.end());
  const auto count = static_cast<std::int64_t>(positions.size());
  if (wanted <= 0 || wanted >= count) return positions;
  std::vector<std::int64_t> sample = numpy_permutation(sample_seed, count);
  sample.resize(static_cast<std::size_t>(wanted));
  std::sort(sample.begin(), sample.end());
  for (std::int64_t& position : sample) position = positions[static_cast<std::size_t>(position)];
  return sample;
}

/// `test_rows` > 0 keeps a fixed random sample of so many test rows.
Trial load_kdd99(const std::string& data, std::int64_t test_rows) {
  const std::string name = "kddcup.data_10_percent.gz";
  const std::string path = find_data_file(data, {name, "kdd99/" + name});
  Table table = read_kdd99(path);
  TableEncoder encoder;
  // As the reference does: dummies of all rows, whether they train or test.
  encoder.fit(table, {.categorical = {}, .excluded = {"label"}});
  const std::vector<std::string> normal = {"normal."};
  const std::vector<std::uint8_t> is_normal = rows_with_value(table, "label", normal);
  const Matrix matrix = encoder.encode(table);
  table = {};

  Trial result;
  result.feature_names = encoder.feature_names();
  result.binary_features = matrix.columns - encoder.numeric_features();
  expect_count(path, "features", matrix.columns, features);
  expect_count(path, "numeric features", encoder.numeric_features(), numeric_features);
  const auto is_anomaly = [&](std::int64_t row) { return is_normal[static_cast<std::size_t>(row)] != 0; };
  const std::vector<std::int64_t> permutation = numpy_permutation(split_seed, file_rows);
  std::vector<std::int64_t> training(permutation.begin(), permutation.begin() + first_half);
  std::erase_if(training, is_anomaly);
  expect_count(path, "training rows", static_cast<std::int64_t>(training.size()), train_rows);
  const std::vector<std::int64_t> all_test = test_positions(permutation, 0);
  expect_count(path, "test rows", static_cast<std::int64_t>(all_test.size()), all_test_rows);
  expect_count(path, "anomalies among the test rows", std::count_if(all_test.begin(), all_test.end(), is_anomaly),
               test_anomalies);

  const std::vector<std::int64_t> test = test_positions(permutation, test_rows);
  result.train = take_rows(matrix, training);
  result.test = take_rows(matrix, test);
  result.all_test_rows = all_test_rows;
  for (const std::int64_t row : test) result.label.push_back(is_anomaly(row) ? 1 : 0);
  return result;
}

}  // namespace

std::vector<Case> kdd99_cases(const DataChoices& choices) {
  const auto load = [choices](std::uint32_t) { return load_kdd99(choices.data, choices.rows); };
  return {{.name = "released split", .published_split = true, .splits_by_seed = false, .load = load}};
}

}  // namespace cugad::cli
