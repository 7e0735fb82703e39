#include "host/cli/reproduce/reproduction.hpp"

#include <array>
#include <cmath>

#include "cugad/image.hpp"
#include "cugad/metrics.hpp"

namespace cugad::cli {
namespace {

constexpr std::array fields = {
    &Quality::precision,   &Quality::recall,        &Quality::f1, &Quality::auroc, &Quality::average_precision,
    &Quality::pixel_auroc, &Quality::region_overlap};

}  // namespace

Quality measure(std::span<const std::uint8_t> label, std::span<const float> score, double percent) {
  Quality quality;
  if (percent > 0) {
    const metrics::Decision decision = metrics::decide_top_percent(label, score, percent);
    quality = {.precision = decision.precision, .recall = decision.recall, .f1 = decision.f1};
  }
  quality.auroc = metrics::auroc(label, score);
  quality.average_precision = metrics::average_precision(label, score);
  return quality;
}

void measure_pixels(Quality& quality, const Trial& trial, std::span<const float> residuals) {
  const auto columns = static_cast<std::size_t>(trial.test.columns);
  std::vector<float> score;
  score.reserve(trial.region.size());
  for (std::size_t first = 0; first < residuals.size(); first += columns) {
    const std::vector<float> map = pixel_map(residuals.subspan(first, columns), trial.shape);
    score.insert(score.end(), map.begin(), map.end());
  }
  std::vector<std::uint8_t> label;
  for (const std::int32_t region : trial.region) label.push_back(region != 0 ? 1 : 0);
  quality.pixel_auroc = metrics::auroc(label, score);
  quality.region_overlap = metrics::region_overlap(trial.region, score);
}

std::vector<Measurement> results_on(const Contestant& contestant, const std::string& case_name) {
  std::vector<Measurement> results;
  for (const Measurement& result : contestant.results) {
    if (result.case_name == case_name) results.push_back(result);
  }
  return results;
}

Measurement mean_of(const std::vector<Measurement>& results) {
  Measurement mean;
  for (const Measurement& result : results) {
    const double share = 1.0 / static_cast<double>(results.size());
    for (const auto field : fields) mean.quality.*field += share * result.quality.*field;
    mean.train_seconds += share * result.train_seconds;
    mean.score_seconds += share * result.score_seconds;
  }
  return mean;
}

std::vector<Measurement> means_per_case(const Reproduction& report, const Contestant& contestant) {
  std::vector<Measurement> means;
  for (const CaseReport& one : report.cases) {
    if (!one.published_split) means.push_back(mean_of(results_on(contestant, one.name)));
  }
  return means;
}

std::vector<Measurement> means_per_seed(const Reproduction& report, const Contestant& contestant) {
  std::vector<std::vector<Measurement>> seeds;
  for (const CaseReport& one : report.cases) {
    if (one.published_split) continue;
    const std::vector<Measurement> results = results_on(contestant, one.name);
    if (seeds.empty()) seeds.resize(results.size());
    for (std::size_t seed = 0; seed < seeds.size(); ++seed) seeds[seed].push_back(results.at(seed));
  }
  std::vector<Measurement> means;
  for (const std::vector<Measurement>& results : seeds) means.push_back(mean_of(results));
  return means;
}

Quality deviation_of(const std::vector<Measurement>& results) {
  Quality deviation;
  if (results.size() < 2) return deviation;
  const Quality mean = mean_of(results).quality;
  for (const auto field : fields) {
    double sum = 0;
    for (const Measurement& result : results) sum += std::pow(result.quality.*field - mean.*field, 2);
    deviation.*field = std::sqrt(sum / static_cast<double>(results.size() - 1));
  }
  return deviation;
}

Quality spread_of(const Reproduction& report, const Contestant& contestant) {
  return deviation_of(report.protocol->has_splits ? means_per_case(report, contestant)
                                                  : means_per_seed(report, contestant));
}

}  // namespace cugad::cli
