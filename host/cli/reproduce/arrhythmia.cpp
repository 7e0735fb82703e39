#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "host/cli/reproduce/protocol.hpp"

/// Arrhythmia after the protocol of ALAD's data/arrhythmia.py: half of the 452 rows train, anomalies among them.
namespace cugad::cli {
namespace {

constexpr std::int64_t file_rows = 452, file_columns = 274, file_anomalies = 66;
constexpr std::int64_t test_rows = 226;
constexpr std::uint32_t released_seed = 42;

struct Recordings {
  Matrix rows;
  std::vector<std::uint8_t> label;
};

Recordings read_recordings(const std::string& data) {
  const std::string path = find_data_file(data, {"arrhythmia.npz", "arrhythmia/arrhythmia.npz"});
  const Table table = read_table(path);
  TableEncoder encoder;
  encoder.fit(table, {.categorical = {}, .excluded = {"y"}});
  const std::string anomaly[] = {"1"};
  Recordings recordings = {encoder.encode(table), rows_with_value(table, "y", anomaly)};
  expect_count(path, "rows", recordings.rows.rows, file_rows);
  expect_count(path, "columns", recordings.rows.columns, file_columns);
  expect_count(path, "anomalies", std::count(recordings.label.begin(), recordings.label.end(), 1), file_anomalies);
  return recordings;
}

/// sklearn's train_test_split(test_size=.5, random_state=seed): the test rows come first in the permutation.
Trial split_rows(const Recordings& recordings, std::uint32_t seed, bool normals_only) {
  const std::vector<std::int64_t> permutation = numpy_permutation(seed, file_rows);
  const std::vector<std::int64_t> test(permutation.begin(), permutation.begin() + test_rows);
  std::vector<std::int64_t> train(permutation.begin() + test_rows, permutation.end());
  if (normals_only) {
    std::erase_if(train, [&](std::int64_t row) { return recordings.label[static_cast<std::size_t>(row)] != 0; });
  }
  Trial trial;
  trial.train = take_rows(recordings.rows, train);
  trial.test = take_rows(recordings.rows, test);
  trial.all_test_rows = test_rows;
  for (const std::int64_t row : test) trial.label.push_back(recordings.label[static_cast<std::size_t>(row)]);
  return trial;
}

}  // namespace

std::vector<Case> arrhythmia_cases(const DataChoices& choices) {
  const auto recordings = std::make_shared<const Recordings>(read_recordings(choices.data));
  std::vector<Case> cases;
  const auto add = [&](const std::string& name, bool published, std::uint32_t seed) {
    const auto load = [=, normals_only = choices.normals_only](std::uint32_t) {
      return split_rows(*recordings, seed, normals_only);
    };
    cases.push_back({.name = name, .published_split = published, .splits_by_seed = false, .load = load});
  };
  if (choices.published_split) add("released split", true, released_seed);
  for (std::int64_t split = 0; split < choices.splits; ++split) {
    add(fmt::format("split {}", split), false, static_cast<std::uint32_t>(split));
  }
  return cases;
}

}  // namespace cugad::cli
