#include "cugad/metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "common/npz.hpp"
#include "cugad/error.hpp"

namespace cugad::metrics {
namespace {

using Labels = std::vector<std::uint8_t>;
using Scores = std::vector<float>;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

void expect_close(double actual, double expected) {
  EXPECT_LE(std::abs(actual - expected), 1e-12 * std::abs(expected)) << actual << " instead of " << expected;
}

template <class Call>
void expect_invalid(Call call) {
  try {
    call();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
  }
}

TEST(Metrics, GoldenVectors) {
  const auto arrays = test::read_npz(CUGAD_SOURCE_DIR "/tests/golden/metrics.npz");
  int cases = 0;
  for (const std::string name : {"n10", "n50", "n257", "n2000", "n2000_noties", "alltied", "perfect"}) {
    SCOPED_TRACE(name);
    const auto& label_values = arrays.at(name + "_y").values;
    const auto& score_values = arrays.at(name + "_score").values;
    const Labels label(label_values.begin(), label_values.end());
    const Scores score(score_values.begin(), score_values.end());
    expect_close(auroc(label, score), arrays.at(name + "_auroc").values.at(0));
    expect_close(average_precision(label, score), arrays.at(name + "_auprc").values.at(0));
    const auto& top = arrays.at(name + "_topk");
    ASSERT_EQ(top.shape, (std::vector<std::int64_t>{4, 7}));
    for (std::size_t row = 0; row < 4; ++row) {
      const double* expected = top.values.data() + row * 7;
      SCOPED_TRACE(expected[0]);
      const Decision decision = decide_top_percent(label, score, expected[0]);
      EXPECT_EQ(decision.threshold, expected[1]);
      EXPECT_EQ(static_cast<double>(decision.flagged), expected[2]);
      EXPECT_EQ(static_cast<double>(decision.true_positives), expected[3]);
      expect_close(decision.precision, expected[4]);
      expect_close(decision.recall, expected[5]);
      expect_close(decision.f1, expected[6]);
    }
    ++cases;
  }
  EXPECT_EQ(static_cast<std::size_t>(cases) * 5, arrays.size()) << "an array of the file was not looked at";
}

/// The definition, pair by pair.
double auroc_by_pairs(const Labels& label, const Scores& score) {
  double wins = 0, pairs = 0;
  for (std::size_t anomaly = 0; anomaly < label.size(); ++anomaly)
    for (std::size_t normal = 0; normal < label.size(); ++normal) {
      if (label[anomaly] == 0 || label[normal] != 0) continue;
      pairs += 1;
      wins += score[anomaly] > score[normal] ? 1.0 : score[anomaly] == score[normal] ? 0.5 : 0.0;
    }
  return wins / pairs;
}

/// The definition, threshold by threshold, each counted separately.
double average_precision_by_thresholds(const Labels& label, const Scores& score) {
  Scores thresholds = score;
  std::sort(thresholds.begin(), thresholds.end(), std::greater<>());
  thresholds.erase(std::unique(thresholds.begin(), thresholds.end()), thresholds.end());
  double sum = 0, previous_recall = 0;
  for (const float threshold : thresholds) {
    const Decision decision = decide(label, score, static_cast<double>(threshold));
    sum += (decision.recall - previous_recall) * decision.precision;
    previous_recall = decision.recall;
  }
  return sum;
}

TEST(Metrics, AgreeWithTheirDefinitionsOnRandomTiedData) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const std::size_t rows = 2 + random() % 150;
    const unsigned distinct_scores = 1 + random() % 40;
    Labels label(rows);
    Scores score(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      label[i] = random() % 4 == 0 ? static_cast<std::uint8_t>(1 + random() % 255) : 0;
      score[i] = static_cast<float>(random() % distinct_scores) - 7.5f;
      if (random() % 50 == 0) score[i] = random() % 2 == 0 ? infinity : -infinity;
    }
    label[0] = 1;
    label[1] = 0;
    expect_close(auroc(label, score), auroc_by_pairs(label, score));
    expect_close(average_precision(label, score), average_precision_by_thresholds(label, score));
  }
}

