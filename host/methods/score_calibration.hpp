#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "cugad/detector.hpp"

namespace cugad {

/// What the scores of the training rows were like: turns a score into a probability, and a false alarm rate into a
/// threshold. All of it depends on the one score and these statistics alone, so it is the same in any batch.
class ScoreCalibration {
 public:
  static constexpr int quantiles = 1001;

  /// Throws Error{invalid_argument} where there is no score, or one is NaN.
  explicit ScoreCalibration(std::span<const float> training_scores);

  std::int64_t count() const { return count_; }
  double mean() const { return mean_; }
  double deviation() const { return deviation_; }

  /// rank: (1 + training scores <= score) / (2 + count), linear between the quantiles that are kept.
  /// gaussian: erf((score - mean) / (deviation sqrt 2)), at least 0. Both never fall as the score rises; NaN stays NaN.
  double probability(double score, Probability kind) const;
  /// How likely the decision at the threshold (score >= threshold: anomalous) would be the same, had other rows of the
  /// same distribution been trained on (Perini, Vercruyssen, Davis 2020). `normal_count`: how many of the training rows
  /// the threshold leaves below.
  double confidence(double score, double threshold, std::int64_t normal_count) const;

  /// JSON; from_json throws Error{format} for anything but what to_json can have written.
  std::string to_json() const;
  static ScoreCalibration from_json(const std::string& json);

 private:
  ScoreCalibration() = default;

  std::int64_t count_ = 0;
  double mean_ = 0, deviation_ = 0;
  std::array<float, quantiles> quantile_{};  ///< ascending, from the least score to the largest
};

/// Split-conformal rank: the ceil((count + 1) (1 - rate))-th smallest of `count` scores is exceeded by one more score
/// of the same distribution with probability at most `rate`. Throws Error{invalid_argument} where even the largest is
/// not enough (the threshold would be infinite).
std::int64_t conformal_rank(std::int64_t count, double false_alarm_rate);

/// The threshold that the options ask for: by false_alarm_rate where it is set, else by contamination. A row is
/// anomalous from the threshold on, hence the conformal one is the next number above the score of that rank.
float score_threshold(std::span<const float> training_scores, const DetectorOptions& options);
/// How many of `count` training rows that threshold counts as normal.
std::int64_t expected_normal(std::int64_t count, const DetectorOptions& options);

/// P(X <= successes) of X binomial with `trials` and `probability`.
double binomial_cdf(std::int64_t successes, std::int64_t trials, double probability);

}  // namespace cugad
