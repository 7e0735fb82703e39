#include "host/cli/reproduce/wilcoxon.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace cugad::cli {
namespace {

/// scipy 1.17: scipy.stats.wilcoxon(d, method="exact").pvalue
TEST(SignedRankTest, EqualsScipyExactly) {
  const std::vector<double> d = {.012, -.004, .031, .008, .0005, -.017, .022, .041, -.002, .015, .027, .006};
  const SignedRankTest test = signed_rank_test(d);
  EXPECT_TRUE(test.exact);
  EXPECT_NEAR(test.p, 0.04248046875, 1e-14);
}

/// scipy.stats.wilcoxon(d, method=PermutationMethod(n_resamples=numpy.inf)).pvalue: all signs of the shared ranks.
TEST(SignedRankTest, TiesAndZerosEqualAllPermutations) {
  const std::vector<double> d = {1, -1, 2, 2, -3, 5, 0, 2, 1, 0};
  const SignedRankTest test = signed_rank_test(d);
  EXPECT_TRUE(test.exact);
  EXPECT_NEAR(test.p, 0.265625, 1e-14);
}

/// scipy.stats.wilcoxon(d, method="approx").pvalue with i = arange(1, 61), d = (37 i) % 61 - shift: one zero, and ties.
TEST(SignedRankTest, ManyDifferencesEqualScipysApproximation) {
  const auto p_of = [](int shift) {
    std::vector<double> d;
    for (int i = 1; i <= 60; ++i) d.push_back(37 * i % 61 - shift);
    const SignedRankTest test = signed_rank_test(d);
    EXPECT_FALSE(test.exact);
    return test.p;
  };
  EXPECT_NEAR(p_of(27), 0.13899597619539136, 1e-12);
  EXPECT_NEAR(p_of(24), 0.009309054088389897, 1e-12);
}

TEST(SignedRankTest, SmallCasesByHand) {
  EXPECT_EQ(signed_rank_test(std::vector<double>{}).p, 1);
  EXPECT_EQ(signed_rank_test(std::vector<double>{0, 0}).p, 1);
  EXPECT_EQ(signed_rank_test(std::vector<double>{2}).p, 1);
  EXPECT_EQ(signed_rank_test(std::vector<double>{1, 2, 3}).p, 0.25);     // 2 of 8 assignments are as extreme
  EXPECT_EQ(signed_rank_test(std::vector<double>{-1, -2, -3}).p, 0.25);  // in either direction
  EXPECT_EQ(signed_rank_test(std::vector<double>{-1, 2, 3}).p, 0.5);     // and 4 here
}

}  // namespace
}  // namespace cugad::cli
