#include "host/report/score_summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "cugad/metrics.hpp"

namespace cugad {
namespace {

constexpr int bins = 60, probability_bins = 10;
constexpr std::size_t most_steps = 400;  ///< evenly spaced ones, and as many that crowd at the high scores

/// The calibrating scores, as far as Detector::probability() tells.
class CalibratingScores {
 public:
  CalibratingScores(const Detector& detector, bool is_used)
      : detector_(detector), count_(is_used ? detector.calibration().rows : 0) {}

  double count() const { return static_cast<double>(count_); }
  explicit operator bool() const { return count_ > 0; }
  /// How many are at most `score`.
  double at_most(float score) const {
    const std::array one = {score};
    return double{detector_.probability(one, Probability::rank).front()} * (count() + 2) - 1;
  }
  /// The least number that at least this share of them, and at least one, does not exceed.
  float quantile(double share) const {
    const double enough = std::max(1.0, std::ceil(share * count())) - 0.5;  // probabilities are rounded
    // The bits of numbers, as integers, ascend with them: 32 halvings find any.
    std::int64_t low = -ordered(std::numeric_limits<float>::max()), high = -low;
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      if (at_most(number(middle)) > enough) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return number(low);
  }
  /// The share of new normal rows expected at this score or above: the conformal p-value.
  double expected_above(float score) const {
    const double below = at_most(std::nextafter(score, std::numeric_limits<float>::lowest()));
    return std::clamp((count() - below + 1) / (count() + 1), 0.0, 1.0);
  }

