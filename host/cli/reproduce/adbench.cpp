#include <algorithm>
#include <filesystem>
#include <memory>

#include "cugad/error.hpp"
#include "host/cli/reproduce/protocol.hpp"

/// The tables of ADBench under the "half of the normal rows" protocol: train on a random half of a set's normal rows,
/// test on the other half and all anomalies.
namespace cugad::cli {
namespace {

struct LabelledTable {
  Matrix rows;
  std::vector<std::uint8_t> is_anomaly;
};

std::vector<std::filesystem::path> find_sets(const std::string& directory) {
  std::filesystem::path folder = directory;
  if (std::filesystem::is_directory(folder / "adbench")) folder /= "adbench";
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".npz") files.push_back(entry.path());
  }
  if (files.empty()) throw Error(ErrorCode::input_output, "no .npz file in '" + folder.string() + "'");
  std::sort(files.begin(), files.end());
  return files;
}

LabelledTable read_set(const std::string& path) {
  const std::string anomaly[] = {"1"};
  const Table table = read_table(path);
  TableEncoder encoder;
  encoder.fit(table, {.categorical = {}, .excluded = {"y"}});
  return {encoder.encode(table), rows_with_value(table, "y", anomaly)};
}

Trial split_rows(const LabelledTable& set, std::int64_t most, std::uint32_t seed) {
  std::vector<std::int64_t> chosen = numpy_permutation(0, set.rows.rows);
  if (most > 0 && set.rows.rows > most) chosen.resize(most);
  std::sort(chosen.begin(), chosen.end());
  std::vector<std::int64_t> normal, anomalies;
  for (std::int64_t at : numpy_permutation(seed, static_cast<std::int64_t>(chosen.size()))) {
    (set.is_anomaly[chosen[at]] ? anomalies : normal).push_back(chosen[at]);
  }
  const auto half = static_cast<std::int64_t>(normal.size() / 2);
  std::vector<std::int64_t> test(normal.begin() + half, normal.end());
  Trial trial;
  trial.label.assign(test.size(), 0);
  test.insert(test.end(), anomalies.begin(), anomalies.end());
  trial.label.resize(test.size(), 1);
  normal.resize(half);
  trial.train = take_rows(set.rows, normal);
  trial.test = take_rows(set.rows, test);
  trial.all_test_rows = trial.test.rows;
  return trial;
}

}  // namespace

std::vector<Case> adbench_cases(const DataChoices& choices) {
  std::vector<Case> cases;
  for (const std::filesystem::path& file : find_sets(choices.data)) {
    // Read once for all seeds, when first needed; freed with the case.
    const auto set = std::make_shared<std::unique_ptr<const LabelledTable>>();
    const auto load = [set, path = file.string(), most = choices.rows](std::uint32_t split) {
      if (!*set) *set = std::make_unique<const LabelledTable>(read_set(path));
      return split_rows(**set, most, split);
    };
    cases.push_back({.name = file.stem().string(), .published_split = false, .splits_by_seed = true, .load = load});
  }
  return cases;
}

}  // namespace cugad::cli
