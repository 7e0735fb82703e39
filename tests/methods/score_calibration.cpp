#include "host/detector/score_calibration.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "host/model_file/safetensors.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"

/// Probabilities, confidences and thresholds from the scores of training rows.
namespace cugad::test {
namespace {

std::vector<float> normal_scores(std::size_t count, std::uint64_t seed) {
  RandomNumbers numbers(seed);
  std::vector<float> scores(count);
  for (float& score : scores) score = static_cast<float>(3.0 + 2.0 * numbers.normal());
  return scores;
}

double exact_binomial_cdf(std::int64_t successes, std::int64_t trials, double probability) {
  double sum = 0, ways = 1;
  for (std::int64_t k = 0; k <= successes; ++k) {
    sum += ways * std::pow(probability, k) * std::pow(1 - probability, trials - k);
    ways = ways * static_cast<double>(trials - k) / static_cast<double>(k + 1);
  }
  return sum;
}

TEST(ScoreCalibration, BinomialIsTheExactSum) {
  for (const std::int64_t trials : {1, 2, 5, 17, 40}) {
    for (std::int64_t successes = -1; successes <= trials; ++successes) {
      for (const double p : {0.0, 1e-6, 0.02, 0.3, 0.5, 0.77, 0.99, 1.0}) {
        EXPECT_NEAR(binomial_cdf(successes, trials, p), exact_binomial_cdf(successes, trials, p), 1e-12)
            << successes << " of " << trials << " at " << p;
      }
    }
  }
  // Large counts: symmetry is exact, P(X <= n/2) of n = 2m + 1 at 1/2 is a half; both sides of it add up to 1.
  for (const std::int64_t trials : {1001, 20001, 2'000'000'001}) {
    const double rounding = trials < 100'000 ? 1e-9 : 1e-5;  // of logarithms of n!
    EXPECT_NEAR(binomial_cdf(trials / 2, trials, 0.5), 0.5, rounding) << trials;
    EXPECT_NEAR(binomial_cdf(trials / 10, trials, 0.1) + binomial_cdf(trials - trials / 10 - 1, trials, 0.9), 1,
                rounding);
  }
}

TEST(ScoreCalibration, RankCountsTheTrainingScores) {
  const std::vector<float> scores = normal_scores(1001, 1);  // each quantile is one of the scores
  const ScoreCalibration calibration(scores);
  for (const float score : scores) {
    const auto at_most = std::count_if(scores.begin(), scores.end(), [&](float other) { return other <= score; });
    EXPECT_NEAR(calibration.probability(score, Probability::rank), (1.0 + static_cast<double>(at_most)) / 1003, 1e-12);
  }
  EXPECT_DOUBLE_EQ(calibration.probability(-1e9, Probability::rank), 1.0 / 1003);
  EXPECT_DOUBLE_EQ(calibration.probability(1e9, Probability::rank), 1002.0 / 1003);
  // Ties count whole.
  const std::vector<float> tied = {1, 2, 2, 2, 3};
  EXPECT_NEAR(ScoreCalibration(tied).probability(2, Probability::rank), 5.0 / 7, 1e-3);
  const std::vector<float> same(9, 4.0f);
  EXPECT_DOUBLE_EQ(ScoreCalibration(same).probability(4, Probability::rank), 10.0 / 11);
  EXPECT_DOUBLE_EQ(ScoreCalibration(same).probability(3.999, Probability::rank), 1.0 / 11);
  EXPECT_EQ(ScoreCalibration(same).probability(4, Probability::gaussian), 0);
  EXPECT_EQ(ScoreCalibration(same).probability(5, Probability::gaussian), 1);
}

TEST(ScoreCalibration, GaussianIsTheErrorFunction) {
  const std::vector<float> scores = {0, 2, 4, 6, 8};  // mean 4, deviation sqrt 8
  const ScoreCalibration calibration(scores);
  EXPECT_DOUBLE_EQ(calibration.mean(), 4);
  EXPECT_DOUBLE_EQ(calibration.deviation(), std::sqrt(8.0));
  EXPECT_EQ(calibration.probability(3, Probability::gaussian), 0);
  EXPECT_NEAR(calibration.probability(6, Probability::gaussian), std::erf(0.5), 1e-15);
  EXPECT_EQ(calibration.probability(HUGE_VAL, Probability::gaussian), 1);
}

TEST(ScoreCalibration, NothingFallsAsTheScoreRises) {
  for (const std::size_t count : {1u, 2u, 7u, 1000u, 5000u}) {
    const ScoreCalibration calibration(normal_scores(count, count));
    double last_rank = 0, last_gaussian = 0;
    for (double score = -9; score < 15; score += 0.01) {
      const double rank = calibration.probability(score, Probability::rank);
      const double gaussian = calibration.probability(score, Probability::gaussian);
      const double confidence = calibration.confidence(score, 5.0, {});
      EXPECT_TRUE(rank >= last_rank && rank > 0 && rank < 1) << score;
      EXPECT_TRUE(gaussian >= last_gaussian && gaussian <= 1) << score;
      EXPECT_TRUE(confidence >= 0 && confidence <= 1) << score;
      last_rank = rank;
      last_gaussian = gaussian;
    }
    EXPECT_TRUE(std::isnan(calibration.probability(missing, Probability::rank)));
  }
}

TEST(ScoreCalibration, HeldOutRanksAreUniform) {
  const ScoreCalibration calibration(normal_scores(5000, 1));
  std::vector<double> ranks;
  for (const float score : normal_scores(5000, 2)) ranks.push_back(calibration.probability(score, Probability::rank));
  std::sort(ranks.begin(), ranks.end());
  double distance = 0;  // Kolmogorov and Smirnov's; its 99.9 % quantile for two samples of 5,000 is 0.039
  for (std::size_t r = 0; r < ranks.size(); ++r) distance = std::max(distance, std::abs(ranks[r] - r / 5000.0));
  EXPECT_LT(distance, 0.039);
}

/// As Perini et al. define it, with counts of whole rows; far from the threshold the label is certain.
TEST(ScoreCalibration, ConfidenceIsThatOfTheLabel) {
  const std::vector<float> scores = normal_scores(41, 3);
  const ScoreCalibration calibration(scores);
  DetectorOptions options;
  options.contamination = 0.1f;
  const std::int64_t normal = 37;  // 41 - int(4.1)
  const float threshold = calibration.threshold(options);
  for (const float score : scores) {
    const auto at_most = std::count_if(scores.begin(), scores.end(), [&](float other) { return other <= score; });
    const double below = exact_binomial_cdf(normal, 41, (1.0 + static_cast<double>(at_most)) / 43);
    EXPECT_NEAR(calibration.confidence(score, threshold, options), score >= threshold ? 1 - below : below, 1e-9);
  }
  const ScoreCalibration large(normal_scores(2000, 4));
  const float limit = large.threshold(options);
  EXPECT_GT(large.confidence(limit + 5, limit, options), 0.999);
  EXPECT_GT(large.confidence(limit - 5, limit, options), 0.999);
  EXPECT_NEAR(large.confidence(limit, limit, options), 0.5, 0.1);
}

std::int64_t flagged(const std::vector<float>& scores, float threshold) {
  return std::count_if(scores.begin(), scores.end(), [&](float score) { return score >= threshold; });
}

/// However many rows share a score, no more than the contamination are flagged.
TEST(ScoreCalibration, TiesAreNotFlagged) {
  DetectorOptions options;
  const auto flagged_of_its_own = [&](const std::vector<float>& scores) {
    return flagged(scores, ScoreCalibration(scores).threshold(options));
  };
  std::vector<float> half = normal_scores(1000, 5);
  std::fill(half.begin(), half.begin() + 500, 50.0f);
  for (const float contamination : {0.0f, 0.01f, 0.05f, 0.1f, 0.5f}) {
    options.contamination = contamination;
    EXPECT_EQ(flagged_of_its_own(std::vector<float>(100, 3.0f)), 0) << contamination;
    // Of n scores (n + 1) c lie above the threshold: one more than n c at a place that is whole.
    EXPECT_NEAR(flagged_of_its_own(normal_scores(1000, 6)), 1000 * contamination, 1.0) << contamination;
    EXPECT_EQ(flagged_of_its_own(half), contamination < 0.5f ? 0 : 500) << contamination;
  }
}

/// A threshold above the largest score is noted where ties put it there, not where its rate does.
TEST(ScoreCalibration, ThresholdsThatFlagNothingAreNoted) {
  DetectorOptions options;
  std::vector<float> some = normal_scores(1000, 5);
  std::fill(some.begin(), some.begin() + 60, 50.0f);
  const std::string note = ScoreCalibration(some).ties_note(options);
  EXPECT_EQ(note.find("60 of 1000 calibrating scores share the largest value"), 0u) << note;
  EXPECT_NE(note.find("for 5 % of new normal rows"), std::string::npos) << note;
  EXPECT_NE(ScoreCalibration(std::vector<float>(100, 3.0f)).ties_note(options), "");
  options.contamination = 0.1f;
  EXPECT_EQ(ScoreCalibration(some).ties_note(options), "");
  for (const float rate : {0.0f, 0.01f, 0.05f, 0.5f}) {
    options.contamination = rate;
    for (const int count : {1, 5, 99, 100, 1000}) {
      EXPECT_EQ(ScoreCalibration(normal_scores(count, 6)).ties_note(options), "") << rate << ", " << count;
    }
  }
  options.false_alarm_rate = 0.01f;
  EXPECT_EQ(ScoreCalibration(normal_scores(99, 6)).ties_note(options), "");
  EXPECT_NE(ScoreCalibration(some).ties_note(options), "");
}

/// The conformal threshold is the next number above the score of the smallest rank that holds.
TEST(ScoreCalibration, ConformalThresholdStandsAboveItsRank) {
  DetectorOptions options;
  const auto rank = [&](std::size_t count, float rate) {
    options.false_alarm_rate = rate;
    std::vector<float> scores(count);
    for (std::size_t i = 0; i < count; ++i) scores[i] = static_cast<float>(i + 1);
    const float threshold = ScoreCalibration(scores).threshold(options);
    return static_cast<double>(std::nextafter(threshold, 0.0f));
  };
  EXPECT_EQ(rank(99, 0.01f), 99);
  EXPECT_EQ(rank(100, 0.01f), 100);
  EXPECT_EQ(rank(999, 0.05f), 950);
  EXPECT_EQ(rank(1000, 0.05f), 951);
  EXPECT_EQ(rank(1, 0.5f), 1);
  EXPECT_EQ(rank(20000, 0.0001f), 19999);
}

/// Over many draws of calibrating scores, a new score reaches the threshold at the requested rate.
TEST(ScoreCalibration, RatesHold) {
  for (const bool conformal : {false, true}) {
    for (const float rate : {0.01f, 0.05f, 0.2f}) {
      DetectorOptions options;
      (conformal ? options.false_alarm_rate : options.contamination) = rate;
      std::int64_t alarms = 0, rows = 0;
      for (std::uint64_t draw = 0; draw < 400; ++draw) {
        const float threshold = ScoreCalibration(normal_scores(150, 2 * draw + 1)).threshold(options);
        alarms += flagged(normal_scores(100, 2 * draw + 2), threshold);
        rows += 100;
      }
      const double measured = static_cast<double>(alarms) / static_cast<double>(rows);
      // Four deviations of the mean over 400 draws: that of one is about sqrt(rate (1 - rate) (1 / 100 + 1 / 150)).
      const double error = 4 * std::sqrt(rate * (1 - rate) * (1.0 / 100 + 1.0 / 150) / 400);
      EXPECT_LT(measured, rate + error) << conformal << " " << rate;
      EXPECT_GT(measured, (conformal ? rate - 1.0 / 151 : rate) - error) << conformal << " " << rate;
    }
  }
  // Rows at the score of that rank do not count as alarms: ties do not raise the rate.
  DetectorOptions options;
  options.false_alarm_rate = 0.1f;
  EXPECT_GT(ScoreCalibration(std::vector<float>(50, 2.0f)).threshold(options), 2.0f);
}

/// Too few scores for the rate: the threshold lies beyond all of them, and a note has the number needed.
TEST(ScoreCalibration, FewScoresGiveAConservativeThreshold) {
  for (const bool conformal : {false, true}) {
    for (const float rate : {0.01f, 0.05f}) {
      DetectorOptions options;
      (conformal ? options.false_alarm_rate : options.contamination) = rate;
      const auto needed = static_cast<std::size_t>(std::lround((1 - rate) / rate));
      EXPECT_EQ(threshold_note(static_cast<std::int64_t>(needed), options), "");
      const std::string note = threshold_note(static_cast<std::int64_t>(needed) - 1, options);
      EXPECT_NE(note.find(std::to_string(needed)), std::string::npos) << note;
      for (const std::size_t count : {std::size_t{1}, std::size_t{2}, std::size_t{7}, needed - 1}) {
        const std::vector<float> scores = normal_scores(count, count);
        const float most = *std::max_element(scores.begin(), scores.end());
        EXPECT_GT(ScoreCalibration(scores).threshold(options), most) << count;
      }
      // New scores of a normal distribution pass it less often than requested.
      std::int64_t alarms = 0;
      for (std::uint64_t draw = 0; draw < 400; ++draw) {
        const float threshold = ScoreCalibration(normal_scores(10, 2 * draw + 1)).threshold(options);
        alarms += flagged(normal_scores(100, 2 * draw + 2), threshold);
      }
      EXPECT_LT(static_cast<double>(alarms) / 40000, rate);
    }
  }
}

/// The upper tail is kept exactly, whatever the count.
TEST(ScoreCalibration, TailIsExact) {
  for (const std::size_t count : {5u, 199u, 200u, 201u, 1500u, 20000u}) {
    std::vector<float> scores = normal_scores(count, count);
    const ScoreCalibration calibration(scores);
    std::sort(scores.begin(), scores.end());
    const std::size_t kept = std::min<std::size_t>(count, ScoreCalibration::largest);
    for (std::size_t i = count - kept; i < count; ++i) {
      EXPECT_DOUBLE_EQ(calibration.probability(scores[i], Probability::rank),
                       (2.0 + static_cast<double>(i)) / (2.0 + static_cast<double>(count)));
    }
  }
}

TEST(ScoreCalibration, DetectorKeepsItInItsFile) {
  const TemporaryDirectory directory;
  DetectorOptions options = quick_options();
  options.false_alarm_rate = 0.1f;
  Detector detector = fitted(options, normal_rows(1500, 1));
  const std::vector<float> scores = detector.score(normal_rows(3000, 2).view());
  const auto alarms = std::count_if(scores.begin(), scores.end(), [&](float s) { return s >= detector.threshold(); });
  EXPECT_NEAR(static_cast<double>(alarms) / 3000, 0.1, 0.04);
  const std::vector<float> ranks = detector.probability(scores, Probability::rank);
  double mean = 0;
  for (const float rank : ranks) mean += rank / 3000;
  EXPECT_NEAR(mean, 0.5, 0.05);
  detector.save(directory.file("model"));
  const Detector loaded = Detector::load(test_device(1), directory.file("model"));
  for (const Probability kind : {Probability::rank, Probability::gaussian}) {
    EXPECT_TRUE(same_bits(loaded.probability(scores, kind), detector.probability(scores, kind)));
    // A row's value does not depend on the rows beside it.
    EXPECT_EQ(detector.probability({&scores[7], 1}, kind)[0], detector.probability(scores, kind)[7]);
  }
  EXPECT_TRUE(same_bits(loaded.confidence(scores), detector.confidence(scores)));
  EXPECT_TRUE(detector.confidence({}).empty());
}

/// A threshold that is set anew is the one that a training with that rate would have set, and it is saved.
TEST(ScoreCalibration, ThresholdsCanBeSetAnew) {
  const TemporaryDirectory directory;
  const Matrix rows = normal_rows(400, 1);
  Detector detector = fitted(quick_options(), rows);
  const float usual = detector.threshold();
  DetectorOptions other = quick_options();
  other.contamination = 0.2f;
  const float wider = fitted(other, rows).threshold();
  EXPECT_LT(wider, usual);
  detector.set_contamination(0.2f);
  EXPECT_EQ(detector.threshold(), wider);
  detector.save(directory.file("model"));
  Detector loaded = Detector::load(test_device(1), directory.file("model"));
  EXPECT_EQ(loaded.threshold(), wider);
  EXPECT_EQ(loaded.calibration().rows, 160) << "two of five folds: those that two models leave out";
  EXPECT_EQ(loaded.calibration().folds, 5);
  other = quick_options();
  other.false_alarm_rate = 0.02f;
  loaded.set_false_alarm_rate(0.02f);
  EXPECT_EQ(loaded.threshold(), fitted(other, rows).threshold());
  loaded.set_contamination(0.05f);
  EXPECT_EQ(loaded.threshold(), usual);
  const std::vector<float> scores = detector.score(rows.view());
  EXPECT_FALSE(same_bits(loaded.confidence(scores), detector.confidence(scores)));  // of labels at other thresholds
  for (const float wrong : {-0.1f, 0.6f, missing}) {
    expect_error(ErrorCode::invalid_argument, {"contamination"}, [&] { loaded.set_contamination(wrong); });
    expect_error(ErrorCode::invalid_argument, {"false_alarm_rate"}, [&] { loaded.set_false_alarm_rate(wrong); });
  }
  expect_error(ErrorCode::invalid_argument, {"false_alarm_rate"}, [&] { loaded.set_false_alarm_rate(0); });
  EXPECT_EQ(loaded.threshold(), usual);
  Detector unfitted(test_device(1), quick_options());
  expect_error(ErrorCode::invalid_argument, {"not fitted"}, [&] { unfitted.set_contamination(0.1f); });
  EXPECT_EQ(unfitted.calibration().rows, 0);
}

/// A note names what cannot be promised, and the training goes on.
TEST(ScoreCalibration, SaysWhatCannotBePromised) {
  DetectorOptions options = quick_options();
  options.false_alarm_rate = 0.001f;
  std::string messages;
  FitControl control;
  control.on_message = [&](const std::string& text) { messages += text + "\n"; };
  Detector detector(test_device(1), options);
  const Matrix rows = normal_rows(300, 1);
  detector.fit(rows.view(), control);
  EXPECT_NE(messages.find("0.1 % of new normal rows"), std::string::npos) << messages;
  EXPECT_NE(messages.find("at least 999 rows"), std::string::npos) << messages;
  EXPECT_EQ(flagged(detector.score(rows.view()), detector.threshold()), 0);
  const Detector unfitted(test_device(1), quick_options());
  expect_error(ErrorCode::invalid_argument, {"not fitted"}, [&] { unfitted.confidence({}); });
}

TEST(ScoreCalibration, FilesWithoutItLoadAndHostileOnesDoNot) {
  using Json = nlohmann::json;
  const TemporaryDirectory directory;
  const std::string path = directory.file("model");
  fitted(quick_options(), normal_rows(200, 1)).save(path);
  const safetensors::File good = safetensors::read(path);
  safetensors::File older = good;
  older.metadata.erase("score_calibration");
  safetensors::write(path, older);
  Detector loaded = Detector::load(test_device(1), path);
  EXPECT_EQ(loaded.calibration().rows, 0);
  expect_error(ErrorCode::unsupported, {"score_calibration"}, [&] { loaded.set_contamination(0.1f); });
  expect_error(ErrorCode::unsupported, {"score_calibration"}, [&] { loaded.probability({}, Probability::rank); });
  expect_error(ErrorCode::unsupported, {"score_calibration"}, [&] { loaded.confidence({}); });

  const std::vector<std::function<void(Json&)>> damages = {
      [](Json& c) { c = Json::array(); },
      [](Json& c) { c["count"] = 0; },
      [](Json& c) { c["count"] = -5; },
      [](Json& c) { c["count"] = 1e300; },
      [](Json& c) { c["count"] = std::uint64_t{1} << 63; },
      [](Json& c) { c["count"] = 12.5; },
      [](Json& c) { c.erase("mean"); },
      [](Json& c) { c["mean"] = "3"; },
      [](Json& c) { c["mean"] = 1e300; },
      [](Json& c) { c["standard_deviation"] = -1; },
      [](Json& c) { c["standard_deviation"] = nullptr; },
      [](Json& c) { c.erase("quantiles"); },
      [](Json& c) { c["quantiles"].erase(3); },
      [](Json& c) { c["quantiles"][0] = 1e30; },
      [](Json& c) { c["quantiles"][1000] = 1e300; },
      [](Json& c) { c["quantiles"][500] = "x"; },
      [](Json& c) { c["quantiles"][500] = nullptr; },
      [](Json& c) { c["largest"].erase(3); },
      [](Json& c) { c["largest"][199] = -1e30; },
      [](Json& c) { c["largest"][0] = "x"; },
      [](Json& c) { c["folds"] = 0; },
      [](Json& c) { c["folds"] = "5"; },
  };
  for (std::size_t d = 0; d < damages.size(); ++d) {
    safetensors::File file = good;
    Json json = Json::parse(file.metadata.at("score_calibration"));
    damages[d](json);
    file.metadata["score_calibration"] = json.dump();
    safetensors::write(path, file);
    SCOPED_TRACE(d);
    expect_error(ErrorCode::format, {path, "score_calibration"}, [&] { Detector::load(test_device(1), path); });
  }
  safetensors::File file = good;
  file.metadata["score_calibration"] = "{";
  safetensors::write(path, file);
  expect_error(ErrorCode::format, {path, "score_calibration"}, [&] { Detector::load(test_device(1), path); });
}

}  // namespace
}  // namespace cugad::test
