#pragma once

#include <cstdint>
#include <vector>

#include "cugad/detector.hpp"
#include "host/text/json.hpp"

namespace cugad {

/// The scores of the rows, without those that have none, and their labels: 1 an anomaly, 0 normal, -1 unknown.
struct ScoredRows {
  std::vector<float> score;
  std::vector<std::int8_t> label;
};

/// The threshold at which the page begins: exact counts, and how often new normal rows are expected to pass.
/// "scores": histograms of the rows and of the calibrating scores over bins that widen away from the usual scores.
/// "steps": the decision at each of some hundred thresholds, among them `threshold`: flagged rows, and anomalies and
/// normal rows among the labelled ones. "labels": what the labels say, with the ROC's area and the average precision if
/// both kinds are there, and else why they are not. "reliability": how many rows of ten equal ranges of each
/// probability are anomalies.
/// `is_calibrated`: the calibrating scores are of such rows; those of patches are not of images.
void put_scores(OrderedJson& page, const Detector& detector, const ScoredRows& rows, float threshold,
                bool is_calibrated);

}  // namespace cugad
