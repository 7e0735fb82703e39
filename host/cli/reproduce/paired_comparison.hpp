#pragma once

#include <span>
#include <vector>

#include "host/cli/reproduce/reproduction.hpp"
#include "host/cli/reproduce/wilcoxon.hpp"

/// One contestant against another over the same cases.
namespace cugad::cli {

/// Cases whose figures differ by at most this much are level: differences below it are noise of a single training.
constexpr double level_within = 0.004;

struct PairedFigure {
  double difference = 0;  ///< mean over the cases
  int wins = 0, ties = 0, losses = 0;
  SignedRankTest test;  ///< of the differences as they are
};
PairedFigure compare_pairs(std::span<const double> differences);

struct PairedComparison {
  const Contestant *contestant, *opponent;
  PairedFigure auroc, average_precision;
};
/// By the contestants' means over the seeds on each case that is no published split.
PairedComparison compare(const Reproduction& report, const Contestant& contestant, const Contestant& opponent);

/// Every setting against every baseline. None if the cases are splits of one table, because their differences are not
/// independent.
std::vector<PairedComparison> baseline_comparisons(const Reproduction& report);
/// Every setting's sum with d1 + dm against d1 + dm alone: what the setting itself adds.
std::vector<PairedComparison> sum_comparisons(const Reproduction& report);

}  // namespace cugad::cli
