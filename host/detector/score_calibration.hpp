#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "cugad/detector.hpp"

namespace cugad {

class Reader;

/// Held-out scores, the sample of those of new normal rows: turns a score into a probability, and a false alarm rate
/// into a threshold. All of it depends on the one score and these statistics alone, so it is the same in any batch.
class ScoreCalibration {
 public:
  static constexpr int quantiles = 1001, largest = 200;

  /// `folds`: of the cross-fitting that made the scores; 1: they are scores of rows that the models have seen. Throws
  /// Error{invalid_argument} if there is no score, or one is NaN.
  explicit ScoreCalibration(std::span<const float> scores, std::int64_t folds = 1);

  std::int64_t count() const { return count_; }
  std::int64_t folds() const { return folds_; }
  double mean() const { return mean_; }
  double deviation() const { return deviation_; }

  /// rank: (1 + scores <= score) / (2 + count). gaussian: erf((score - mean) / (deviation sqrt 2)), at least 0. Both
  /// never fall as the score rises; NaN stays NaN.
  double probability(double score, Probability kind) const;
  /// The threshold by the options: a row is anomalous from there on. By false_alarm_rate, if that is set, the
  /// next number above the split-conformal rank's score; else the (count + 1)(1 - contamination)-th smallest score,
  /// linear between two, or the next number above it if so many share it that more would be flagged. Beyond the largest
  /// score, if there are too few to promise the rate, by an exponential tail (threshold_note() warns).
  float threshold(const DetectorOptions& options) const;
  /// One line if so many scores share the largest that this threshold lies above it and flags no row that is like the
  /// calibrating ones, as on tables of few distinct values; else empty.
  std::string ties_note(const DetectorOptions& options) const;
  /// How likely the decision at the threshold (score >= threshold: anomalous) would be the same, had other rows of the
  /// same distribution been trained on (Perini, Vercruyssen, Davis 2020).
  double confidence(double score, double threshold, const DetectorOptions& options) const;

  /// JSON, the metadata "score_calibration" of a model file; read() throws Error{format} for anything but what to_json
  /// can have written.
  std::string to_json() const;
  static ScoreCalibration read(const Reader& reader);

 private:
  ScoreCalibration() = default;
  /// The score at a place from 1 to count, in ascending order.
  double score_at(double place) const;
  /// How many scores are at most, or below, a value.
  double at_most(double score) const;
  double below(double score) const;
  std::int64_t tail_size() const { return std::min<std::int64_t>(has_tail_ ? largest : 0, count_); }

  std::int64_t count_ = 0, folds_ = 1;
  double mean_ = 0, deviation_ = 0;
  std::array<float, quantiles> quantile_{};  ///< ascending, from the least score to the largest
  std::array<float, largest> tail_{};        ///< the largest scores, ascending; the least fills what is left in front
  bool has_tail_ = true;                     ///< older files have none
};

/// The share of new normal rows above the threshold, by the options.
double requested_rate(const DetectorOptions& options);
/// One line if `count` scores of new rows are too few for the requested threshold; else empty.
std::string threshold_note(std::int64_t count, const DetectorOptions& options);

/// P(X <= successes) of X binomial with `trials` and `probability`.
double binomial_cdf(std::int64_t successes, std::int64_t trials, double probability);

}  // namespace cugad
