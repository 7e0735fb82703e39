#include "host/cli/reproduce/paired_comparison.hpp"

#include <gtest/gtest.h>

namespace cugad::cli {
namespace {

Contestant contestant(const std::string& key, const std::vector<double>& auroc) {
  Contestant made = {.key = key, .name = key, .options = {}, .changes = {}, .results = {}};
  for (std::size_t index = 0; index < auroc.size(); ++index) {
    Measurement result = {.case_name = std::to_string(index / 2), .seed = index % 2};  // two seeds of each case
    result.quality.auroc = auroc[index];
    result.quality.average_precision = 1 - auroc[index];
    made.results.push_back(result);
  }
  return made;
}

Reproduction three_sets(const Protocol& protocol) {
  Reproduction report;
  report.protocol = &protocol;
  for (const char* name : {"0", "1", "2"}) report.cases.push_back({name, false, {}});
  report.settings = {contestant("default", {.9, .8, .7, .7, .6, .6})};
  report.baselines = {contestant("d1_dm", {.8, .8, .703, .703, .61, .61})};
  report.sums = {contestant("default_d1_dm", {.9, .9, .9, .9, .9, .9})};
  return report;
}

TEST(PairedComparison, CountsSetsByTheirMeans) {
  const Protocol protocol;
  const Reproduction report = three_sets(protocol);
  const std::vector<PairedComparison> pairs = baseline_comparisons(report);
  ASSERT_EQ(pairs.size(), 1u);
  const PairedFigure& auroc = pairs[0].auroc;  // .85 against .8, .7 against .703, .6 against .61
  EXPECT_NEAR(auroc.difference, (.05 - .003 - .01) / 3, 1e-12);
  EXPECT_EQ(auroc.wins, 1);
  EXPECT_EQ(auroc.ties, 1);
  EXPECT_EQ(auroc.losses, 1);
  EXPECT_EQ(auroc.test.p, 1);  // ranks 3 against 1 + 2
  EXPECT_NEAR(pairs[0].average_precision.difference, -auroc.difference, 1e-12);
}

TEST(PairedComparison, SumsMeetTheDistancesAlone) {
  const Protocol protocol;
  const Reproduction report = three_sets(protocol);
  const std::vector<PairedComparison> pairs = sum_comparisons(report);
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(pairs[0].contestant->key, "default_d1_dm");
  EXPECT_EQ(pairs[0].opponent->key, "d1_dm");
  EXPECT_EQ(pairs[0].auroc.wins, 3);
  EXPECT_EQ(pairs[0].auroc.test.p, .25);
}

TEST(PairedComparison, SplitsOfOneTableAreNotIndependent) {
  Protocol protocol;
  protocol.has_splits = true;
  EXPECT_TRUE(baseline_comparisons(three_sets(protocol)).empty());
}

}  // namespace
}  // namespace cugad::cli