TEST(Metrics, AurocIsExactAtItsEnds) {
  EXPECT_EQ(auroc(Labels{0, 1}, Scores{1, 2}), 1.0);
  EXPECT_EQ(auroc(Labels{0, 1}, Scores{2, 1}), 0.0);
  EXPECT_EQ(auroc(Labels{0, 1}, Scores{0.0f, -0.0f}), 0.5) << "both zeros are one score";
  EXPECT_EQ(auroc(Labels{0, 7, 0, 255}, Scores{-infinity, infinity, 3, infinity}), 1.0);
}

TEST(Metrics, AurocCountsMorePairsThanFitInThirtyTwoBits) {
  constexpr std::size_t rows = 400'000;
  Labels label(rows);
  Scores score(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    label[i] = i % 2;
    score[i] = static_cast<float>(i / 2);
  }
  // Each anomaly ties with one normal row and beats all below: by symmetry exactly one half.
  EXPECT_EQ(auroc(label, score), 0.5);
}

TEST(Metrics, AveragePrecisionOfKnownRankings) {
  EXPECT_EQ(average_precision(Labels{1, 1, 0, 0}, Scores{4, 3, 2, 1}), 1.0);
  EXPECT_EQ(average_precision(Labels{0, 0, 0, 1}, Scores{4, 3, 2, 1}), 0.25);
  EXPECT_EQ(average_precision(Labels{0, 1, 0, 1}, Scores{5, 5, 5, 5}), 0.5);
  EXPECT_EQ(average_precision(Labels{1, 1}, Scores{1, 2}), 1.0) << "needs no normal row";
}

TEST(Metrics, PercentileInterpolatesLinearly) {
  const Scores values{40, 10, 30, 20};
  EXPECT_EQ(percentile(values, 0), 10);
  EXPECT_EQ(percentile(values, 100), 40);
  EXPECT_EQ(percentile(values, 50), 25);
  EXPECT_EQ(percentile(values, 25), 17.5);
  EXPECT_EQ(percentile(values, 75), 32.5);
  EXPECT_EQ(percentile(Scores{3}, 61.7), 3);
  EXPECT_EQ(percentile(Scores{2, 2, 2}, 33.3), 2);
  const Scores largest{-std::numeric_limits<float>::max(), std::numeric_limits<float>::max()};
  EXPECT_EQ(percentile(largest, 50), 0) << "the difference of two floats fits in a double";
}

TEST(Metrics, PercentileEqualsNumpyToTheBit) {
  // Chosen so that interpolating from the other end gives other bits.
  EXPECT_EQ(percentile(Scores{10, 0.75f}, 9.1), 1.59175);
  EXPECT_EQ(percentile(Scores{5.25f, 7.75f, 1}, 20.7), 2.7595);
  EXPECT_EQ(percentile(Scores{-15.25f, 10.5f}, 85.9), 6.869250000000003);
  EXPECT_EQ(percentile(Scores{-23, -0.25f, 5.75f}, 48.1), -1.1144999999999983);
}

TEST(Metrics, PercentileIsInOrderForAnyData) {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> uniform(-1e3f, 1e3f);
  for (int trial = 0; trial < 100; ++trial) {
    Scores values(1 + random() % 60);
    for (float& value : values) value = uniform(random);
    double previous = -std::numeric_limits<double>::infinity();
    for (double percent = 0; percent <= 100; percent += 0.5) {
      const double current = percentile(values, percent);
      EXPECT_GE(current, previous);
      previous = current;
    }
    EXPECT_EQ(previous, *std::max_element(values.begin(), values.end()));
  }
}

TEST(Metrics, PercentileBesideInfinityIsNeverNan) {
  EXPECT_EQ(percentile(Scores{1, infinity}, 10), infinity);
  EXPECT_EQ(percentile(Scores{1, infinity}, 90), infinity);
  EXPECT_EQ(percentile(Scores{-infinity, 1}, 10), 1);
  EXPECT_EQ(percentile(Scores{-infinity, infinity}, 50), infinity);
  EXPECT_EQ(percentile(Scores{infinity, infinity}, 50), infinity);
  EXPECT_EQ(percentile(Scores{1, 2, infinity}, 50), 2);
}

