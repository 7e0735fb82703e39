#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cugad/detector.hpp"
#include "host/cli/kdd99.hpp"

/// What a run of a protocol found, and how it is told.
namespace cugad::cli {

struct Quality {
  double precision = 0, recall = 0, f1 = 0, auroc = 0, average_precision = 0;
};
/// The rows with the highest `percent` of the scores are flagged.
Quality measure(std::span<const std::uint8_t> label, std::span<const float> score, double percent);

struct SeedResult {
  std::uint64_t seed = 0;
  Quality quality;
  double train_seconds = 0, score_seconds = 0;
};

struct SettingResult {
  std::string name;
  DetectorOptions options;
  std::vector<SeedResult> seeds;
};

struct BaselineResult {
  std::string name;
  Quality quality;
};

struct Reproduction {
  std::string protocol, device;
  std::int64_t train_rows = 0, test_rows = 0, all_test_rows = 0, anomalies = 0, features = 0;
  std::vector<PublishedResult> published;
  std::vector<BaselineResult> baselines;
  std::vector<SettingResult> settings;
};

/// For people: an aligned table with its notes.
std::string as_table(const Reproduction& report);
/// One JSON object on one line.
std::string as_json(const Reproduction& report);

}  // namespace cugad::cli
