#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cugad/detector.hpp"

/// The tables of ADBench under the "half of the normal rows" protocol: train on a random half of a set's normal rows,
/// test on the other half and all anomalies; everything is fitted on training rows only.
namespace cugad::cli {

/// Threshold-free figures of one detector on one set, means over the seeds.
struct RankQuality {
  double auroc = 0, average_precision = 0;
};

struct TableResult {
  std::string name;
  std::int64_t train_rows = 0, test_rows = 0, anomalies = 0, columns = 0;
  RankQuality detector, neighbours,
      neighbours_log1p;  ///< ours; kNN (k = 5) with standard scaling, without and with the log1p rule
  double seconds = 0;    ///< of one fit and score
};

struct AdbenchRun {
  std::int64_t seeds = 3;
  std::uint64_t first_seed = 0, seed_spacing = 1000;
  std::int64_t most_rows = 20000;  ///< larger sets are cut to so many rows (numpy permutation of seed 0); 0: never
  bool quiet = false;
};

/// Runs all `.npz` files of `directory` (or of its sub-folder adbench), by name. Throws Error{input_output} if there is
/// none.
std::vector<TableResult> run_adbench(const Device& device, const DetectorOptions& options, const std::string& directory,
                                     const AdbenchRun& run);
std::string adbench_table(const std::vector<TableResult>& results, const AdbenchRun& run);
std::string adbench_json(const std::vector<TableResult>& results, const AdbenchRun& run);

}  // namespace cugad::cli
