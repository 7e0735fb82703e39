#include "host/detector/score_calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "cugad/error.hpp"
#include "host/detector/model_reader.hpp"

namespace cugad {
namespace {

constexpr std::int64_t largest_count = std::numeric_limits<std::int32_t>::max();
/// Rates are kept as float: 0.01f is a little less than a hundredth, which must not cost a rank.
constexpr double float_rounding = 1e-7;

/// The place among `count` scores, and one more, that a new score passes with that probability.
double place_of_rate(std::int64_t count, double rate) {
  const double places = static_cast<double>(count) + 1;
  return places * (1 - rate) - places * rate * float_rounding;
}

[[noreturn]] void refuse(const Reader& reader, const std::string& what) {
  reader.refuse("'score_calibration' " + what);
}

double finite_number(const Reader& reader, const Json& object, const char* field, double lowest, double highest) {
  const auto found = object.find(field);
  const double value = found != object.end() && found->is_number() ? found->get<double>() : std::nan("");
  if (!(value >= lowest && value <= highest)) refuse(reader, "has no '" + std::string(field) + "' in its range");
  return value;
}

/// A list of finite numbers, ascending, of the given size.
template <std::size_t size>
void read_ascending(const Reader& reader, const Json& json, const char* field, std::array<float, size>& values) {
  const auto kept = json.find(field);
  if (kept == json.end() || !kept->is_array() || kept->size() != size) {
    refuse(reader, fmt::format("has no list of {} numbers '{}'", size, field));
  }
  for (std::size_t i = 0; i < size; ++i) {
    const Json& value = (*kept)[i];
    const double number = value.is_number() ? value.get<double>() : std::nan("");
    if (!(std::abs(number) <= std::numeric_limits<float>::max())) {
      refuse(reader, fmt::format("has a value in '{}' that is no finite number", field));
    }
    values[i] = static_cast<float>(number);
    if (i > 0 && values[i] < values[i - 1]) refuse(reader, fmt::format("has values in '{}' that fall", field));
  }
}

}  // namespace

double requested_rate(const DetectorOptions& options) {
  return options.false_alarm_rate > 0 ? options.false_alarm_rate : options.contamination;
}

std::string threshold_note(std::int64_t count, const DetectorOptions& options) {
  const double rate = requested_rate(options);
  if (rate == 0 || place_of_rate(count, rate) <= static_cast<double>(count)) return "";
  const double needed = std::ceil((1 - rate) / rate * (1 - float_rounding));
  return fmt::format(
      "a threshold that {} % of new normal rows pass cannot be promised: it needs the scores of at least {:.0f} rows "
      "that are new to the models, there are {}; it is put beyond the largest of them",
      static_cast<float>(100 * rate), needed, count);
}

ScoreCalibration::ScoreCalibration(std::span<const float> scores, std::int64_t folds)
    : count_(static_cast<std::int64_t>(scores.size())), folds_(folds) {
  if (scores.empty()) throw Error(ErrorCode::invalid_argument, "there is no score to calibrate with");
  std::vector<float> sorted(scores.begin(), scores.end());
  for (float& score : sorted) {
    if (std::isnan(score)) throw Error(ErrorCode::invalid_argument, "a calibrating score is NaN");
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
  tail_.fill(sorted.front());
  std::copy(sorted.end() - tail_size(), sorted.end(), tail_.end() - tail_size());
}

double ScoreCalibration::score_at(double place) const {
  const auto first_of_tail = static_cast<double>(count_ - tail_size() + 1);
  const auto between = [&](auto begin, double index, std::ptrdiff_t last) {
    const auto low = static_cast<std::ptrdiff_t>(index);
    const double from = begin[low], to = begin[std::min(low + 1, last)];
    return from + (to - from) * (index - static_cast<double>(low));
  };
  if (place >= first_of_tail) return between(tail_.end() - tail_size(), place - first_of_tail, tail_size() - 1);
  const double index = count_ == 1 ? 0 : (place - 1) / static_cast<double>(count_ - 1) * (quantiles - 1);
  const double score = between(quantile_.begin(), index, quantiles - 1);
  return has_tail_ ? std::min<double>(score, *(tail_.end() - tail_size())) : score;
}

double ScoreCalibration::at_most(double score) const {
  const auto tail = tail_.end() - tail_size();
  if (tail_size() > 0 && score >= *tail) {
    return static_cast<double>(count_ - (tail_.end() - std::upper_bound(tail, tail_.end(), score)));
  }
  const auto above = std::upper_bound(quantile_.begin(), quantile_.end(), score);
  if (above == quantile_.begin()) return 0;
  if (above == quantile_.end()) return static_cast<double>(count_ - tail_size());
  const double low = *(above - 1), high = *above;
  const double place = static_cast<double>(above - 1 - quantile_.begin()) + (score - low) / (high - low);
  return std::min(1 + static_cast<double>(count_ - 1) * place / (quantiles - 1),
                  static_cast<double>(count_ - tail_size()));
}

double ScoreCalibration::below(double score) const {
  return at_most(std::nextafter(static_cast<float>(score), -std::numeric_limits<float>::infinity()));
}

double ScoreCalibration::probability(double score, Probability kind) const {
  if (std::isnan(score)) return score;
  if (kind == Probability::gaussian) {
    const double distance = score - mean_;
    if (!(deviation_ > 0)) return distance > 0 ? 1 : 0;
    return std::max(0.0, std::erf(distance / deviation_ / std::sqrt(2.0)));
  }
  return (1 + at_most(score)) / (2 + static_cast<double>(count_));
}

float ScoreCalibration::threshold(const DetectorOptions& options) const {
  const double rate = requested_rate(options), place = place_of_rate(count_, rate);
  const auto count = static_cast<double>(count_);
  const auto above = [](double score) {
    return std::nextafter(static_cast<float>(score), std::numeric_limits<float>::max());
  };
  if (rate == 0) return above(score_at(count));
  if (place > count) {
    // A new score passes the largest with probability 1 / (count + 1), and one by t more with exp(-t / (largest -
    // median)) of that: scores of normal rows fall off faster.
    const double most = score_at(count), median = score_at((count + 1) / 2);
    return above(most + (most - median) * std::log(1 / ((count + 1) * rate)));
  }
  if (options.false_alarm_rate > 0) return above(score_at(std::max(1.0, std::ceil(place))));
  const auto threshold = static_cast<float>(score_at(std::max(1.0, place)));
  return count - below(threshold) > std::ceil(count * rate * (1 - float_rounding)) ? above(threshold) : threshold;
}

std::string ScoreCalibration::ties_note(const DetectorOptions& options) const {
  const double rate = requested_rate(options), largest = score_at(static_cast<double>(count_));
  const double wanted = rate * static_cast<double>(count_), tied = static_cast<double>(count_) - below(largest);
  if (rate == 0 || tied < 2 || tied <= std::ceil(wanted) || threshold(options) <= largest) return "";
  return fmt::format(
      "{:.0f} of {} calibrating scores share the largest value: a threshold for {:.2g} % of new normal rows would flag "
      "all of these, so it lies above them and flags only what scores higher",
      tied, count_, 100 * rate);
}

double ScoreCalibration::confidence(double score, double threshold, const DetectorOptions& options) const {
  if (std::isnan(score)) return score;
  const auto count = static_cast<double>(count_);
  const double normal = options.false_alarm_rate > 0
                            ? std::min(count, std::ceil(place_of_rate(count_, options.false_alarm_rate)))
                            : count - std::floor(count * options.contamination * (1 + float_rounding));
  const double same = binomial_cdf(static_cast<std::int64_t>(normal), count_, probability(score, Probability::rank));
  return score >= threshold ? 1 - same : same;
}

std::string ScoreCalibration::to_json() const {
  Json json = Json::object();
  const TakenApart parts(json);
  json["count"] = count_;
  json["folds"] = folds_;
  json["mean"] = mean_;
  json["standard_deviation"] = deviation_;
  put_list(json["quantiles"], quantile_);
  put_list(json["largest"], tail_);
  return json.dump();
}

ScoreCalibration ScoreCalibration::read(const Reader& reader) {
  Json json;
  const TakenApart parts(json);
  reader.json("score_calibration", json);
  if (!json.is_object()) refuse(reader, "is not a JSON object");
  constexpr double largest_float = std::numeric_limits<float>::max();
  const auto whole = [&](const char* field, std::int64_t usual) {
    if (usual > 0 && !json.contains(field)) return usual;
    if (!json.contains(field) || !json[field].is_number_integer()) refuse(reader, fmt::format("has no '{}'", field));
    return static_cast<std::int64_t>(finite_number(reader, json, field, 1, static_cast<double>(largest_count)));
  };
  ScoreCalibration calibration;
  calibration.count_ = whole("count", 0);
  calibration.folds_ = whole("folds", 1);
  calibration.mean_ = finite_number(reader, json, "mean", -2 * largest_float, 2 * largest_float);
  calibration.deviation_ = finite_number(reader, json, "standard_deviation", 0, 2 * largest_float);
  read_ascending(reader, json, "quantiles", calibration.quantile_);
  calibration.has_tail_ = json.contains("largest");
  if (calibration.has_tail_) read_ascending(reader, json, "largest", calibration.tail_);
  return calibration;
}

}  // namespace cugad
