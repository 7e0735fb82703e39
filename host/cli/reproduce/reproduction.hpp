#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cugad/detector.hpp"
#include "host/cli/reproduce/protocol.hpp"

/// The results of a run of a protocol, and their report.
namespace cugad::cli {

struct Quality {
  double precision = 0, recall = 0, f1 = 0, auroc = 0, average_precision = 0;
  double pixel_auroc = 0, region_overlap = 0;  ///< of protocols that measure maps
};
/// The rows with the highest `percent` of the scores are flagged; 0: only the ranking is measured.
Quality measure(std::span<const std::uint8_t> label, std::span<const float> score, double percent);
/// Adds the figures of the maps that residuals of the test rows' cells give.
void measure_pixels(Quality& quality, const Trial& trial, std::span<const float> residuals);

/// One score on one split of one case.
struct Measurement {
  std::string case_name;
  std::uint64_t seed = 0;   ///< of the detector
  std::uint32_t split = 0;  ///< of the rows, if every seed draws its own
  Quality quality = {};
  double train_seconds = 0, score_seconds = 0;
};

/// What is measured: a setting of the detector, or a baseline.
struct Contestant {
  std::string key, name;
  DetectorOptions options;  ///< of a setting
  std::string changes;      ///< "steps = 100": the options that flags changed; empty: none
  std::vector<Measurement> results;
};

struct CaseSize {
  std::int64_t train_rows = 0, test_rows = 0, all_test_rows = 0, anomalies = 0, features = 0;
};
struct CaseReport {
  std::string name;
  bool published_split = false;
  CaseSize size;
};

struct Reproduction {
  const Protocol* protocol = nullptr;
  std::string device;
  std::vector<CaseReport> cases;
  std::vector<Contestant> settings, baselines;
  /// Each setting's score + d1 + dm, if the protocol measures them. Beside d1 + dm they show what the setting adds.
  std::vector<Contestant> sums;
};

/// The contestant's results on one case.
std::vector<Measurement> results_on(const Contestant& contestant, const std::string& case_name);
/// Their mean; seed and split mean nothing in it.
Measurement mean_of(const std::vector<Measurement>& results);
/// The contestant's mean on each case that is no published split.
std::vector<Measurement> means_per_case(const Reproduction& report, const Contestant& contestant);
/// The contestant's mean over those cases for each seed of the detector.
std::vector<Measurement> means_per_seed(const Reproduction& report, const Contestant& contestant);
/// Sample deviations of the qualities; zeros if there are fewer than two.
Quality deviation_of(const std::vector<Measurement>& results);
/// The deviation of the mean over the cases: over the splits if the cases are splits of one table, else over the seeds.
Quality spread_of(const Reproduction& report, const Contestant& contestant);

/// Protocols that one run measures together, such as "mnist".
struct ReproductionGroup {
  std::string name;
  std::vector<Reproduction> reports;
};

/// The report as text: aligned tables with their notes, on a terminal or as Markdown.
std::string as_text(const Reproduction& report);
std::string as_markdown(const Reproduction& report);
/// One JSON object on one line.
std::string as_json(const Reproduction& report);
std::string as_text(const ReproductionGroup& group);
std::string as_markdown(const ReproductionGroup& group);
std::string as_json(const ReproductionGroup& group);

}  // namespace cugad::cli
