#include "cugad/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cugad/error.hpp"
#include "host/floating_point.hpp"

namespace cugad::metrics {
namespace {

[[noreturn]] void fail(const char* measure, const std::string& reason) {
  throw Error(ErrorCode::invalid_argument, fmt::format("{}: {}", measure, reason));
}

void check_scores(const char* measure, std::span<const float> score) {
  const auto found = std::find_if(score.begin(), score.end(), [](float value) { return std::isnan(value); });
  if (found != score.end()) fail(measure, fmt::format("the score of row {} is NaN", found - score.begin()));
}

void check(const char* measure, std::span<const std::uint8_t> label, std::span<const float> score) {
  if (label.size() != score.size())
    fail(measure, fmt::format("{} labels and {} scores, expected as many of each", label.size(), score.size()));
  check_scores(measure, score);
}

std::int64_t count_anomalies(std::span<const std::uint8_t> label) {
  return std::count_if(label.begin(), label.end(), [](std::uint8_t value) { return value != 0; });
}

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// Rows that share one score: a threshold takes all of them or none.
struct TieGroup {
  std::int64_t anomalies = 0, normals = 0;
};

/// Calls visit(group) from the highest score to the lowest.
template <class Visit>
void for_each_tie_group(std::span<const std::uint8_t> label, std::span<const float> score, Visit visit) {
  struct Row {
    float score;
    bool anomaly;
  };
  std::vector<Row> rows(score.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = {score[i], label[i] != 0};
  std::sort(rows.begin(), rows.end(), [](const Row& left, const Row& right) { return left.score > right.score; });
  for (std::size_t i = 0; i < rows.size();) {
    TieGroup group;
    const float shared = rows[i].score;
    for (; i < rows.size() && rows[i].score == shared; ++i) ++(rows[i].anomaly ? group.anomalies : group.normals);
    visit(group);
  }
}

}  // namespace

double auroc(std::span<const std::uint8_t> label, std::span<const float> score) {
  const FloatingPointEnvironment environment;
  check("auroc", label, score);
  const std::int64_t anomalies = count_anomalies(label);
  const std::int64_t normals = std::ssize(label) - anomalies;
  if (anomalies == 0 || normals == 0)
    fail("auroc", fmt::format("{} anomalies and {} normal rows, expected some of both", anomalies, normals));
  // Twice the count of pairs won, so that half a point for a tie stays an integer and the sum is exact.
  std::uint64_t doubled_wins = 0;
  std::int64_t normals_below = normals;
  for_each_tie_group(label, score, [&](const TieGroup& group) {
    normals_below -= group.normals;
    doubled_wins += static_cast<std::uint64_t>(group.anomalies) *
                    (2 * static_cast<std::uint64_t>(normals_below) + static_cast<std::uint64_t>(group.normals));
  });
  return static_cast<double>(doubled_wins) / (2.0 * static_cast<double>(anomalies) * static_cast<double>(normals));
}

double average_precision(std::span<const std::uint8_t> label, std::span<const float> score) {
  const FloatingPointEnvironment environment;
  check("average_precision", label, score);
  const std::int64_t anomalies = count_anomalies(label);
  if (anomalies == 0) fail("average_precision", fmt::format("no anomaly in {} rows, expected some", label.size()));
  double sum = 0;
  std::int64_t found = 0, flagged = 0;
  for_each_tie_group(label, score, [&](const TieGroup& group) {
    found += group.anomalies;
    flagged += group.anomalies + group.normals;
    sum += static_cast<double>(group.anomalies) * ratio(found, flagged);
  });
  return sum / static_cast<double>(anomalies);
}

double percentile(std::span<const float> values, double percent) {
  const FloatingPointEnvironment environment;
  if (values.empty()) fail("percentile", "no values");
  if (!(percent >= 0 && percent <= 100)) fail("percentile", fmt::format("{} percent, expected 0 to 100", percent));
  check_scores("percentile", values);
  std::vector<float> ordered(values.begin(), values.end());
  const double position = percent / 100 * static_cast<double>(ordered.size() - 1);
  const auto below = ordered.begin() + static_cast<std::ptrdiff_t>(position);
  std::nth_element(ordered.begin(), below, ordered.end());
  const double fraction = position - std::floor(position);
  const double lower = *below;
  if (fraction == 0) return lower;
  const double upper = *std::min_element(below + 1, ordered.end());
  // No line leads to an infinite value. The upper one makes the same decision as every value between the two.
  if (std::isinf(lower) || std::isinf(upper)) return upper;
  // From the nearer end, as numpy does, so that thresholds agree with it to the bit.
  return fraction < 0.5 ? lower + (upper - lower) * fraction : upper - (upper - lower) * (1 - fraction);
}

Decision decide(std::span<const std::uint8_t> label, std::span<const float> score, double threshold) {
  const FloatingPointEnvironment environment;
  check("decide", label, score);
  if (std::isnan(threshold)) fail("decide", "the threshold is NaN");
  Decision decision;
  decision.threshold = threshold;
  for (std::size_t i = 0; i < score.size(); ++i) {
    if (!(static_cast<double>(score[i]) >= threshold)) continue;
    ++decision.flagged;
    if (label[i] != 0) ++decision.true_positives;
  }
  const std::int64_t anomalies = count_anomalies(label);
  decision.precision = ratio(decision.true_positives, decision.flagged);
  decision.recall = ratio(decision.true_positives, anomalies);
  // Equal to 2 P R / (P + R), and defined if both are 0.
  decision.f1 = ratio(2 * decision.true_positives, decision.flagged + anomalies);
  return decision;
}

Decision decide_top_percent(std::span<const std::uint8_t> label, std::span<const float> score, double percent) {
  const FloatingPointEnvironment environment;
  check("decide_top_percent", label, score);
  return decide(label, score, percentile(score, 100 - percent));
}

}  // namespace cugad::metrics
