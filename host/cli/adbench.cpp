#include "host/cli/adbench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cugad/error.hpp"
#include "cugad/metrics.hpp"
#include "cugad/table.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/text.hpp"
#include "host/methods/transform.hpp"

namespace cugad::cli {
namespace {

struct Split {
  Matrix train, test;
  std::vector<std::uint8_t> label;
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

Split split_rows(const Matrix& rows, const std::vector<std::uint8_t>& is_anomaly, std::int64_t most,
                 std::uint32_t seed) {
  std::vector<std::int64_t> chosen = numpy_permutation(0, rows.rows);
  if (most > 0 && rows.rows > most) chosen.resize(most);
  std::sort(chosen.begin(), chosen.end());
  std::vector<std::int64_t> normal, anomalies;
  for (std::int64_t at : numpy_permutation(seed, static_cast<std::int64_t>(chosen.size()))) {
    (is_anomaly[chosen[at]] ? anomalies : normal).push_back(chosen[at]);
  }
  const auto half = static_cast<std::int64_t>(normal.size() / 2);
  std::vector<std::int64_t> test(normal.begin() + half, normal.end());
  Split split;
  split.label.assign(test.size(), 0);
  test.insert(test.end(), anomalies.begin(), anomalies.end());
  split.label.resize(test.size(), 1);
  normal.resize(half);
  split.train = take_rows(rows, normal);
  split.test = take_rows(rows, test);
  return split;
}

/// Mean distance to the 5 nearest training rows.
std::vector<float> neighbour_scores(const Device& device, const Split& split, const std::string& log1p) {
  DetectorOptions options;
  options.log1p = {log1p};
  std::vector<std::string> names;
  for (std::int64_t c = 0; c < split.train.columns; ++c) names.push_back(std::to_string(c));
  // The baseline runs on the host: it is a figure to compare with, not a method of ours.
  Context context = Device::open("cpu", device.threads()).make_context();
  FeatureTransform transform;
  transform.fit(context, split.train.view(), options, names, split.train.columns, {});
  Matrix train(split.train.rows, split.train.columns), test(split.test.rows, split.test.columns);
  transform.apply(context, split.train.view(), train.view());
  transform.apply(context, split.test.view(), test.view());
  const auto k = static_cast<std::int32_t>(std::min<std::int64_t>(5, train.rows));
  std::vector<float> distance(test.rows * k), scores(test.rows);
  cugad::run(context, NearestRows{.query = {test.data.data(), 1, test.rows, test.columns},
                                  .bank = {train.data.data(), 1, train.rows, train.columns},
                                  .neighbours = k,
                                  .distance = {distance.data(), 1, test.rows, k},
                                  .index = {}});
  for (std::int64_t r = 0; r < test.rows; ++r) {
    for (std::int32_t i = 0; i < k; ++i) scores[r] += distance[r * k + i] / static_cast<float>(k);
  }
  return scores;
}

void add(RankQuality& sum, const Split& split, const std::vector<float>& scores, std::int64_t seeds) {
  sum.auroc += metrics::auroc(split.label, scores) / static_cast<double>(seeds);
  sum.average_precision += metrics::average_precision(split.label, scores) / static_cast<double>(seeds);
}

RankQuality mean_of(const std::vector<TableResult>& results, RankQuality TableResult::*field) {
  RankQuality mean;
  for (const TableResult& result : results) {
    mean.auroc += (result.*field).auroc / static_cast<double>(results.size());
    mean.average_precision += (result.*field).average_precision / static_cast<double>(results.size());
  }
  return mean;
}

nlohmann::ordered_json quality_json(const RankQuality& quality) {
  return {{"auroc", quality.auroc}, {"average_precision", quality.average_precision}};
}

}  // namespace

std::vector<TableResult> run_adbench(const Device& device, const DetectorOptions& options, const std::string& directory,
                                     const AdbenchRun& run) {
  std::vector<TableResult> results;
  for (const std::filesystem::path& file : find_sets(directory)) {
    const std::string anomaly[] = {"1"};
    const Table table = read_table(file.string());
    TableEncoder encoder;
    encoder.fit(table, {.categorical = {}, .excluded = {"y"}});
    const Matrix rows = encoder.encode(table);
    const std::vector<std::uint8_t> label = rows_with_value(table, "y", anomaly);
    TableResult result;
    result.name = file.stem().string();
    result.columns = rows.columns;
    for (std::int64_t seed = 0; seed < run.seeds; ++seed) {
      const Split split = split_rows(rows, label, run.most_rows, static_cast<std::uint32_t>(run.first_seed + seed));
      result.train_rows = split.train.rows;
      result.test_rows = split.test.rows;
      result.anomalies = std::count(split.label.begin(), split.label.end(), 1);
      DetectorOptions mine = options;
      mine.seed = run.first_seed + static_cast<std::uint64_t>(seed) * run.seed_spacing;
      FitStatus status(run.quiet, fmt::format("{} {}/{} ", result.name, seed + 1, run.seeds));
      FitControl control;
      control.on_progress = [&](const FitProgress& progress) { status.update(progress); };
      const Stopwatch clock;
      Detector detector(device, mine);
      detector.fit(split.train.view(), control);
      const std::vector<float> scores = detector.score(split.test.view());
      result.seconds += clock.seconds() / static_cast<double>(run.seeds);
      add(result.detector, split, scores, run.seeds);
      add(result.neighbours, split, neighbour_scores(device, split, "none"), run.seeds);
      add(result.neighbours_log1p, split, neighbour_scores(device, split, "auto"), run.seeds);
    }
    results.push_back(result);
  }
  return results;
}

std::string adbench_table(const std::vector<TableResult>& results, const AdbenchRun& run) {
  std::string text = fmt::format(
      "adbench: half of the normal rows train, the rest and all anomalies test; means of {} seeds; sets cut to {} "
      "rows.\n"
      "kNN: mean distance to the 5 nearest training rows, standard scaling; log: with the log1p rule of the "
      "detector.\n\n"
      "{:<16} {:>7} {:>7} {:>9} {:>4} | {:>6} {:>6} | {:>6} {:>6} | {:>6} {:>6} | {:>5}\n"
      "{:<16} {:>7} {:>7} {:>9} {:>4} | {:>6} {:>6} | {:>6} {:>6} | {:>6} {:>6} | {:>5}\n",
      run.seeds, run.most_rows == 0 ? "all" : grouped(run.most_rows), "", "train", "test", "anomalies", "cols", "cugad",
      "", "kNN", "", "kNN", "log", "", "set", "rows", "rows", "", "", "AUROC", "AP", "AUROC", "AP", "AUROC", "AP", "s");
  const auto pair = [](const RankQuality& q) { return fmt::format("{:6.4f} {:6.4f}", q.auroc, q.average_precision); };
  std::string lost;
  for (const TableResult& r : results) {
    text +=
        fmt::format("{:<16} {:>7} {:>7} {:>9} {:>4} | {} | {} | {} | {:5.1f}\n", r.name, r.train_rows, r.test_rows,
                    r.anomalies, r.columns, pair(r.detector), pair(r.neighbours), pair(r.neighbours_log1p), r.seconds);
    if (r.detector.auroc < std::max(r.neighbours.auroc, r.neighbours_log1p.auroc))
      lost += (lost.empty() ? "" : ", ") + r.name;
  }
  text += fmt::format("{:<47} | {} | {} | {} |\n", "mean", pair(mean_of(results, &TableResult::detector)),
                      pair(mean_of(results, &TableResult::neighbours)),
                      pair(mean_of(results, &TableResult::neighbours_log1p)));
  return text + "\nAUROC below the better kNN on: " + (lost.empty() ? "none" : lost) + "\n";
}

std::string adbench_json(const std::vector<TableResult>& results, const AdbenchRun& run) {
  nlohmann::ordered_json object = {{"protocol", "adbench"}, {"seeds", run.seeds}, {"most_rows", run.most_rows}};
  object["mean"] = {{"cugad", quality_json(mean_of(results, &TableResult::detector))},
                    {"knn", quality_json(mean_of(results, &TableResult::neighbours))},
                    {"knn_log1p", quality_json(mean_of(results, &TableResult::neighbours_log1p))}};
  object["sets"] = nlohmann::ordered_json::array();
  for (const TableResult& r : results) {
    object["sets"].push_back({{"name", r.name},
                              {"train_rows", r.train_rows},
                              {"rows", r.test_rows},
                              {"anomalies", r.anomalies},
                              {"columns", r.columns},
                              {"seconds", r.seconds},
                              {"cugad", quality_json(r.detector)},
                              {"knn", quality_json(r.neighbours)},
                              {"knn_log1p", quality_json(r.neighbours_log1p)}});
  }
  return object.dump() + "\n";
}

}  // namespace cugad::cli
