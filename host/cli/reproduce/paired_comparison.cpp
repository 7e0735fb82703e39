#include "host/cli/reproduce/paired_comparison.hpp"

#include "host/cli/reproduce/neighbour_baselines.hpp"

namespace cugad::cli {
namespace {

PairedFigure compare_by(double Quality::*figure, const std::vector<Measurement>& means,
                        const std::vector<Measurement>& others) {
  std::vector<double> differences;
  for (std::size_t index = 0; index < means.size(); ++index) {
    differences.push_back(means[index].quality.*figure - others[index].quality.*figure);
  }
  return compare_pairs(differences);
}

}  // namespace

PairedFigure compare_pairs(std::span<const double> differences) {
  PairedFigure figure;
  for (const double difference : differences) {
    figure.difference += difference / static_cast<double>(differences.size());
    ++(difference > level_within ? figure.wins : difference < -level_within ? figure.losses : figure.ties);
  }
  figure.test = signed_rank_test(differences);
  return figure;
}

PairedComparison compare(const Reproduction& report, const Contestant& contestant, const Contestant& opponent) {
  const std::vector<Measurement> means = means_per_case(report, contestant), others = means_per_case(report, opponent);
  return {&contestant, &opponent, compare_by(&Quality::auroc, means, others),
          compare_by(&Quality::average_precision, means, others)};
}

std::vector<PairedComparison> baseline_comparisons(const Reproduction& report) {
  std::vector<PairedComparison> comparisons;
  if (report.protocol->has_splits || means_per_case(report, report.settings.front()).empty()) return comparisons;
  for (const Contestant& setting : report.settings) {
    for (const Contestant& baseline : report.baselines) comparisons.push_back(compare(report, setting, baseline));
  }
  return comparisons;
}

std::vector<PairedComparison> sum_comparisons(const Reproduction& report) {
  std::vector<PairedComparison> comparisons;
  for (const Contestant& baseline : report.baselines) {
    if (baseline.key != summed_distances_key) continue;
    for (const Contestant& sum : report.sums) comparisons.push_back(compare(report, sum, baseline));
  }
  return comparisons;
}

}  // namespace cugad::cli
