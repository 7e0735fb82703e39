#include "host/methods/score_calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "cugad/error.hpp"
#include "cugad/metrics.hpp"
#include "host/table/json.hpp"

namespace cugad {
namespace {

using Json = OrderedJson;

constexpr std::int64_t largest_count = std::numeric_limits<std::int32_t>::max();
/// Rates are kept as float: 0.01f is a little less than a hundredth, which must not cost a rank.
constexpr double float_rounding = 1e-7;

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::format, "'score_calibration' " + what); }

double finite_number(const Json& object, const char* field, double lowest, double highest) {
  const auto found = object.find(field);
  const double value = found != object.end() && found->is_number() ? found->get<double>() : std::nan("");
  if (!(value >= lowest && value <= highest)) refuse("has no '" + std::string(field) + "' in its range");
  return value;
}

}  // namespace

ScoreCalibration::ScoreCalibration(std::span<const float> training_scores)
    : count_(static_cast<std::int64_t>(training_scores.size())) {
  if (training_scores.empty()) throw Error(ErrorCode::invalid_argument, "there is no training score to calibrate with");
  std::vector<float> sorted(training_scores.begin(), training_scores.end());
  for (float& score : sorted) {
    if (std::isnan(score)) throw Error(ErrorCode::invalid_argument, "a training score is NaN");
    // An infinite score is the largest; its rank is all that matters.
    score = std::clamp(score, std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max());
    mean_ += score;
  }
  mean_ /= static_cast<double>(count_);
  for (const float score : sorted) deviation_ += (score - mean_) * (score - mean_);
  deviation_ = std::sqrt(deviation_ / static_cast<double>(count_));
  std::sort(sorted.begin(), sorted.end());
  for (std::int64_t q = 0; q < quantiles; ++q) {  // linear between neighbours, as numpy's percentile
    const std::int64_t place = q * (count_ - 1);
    const std::int64_t below = place / (quantiles - 1), rest = place % (quantiles - 1);
    const double low = sorted[below], high = sorted[std::min(below + 1, count_ - 1)];
    quantile_[q] = static_cast<float>(low + (high - low) * (static_cast<double>(rest) / (quantiles - 1)));
  }
}

double ScoreCalibration::probability(double score, Probability kind) const {
  if (std::isnan(score)) return score;
  if (kind == Probability::gaussian) {
    const double distance = score - mean_;
    if (!(deviation_ > 0)) return distance > 0 ? 1 : 0;
    return std::max(0.0, std::erf(distance / deviation_ / std::sqrt(2.0)));
  }
  double at_most = 0;  // how many training scores are <= score
  const auto above = std::upper_bound(quantile_.begin(), quantile_.end(), score);
  if (above == quantile_.end()) {
    at_most = static_cast<double>(count_);
  } else if (above != quantile_.begin()) {
    const double low = *(above - 1), high = *above;
    const double place = static_cast<double>(above - 1 - quantile_.begin()) + (score - low) / (high - low);
    at_most = 1 + static_cast<double>(count_ - 1) * place / (quantiles - 1);
  }
  return (1 + at_most) / (2 + static_cast<double>(count_));
}

double ScoreCalibration::confidence(double score, double threshold, std::int64_t normal_count) const {
  if (std::isnan(score)) return score;
  const double below = binomial_cdf(normal_count, count_, probability(score, Probability::rank));
  return score >= threshold ? 1 - below : below;
}

std::string ScoreCalibration::to_json() const {
  Json json = Json::object();
  const TakenApart parts(json);
  json["count"] = count_;
  json["mean"] = mean_;
  json["standard_deviation"] = deviation_;
  put_list(json["quantiles"], quantile_);
  return json.dump();
}

ScoreCalibration ScoreCalibration::from_json(const std::string& text) {
  Json json;
  const TakenApart parts(json);
  if (!parse_json(text, json) || !json.is_object()) refuse("is not a JSON object");
  constexpr double largest = std::numeric_limits<float>::max();
  ScoreCalibration calibration;
  if (!json.contains("count") || !json["count"].is_number_integer()) refuse("has no 'count'");
  calibration.count_ = static_cast<std::int64_t>(finite_number(json, "count", 1, static_cast<double>(largest_count)));
  calibration.mean_ = finite_number(json, "mean", -2 * largest, 2 * largest);
  calibration.deviation_ = finite_number(json, "standard_deviation", 0, 2 * largest);
  const auto kept = json.find("quantiles");
  if (kept == json.end() || !kept->is_array() || kept->size() != quantiles) {
    refuse("has no list of " + std::to_string(quantiles) + " 'quantiles'");
  }
  for (std::size_t q = 0; q < quantiles; ++q) {
    const Json& value = (*kept)[q];
    const double number = value.is_number() ? value.get<double>() : std::nan("");
    if (!(std::abs(number) <= largest)) refuse("has a quantile that is no finite number");
    calibration.quantile_[q] = static_cast<float>(number);
    if (q > 0 && calibration.quantile_[q] < calibration.quantile_[q - 1]) refuse("has quantiles that fall");
  }
  return calibration;
}

std::int64_t conformal_rank(std::int64_t count, double false_alarm_rate) {
  const double places = static_cast<double>(count) + 1;
  const double rank = std::ceil(places * (1 - false_alarm_rate) - places * false_alarm_rate * float_rounding);
  if (rank > static_cast<double>(count)) {
    const double needed = std::ceil((1 - false_alarm_rate) / false_alarm_rate * (1 - float_rounding));
    throw Error(ErrorCode::invalid_argument,
                fmt::format("false_alarm_rate {} needs at least {:.0f} training scores, there are {}",
                            static_cast<float>(false_alarm_rate), needed, count));
  }
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(rank));
}

float score_threshold(std::span<const float> training_scores, const DetectorOptions& options) {
  if (!(options.false_alarm_rate > 0)) {
    const double percent = 100.0 * (1.0 - static_cast<double>(options.contamination));
    const auto threshold = static_cast<float>(metrics::percentile(training_scores, percent));
    // Many rows may share the score at that place: then only those above it, or more than the share would be flagged.
    const double share =
        std::ceil(static_cast<double>(training_scores.size()) * options.contamination * (1 - float_rounding));
    const auto flagged =
        std::count_if(training_scores.begin(), training_scores.end(), [&](float score) { return score >= threshold; });
    return static_cast<double>(flagged) > share ? std::nextafter(threshold, std::numeric_limits<float>::max())
                                                : threshold;
  }
  std::vector<float> scores(training_scores.begin(), training_scores.end());
  const auto ranked =
      scores.begin() + conformal_rank(static_cast<std::int64_t>(scores.size()), options.false_alarm_rate) - 1;
  std::nth_element(scores.begin(), ranked, scores.end());
  return std::nextafter(*ranked, std::numeric_limits<float>::max());
}

std::int64_t expected_normal(std::int64_t count, const DetectorOptions& options) {
  if (options.false_alarm_rate > 0) return conformal_rank(count, options.false_alarm_rate);
  return count - static_cast<std::int64_t>(static_cast<double>(count) * options.contamination * (1 + float_rounding));
}

}  // namespace cugad