 private:
  static std::int64_t ordered(float value) { return std::bit_cast<std::int32_t>(value); }
  static float number(std::int64_t place) {
    const auto size = std::bit_cast<float>(static_cast<std::int32_t>(std::abs(place)));
    return place < 0 ? -size : size;
  }
  const Detector& detector_;
  std::int64_t count_;
};

/// The counts of rows from the highest score down.
struct Descent {
  std::vector<std::size_t> order;            ///< rows by score, descending
  std::vector<std::int64_t> truly, falsely;  ///< anomalies and normal rows among the first i + 1
};

Descent descend(const ScoredRows& rows) {
  Descent descent;
  descent.order.resize(rows.score.size());
  std::iota(descent.order.begin(), descent.order.end(), std::size_t{0});
  std::stable_sort(descent.order.begin(), descent.order.end(),
                   [&](std::size_t a, std::size_t b) { return rows.score[a] > rows.score[b]; });
  std::int64_t truly = 0, falsely = 0;
  for (const std::size_t row : descent.order) {
    truly += rows.label[row] == 1;
    falsely += rows.label[row] == 0;
    descent.truly.push_back(truly);
    descent.falsely.push_back(falsely);
  }
  return descent;
}

/// Scores that serve as thresholds: all distinct ones, or some that crowd at the high ones, and the one beyond all.
std::set<float> thresholds_of(const ScoredRows& rows, const Descent& descent, float threshold) {
  std::set<float> chosen = {threshold};
  const std::size_t count = descent.order.size();
  const auto score_at = [&](double place) {
    return rows.score[descent.order[static_cast<std::size_t>(std::clamp(place, 0.0, static_cast<double>(count - 1)))]];
  };
  if (count <= 2 * most_steps) {
    chosen.insert(rows.score.begin(), rows.score.end());
  } else {
    const auto last = static_cast<double>(count - 1);
    for (std::size_t i = 0; i <= most_steps; ++i) {
      const double share = static_cast<double>(i) / most_steps;
      chosen.insert(score_at(share * last));
      chosen.insert(score_at(std::pow(last, share) - 1));
    }
    chosen.insert(score_at(last));
  }
  chosen.insert(std::nextafter(*chosen.rbegin(), std::numeric_limits<float>::infinity()));
  return chosen;
}

void put_steps(OrderedJson& place, const ScoredRows& rows, const CalibratingScores& calibrating, float threshold) {
  const Descent descent = descend(rows);
  std::vector<double> thresholds, expected;
  std::vector<std::int64_t> flagged, truly, falsely;
  for (const float step : thresholds_of(rows, descent, threshold)) {
    const auto end = std::partition_point(descent.order.begin(), descent.order.end(),
                                          [&](std::size_t row) { return rows.score[row] >= step; });
    const auto above = end - descent.order.begin();
    thresholds.push_back(step);
    flagged.push_back(above);
    truly.push_back(above == 0 ? 0 : descent.truly[static_cast<std::size_t>(above - 1)]);
    falsely.push_back(above == 0 ? 0 : descent.falsely[static_cast<std::size_t>(above - 1)]);
    if (calibrating) expected.push_back(calibrating.expected_above(step));
  }
  place = OrderedJson::object();
  put_list(place["threshold"], thresholds);
  put_list(place["flagged"], flagged);
  put_list(place["anomalies"], truly);
  put_list(place["normal"], falsely);
  put_list(place["expected"], expected);
}

/// Bins of equal width in asinh((score - centre) / width): even among usual scores, ever wider beyond.
void put_histograms(OrderedJson& place, const ScoredRows& rows, const CalibratingScores& calibrating, float threshold) {
  const auto [least, most] = std::minmax_element(rows.score.begin(), rows.score.end());
  const double centre = calibrating ? calibrating.quantile(0.5) : metrics::percentile(rows.score, 50);
  const double usual = calibrating ? calibrating.quantile(0.9) : metrics::percentile(rows.score, 90);
  const double width = usual > centre ? usual - centre : std::max(1e-6, std::abs(centre));
  const auto place_of = [&](double score) { return std::asinh((score - centre) / width); };
  double low = std::min<double>(*least, threshold), high = std::max<double>(*most, threshold);
  if (calibrating) {
    low = std::min<double>(low, calibrating.quantile(0.001));
    high = std::max<double>(high, calibrating.quantile(1.0));
  }
  const double first = place_of(low), step = std::max((place_of(high) - first) / bins, 1e-9);
  std::vector<double> edges, training;
  for (int i = 0; i <= bins; ++i) edges.push_back(centre + width * std::sinh(first + step * i));
  std::vector<std::int64_t> all(bins), anomalies(bins), normal(bins);
  for (std::size_t r = 0; r < rows.score.size(); ++r) {
    const auto bin = static_cast<std::size_t>(std::clamp((place_of(rows.score[r]) - first) / step, 0.0, bins - 1.0));
    ++all[bin];
    if (rows.label[r] >= 0) ++(rows.label[r] == 1 ? anomalies : normal)[bin];
  }
  for (int i = 0; calibrating && i < bins; ++i) {
    const double before = i == 0 ? 0 : calibrating.at_most(static_cast<float>(edges[static_cast<std::size_t>(i)]));
    const double after = i == bins - 1
                             ? calibrating.count()
                             : calibrating.at_most(static_cast<float>(edges[static_cast<std::size_t>(i) + 1]));
    training.push_back(std::max(0.0, std::round(after - before)));
  }
  place = OrderedJson::object();
  place["centre"] = centre;
  place["width"] = width;
  put_list(place["edges"], edges);
  put_list(place["rows"], all);
  put_list(place["anomalies"], anomalies);
  put_list(place["normal"], normal);
  put_list(place["training"], training);
}

struct LabelledRows {
  std::vector<float> score;
  std::vector<std::uint8_t> anomaly;
  std::int64_t anomalies = 0;
};

LabelledRows labelled(const ScoredRows& rows) {
  LabelledRows found;
  for (std::size_t r = 0; r < rows.score.size(); ++r) {
    if (rows.label[r] < 0) continue;
    found.score.push_back(rows.score[r]);
    found.anomaly.push_back(static_cast<std::uint8_t>(rows.label[r]));
    found.anomalies += rows.label[r];
  }
  return found;
}

void put_labels(OrderedJson& place, const LabelledRows& rows) {
  const auto count = static_cast<std::int64_t>(rows.score.size());
  place = OrderedJson::object();
  place["rows"] = count;
  place["anomalies"] = rows.anomalies;
  if (rows.anomalies == 0 || rows.anomalies == count) {
    place["missing"] = fmt::format("All {} labelled rows are {}: curves and measures need both kinds.", count,
                                   rows.anomalies == 0 ? "normal" : "anomalies");
    return;
  }
  place["auroc"] = metrics::auroc(rows.anomaly, rows.score);
  place["average_precision"] = metrics::average_precision(rows.anomaly, rows.score);
}

void put_reliability(OrderedJson& place, const Detector& detector, const LabelledRows& rows, Probability kind) {
  const std::vector<float> probability = detector.probability(rows.score, kind);
  std::array<double, probability_bins> sum{};
  std::array<std::int64_t, probability_bins> count{}, anomalies{};
  for (std::size_t r = 0; r < probability.size(); ++r) {
    const auto bin = static_cast<std::size_t>(std::min(probability[r] * probability_bins, probability_bins - 1.0f));
    sum[bin] += probability[r];
    ++count[bin];
    anomalies[bin] += rows.anomaly[r];
  }
  place = OrderedJson::array();
  for (std::size_t bin = 0; bin < count.size(); ++bin) {
    if (count[bin] == 0) continue;
    OrderedJson& point = place.emplace_back(OrderedJson::object());
    point["probability"] = sum[bin] / static_cast<double>(count[bin]);
    point["rows"] = count[bin];
    point["anomalies"] = anomalies[bin];
  }
}

}  // namespace

void put_scores(OrderedJson& page, const Detector& detector, const ScoredRows& rows, float threshold,
                bool is_calibrated) {
  const CalibratingScores calibrating(detector, is_calibrated);
  page["threshold"] = threshold;
  OrderedJson& calibration = page["calibration"] = OrderedJson::object();
  calibration["rows"] = detector.calibration().rows;
  calibration["folds"] = detector.calibration().folds;
  if (rows.score.empty()) return;
  put_histograms(page["scores"], rows, calibrating, threshold);
  put_steps(page["steps"], rows, calibrating, threshold);
  const LabelledRows with_label = labelled(rows);
  if (with_label.score.empty()) return;
  put_labels(page["labels"], with_label);
  if (!calibrating || page["labels"].contains("missing")) return;
  OrderedJson& reliability = page["reliability"] = OrderedJson::object();
  put_reliability(reliability["rank"], detector, with_label, Probability::rank);
  put_reliability(reliability["gaussian"], detector, with_label, Probability::gaussian);
}

}  // namespace cugad