TEST(Metrics, DecisionCountsAndRatios) {
  const Labels label{1, 0, 1, 0, 1};
  const Scores score{5, 4, 3, 2, 1};
  const Decision decision = decide(label, score, 3.0);
  EXPECT_EQ(decision.threshold, 3.0);
  EXPECT_EQ(decision.flagged, 3);
  EXPECT_EQ(decision.true_positives, 2);
  EXPECT_DOUBLE_EQ(decision.precision, 2.0 / 3);
  EXPECT_DOUBLE_EQ(decision.recall, 2.0 / 3);
  EXPECT_DOUBLE_EQ(decision.f1, 2.0 / 3);
}

TEST(Metrics, DecisionComparesInDouble) {
  const double just_above = std::nextafter(static_cast<double>(0.1f), 1.0);
  EXPECT_EQ(decide(Labels{1}, Scores{0.1f}, static_cast<double>(0.1f)).flagged, 1);
  EXPECT_EQ(decide(Labels{1}, Scores{0.1f}, just_above).flagged, 0);
}

TEST(Metrics, RatiosWithEmptyDenominatorsAreZero) {
  const Decision none_flagged = decide(Labels{1, 0}, Scores{1, 2}, 3.0);
  EXPECT_EQ(none_flagged.flagged, 0);
  EXPECT_EQ(none_flagged.precision, 0);
  EXPECT_EQ(none_flagged.f1, 0);
  const Decision no_anomaly = decide(Labels{0, 0}, Scores{1, 2}, 2.0);
  EXPECT_EQ(no_anomaly.flagged, 1);
  EXPECT_EQ(no_anomaly.recall, 0);
  EXPECT_EQ(no_anomaly.f1, 0);
  const Decision no_rows = decide(Labels{}, Scores{}, 0.0);
  EXPECT_EQ(no_rows.flagged, 0);
  EXPECT_EQ(no_rows.f1, 0);
}

TEST(Metrics, TopPercentAtItsEnds) {
  const Labels label{1, 0, 0, 1};
  const Scores score{4, 4, 2, 1};
  EXPECT_EQ(decide_top_percent(label, score, 100).flagged, 4);
  EXPECT_EQ(decide_top_percent(label, score, 0).flagged, 2) << "ties at the highest score are all flagged";
}

TEST(Metrics, RefuseBadInput) {
  const Labels label{0, 1, 0};
  const Scores score{1, 2, 3};
  expect_invalid([&] { auroc(label, Scores{1, 2}); });
  expect_invalid([&] { average_precision(label, Scores{1, 2}); });
  expect_invalid([&] { decide(label, Scores{1, 2}, 0); });
  expect_invalid([&] { decide_top_percent(label, Scores{1, 2}, 10); });

  expect_invalid([&] { auroc(label, Scores{1, nan, 3}); });
  expect_invalid([&] { average_precision(label, Scores{1, 2, nan}); });
  expect_invalid([&] { decide(label, Scores{nan, 2, 3}, 0); });
  expect_invalid([&] { decide_top_percent(label, Scores{1, nan, 3}, 10); });
  expect_invalid([&] { percentile(Scores{1, nan}, 10); });

  expect_invalid([&] { auroc(Labels{0, 0, 0}, score); });
  expect_invalid([&] { auroc(Labels{1, 1, 1}, score); });
  expect_invalid([&] { auroc(Labels{}, Scores{}); });
  expect_invalid([&] { average_precision(Labels{0, 0, 0}, score); });
  expect_invalid([&] { average_precision(Labels{}, Scores{}); });

  expect_invalid([&] { percentile(Scores{}, 10); });
  for (const double percent : {-0.001, 100.001, static_cast<double>(nan), static_cast<double>(infinity)}) {
    expect_invalid([&] { percentile(score, percent); });
    expect_invalid([&] { decide_top_percent(label, score, percent); });
  }
  expect_invalid([&] { decide(label, score, static_cast<double>(nan)); });
}

TEST(Regions, PixelsThatTouchAreOne) {
  const Labels mask = {1, 0, 0, 1,  //
                       0, 1, 0, 1,  //
                       0, 0, 0, 0,  //
                       1, 1, 0, 1};
  std::vector<std::int32_t> region(16);
  EXPECT_EQ(label_regions(mask, 4, 5, region), 9);
  EXPECT_EQ(region, (std::vector<std::int32_t>{5, 0, 0, 6, 0, 5, 0, 6, 0, 0, 0, 0, 7, 7, 0, 8}));
  EXPECT_EQ(label_regions(Labels(16), 4, 1, region), 1);
  EXPECT_EQ(region, std::vector<std::int32_t>(16));
  expect_invalid([&] { label_regions(mask, 5, 1, region); });
  expect_invalid([&] { label_regions(mask, 4, 0, region); });
  expect_invalid([&] { label_regions(mask, 4, 1, std::span(region).first(15)); });
}

