#include <gtest/gtest.h>

#include "tests/ops/refusals.hpp"

/// What the ops of hidden cells refuse, as in kernels/masks/contract.cpp.
namespace cugad::test {
namespace {

TEST(contract, mask_columns) {
  MaskColumns good;
  good.x = matrix<const float>(numbers, 5, 4);
  good.out = matrix(numbers + 40, 5, 7);
  expect_refusals<MaskColumns>("mask_columns", good,
                               {{"x", [](auto& a) { a.x.data = nullptr; }},
                                {"out", [](auto& a) { a.out = matrix(numbers + 40, 5, 9); }},
                                {"out", [](auto& a) { a.out = matrix(numbers + 40, 5, 3); }},
                                {"out", [](auto& a) { a.out.rows = 4; }},
                                {"pattern", [](auto& a) { a.pattern = matrix<const float>(numbers, 1, 4); }},
                                {"group", [](auto& a) { a.group = matrix<const std::int32_t>(indices, 1, 4); }},
                                {"group",
                                 [](auto& a) {
                                   a.pattern = matrix<const float>(numbers, 1, 3);
                                   a.group = matrix<const std::int32_t>(indices, 1, 3);
                                 }},
                                {"lowest", [](auto& a) { a.lowest = not_a_number; }},
                                {"lowest", [](auto& a) { a.lowest = 0.7f, a.highest = 0.6f; }},
                                {"highest", [](auto& a) { a.highest = 1.5f; }}});
}

TEST(contract, gaussian_cells) {
  GaussianImputation imputation;
  imputation.statistics = matrix<const float>(numbers, 5, 6);
  imputation.x = matrix<const float>(numbers + 40, 5, 4);
  imputation.mask = matrix<const float>(numbers + 80, 5, 3);
  imputation.noise = matrix<const float>(numbers + 120, 5, 3);
  imputation.out = matrix(numbers + 160, 5, 4);
  expect_refusals<GaussianImputation>(
      "gaussian_imputation", imputation,
      {{"statistics", [](auto& a) { a.statistics.columns = 5; }},
       {"x", [](auto& a) { a.x.columns = a.out.columns = 2; }},
       {"x", [](auto& a) { a.x.rows = 4; }},
       {"mask", [](auto& a) { a.mask.data = nullptr; }},
       {"noise", [](auto& a) { a.noise.columns = 2; }},
       {"out", [](auto& a) { a.out.columns = 3; }},
       {"group", [](auto& a) { a.group = matrix<const std::int32_t>(indices, 1, 4); }}});
  GaussianLikelihood likelihood;
  likelihood.statistics = imputation.statistics;
  likelihood.x = matrix<const float>(numbers + 40, 5, 3);
  likelihood.mask = imputation.mask;
  likelihood.dstatistics = matrix(numbers + 160, 5, 6);
  expect_refusals<GaussianLikelihood>(
      "gaussian_likelihood", likelihood,
      {{"statistics", [](auto& a) { a.statistics.rows = 4; }},
       {"x", [](auto& a) { a.x.columns = 4; }},
       {"mask", [](auto& a) { a.mask.data = nullptr; }},
       {"weight", [](auto& a) { a.weight = not_a_number; }},
       {"dstatistics", [](auto& a) { a.dstatistics.columns = 3; }},
       {"loss", [](auto& a) { a.loss = matrix(numbers, 1, 2); }},
       {"noise", [](auto& a) { a.dimputed = a.mask; }},
       {"dimputed", [](auto& a) { a.dimputed = a.noise = a.mask, a.dstatistics = {}; }},
       {"dimputed", [](auto& a) { a.noise = a.mask, a.dimputed = matrix<const float>(numbers, 5, 2); }},
       {"column_weight", [](auto& a) { a.column_weight = matrix<const float>(numbers, 3, 1); }},
       {"cell", [](auto& a) { a.cell = matrix(numbers, 5, 6); }},
       {"group", [](auto& a) { a.group = matrix<const std::int32_t>(indices, 2, 3); }}});
}

TEST(contract, cell_cross_entropy) {
  CellCrossEntropy good;
  good.logit = matrix<const float>(numbers, 5, 3);
  expect_refusals<CellCrossEntropy>(
      "cell_cross_entropy", good,
      {{"logit", [](auto& a) { a.logit.data = nullptr; }},
       {"mask", [](auto& a) { a.mask = matrix<const float>(numbers + 20, 5, 2); }},
       {"mask", [](auto& a) { a.masked_only = true; }},
       {"target", [](auto& a) { a.target = 1.5f; }},
       {"masked_target", [](auto& a) { a.masked_target = not_a_number; }},
       {"weight", [](auto& a) { a.weight = not_a_number; }},
       {"dlogit", [](auto& a) { a.dlogit = matrix(numbers + 20, 4, 3); }},
       {"loss", [](auto& a) { a.loss = matrix(numbers + 20, 1, 2); }},
       {"mean_probability", [](auto& a) { a.mean_probability = matrix(numbers + 20, 2, 1); }},
       {"x", [](auto& a) { a.x = matrix<const float>(numbers + 20, 5, 4); }}});
}

TEST(contract, column_ranks) {
  ColumnRanks good;
  good.value = matrix<const float>(numbers, 5, 3);
  good.x = matrix<const float>(numbers + 20, 5, 3);
  good.table = matrix<const float>(numbers + 40, 3, 7);
  good.count = matrix<const std::int32_t>(indices, 3, 1);
  expect_refusals<ColumnRanks>("column_ranks", good,
                               {{"value", [](auto& a) { a.value.models = 0; }},
                                {"value", [](auto& a) { a.value.data = nullptr; }},
                                {"x", [](auto& a) { a.x.columns = 2; }},
                                {"table", [](auto& a) { a.table.rows = 2; }},
                                {"count", [](auto& a) { a.count.rows = 2; }},
                                {"mean", [](auto& a) { a.mean = matrix(numbers + 80, 5, 2); }},
                                {"rank", [](auto& a) { a.rank = matrix(numbers + 80, 4, 3); }},
                                {"score", [](auto& a) { a.score = matrix(numbers + 80, 1, 5); }},
                                {"group", [](auto& a) { a.group = matrix<const std::int32_t>(indices, 3, 1); }}});
}

}  // namespace
}  // namespace cugad::test
