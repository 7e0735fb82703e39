#pragma once

#include <span>

/// Wilcoxon's signed-rank test (Wilcoxon 1945), the usual one for two detectors on many tables (Demsar 2006).
namespace cugad::cli {

struct SignedRankTest {
  double p = 1;       ///< two-sided
  bool exact = true;  ///< from the distribution of the rank sum; else by its normal approximation
};

/// Whether paired differences lie symmetrically about 0. Zeros are left out, ties of |difference| share their mean
/// rank. Up to 50 differences the distribution over all signs is exact, ties included; beyond, it is normal with the
/// variance of the shared ranks, without continuity correction. No difference but zeros: p = 1.
SignedRankTest signed_rank_test(std::span<const double> differences);

}  // namespace cugad::cli