/// The definition: every threshold, every region.
double overlap_by_definition(const std::vector<std::int32_t>& region, const Scores& score, double limit) {
  Scores thresholds = score;
  std::sort(thresholds.begin(), thresholds.end(), std::greater<>());
  thresholds.erase(std::unique(thresholds.begin(), thresholds.end()), thresholds.end());
  const std::int32_t regions = *std::max_element(region.begin(), region.end());
  std::vector<std::pair<double, double>> curve = {{0, 0}};
  for (const float threshold : thresholds) {
    std::vector<double> found(static_cast<std::size_t>(regions) + 1), all(found.size());
    for (std::size_t i = 0; i < region.size(); ++i) {
      all[static_cast<std::size_t>(region[i])] += 1;
      found[static_cast<std::size_t>(region[i])] += score[i] >= threshold ? 1 : 0;
    }
    double overlap = 0;
    for (std::size_t r = 1; r < all.size(); ++r) overlap += found[r] / all[r] / regions;
    curve.emplace_back(found[0] / all[0], overlap);
  }
  // Fine steps along the curve, whose verticals add nothing.
  double area = 0;
  for (std::size_t i = 1; i < curve.size(); ++i) {
    const auto [x0, y0] = curve[i - 1];
    const auto [x1, y1] = curve[i];
    if (x0 >= limit || x1 == x0) continue;
    const double end = std::min(x1, limit);
    area += (end - x0) * (y0 + (y0 + (y1 - y0) * (end - x0) / (x1 - x0))) / 2;
  }
  return area / limit;
}

TEST(Regions, OverlapFollowsItsDefinition) {
  const unsigned seed = 31;
  std::mt19937 random(seed);
  for (int round = 0; round < 40; ++round) {
    const std::size_t pixels = 8 + random() % 80;
    const auto regions = 1 + static_cast<std::int32_t>(random() % 4);
    std::vector<std::int32_t> region(pixels);
    Scores score(pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
      region[i] = i < static_cast<std::size_t>(regions) ? static_cast<std::int32_t>(i) + 1
                  : i < 6                               ? 0
                                                        : static_cast<std::int32_t>(random() % 3) % (regions + 1);
      // Few distinct scores, so that many tie.
      score[i] = static_cast<float>(random() % (round % 2 == 0 ? 7u : 1000u)) + (region[i] != 0 ? 2.0f : 0.0f);
    }
    for (const double limit : {0.1, 0.3, 1.0}) {
      EXPECT_NEAR(region_overlap(region, score, limit), overlap_by_definition(region, score, limit), 1e-12)
          << "seed " << seed << ", round " << round;
    }
  }
}

TEST(Regions, KnownOverlaps) {
  // One region is found at once, the other with the last of four normal pixels.
  const std::vector<std::int32_t> region = {1, 1, 2, 0, 0, 0, 0};
  EXPECT_NEAR(region_overlap(region, Scores{9, 9, 9, 1, 1, 1, 1}), 1.0, 1e-15);
  EXPECT_NEAR(region_overlap(region, Scores{9, 9, 0, 4, 3, 2, 1}), 0.5, 1e-15);
  EXPECT_NEAR(region_overlap(region, Scores(7, 1.0f)), 0.15, 1e-15);  // chance
  expect_invalid([&] { region_overlap(region, Scores(6, 1.0f)); });
  expect_invalid([&] { region_overlap(region, Scores(7, nan)); });
  expect_invalid([&] { region_overlap(region, Scores(7, 1.0f), 0.0); });
  expect_invalid([&] { region_overlap(std::vector<std::int32_t>(7), Scores(7, 1.0f)); });
  expect_invalid([&] { region_overlap(std::vector<std::int32_t>(7, 1), Scores(7, 1.0f)); });
  expect_invalid([&] { region_overlap(std::vector<std::int32_t>{0, -1}, Scores(2, 1.0f)); });
}

}  // namespace
}  // namespace cugad::metrics
