#include <gtest/gtest.h>

#include "tests/ops/refusals.hpp"

/// What the ops of the training losses refuse, as in contract.cpp.
namespace cugad::test {
namespace {

TEST(contract, losses) {
  DifferenceLoss difference;
  difference.a = matrix<const float>(numbers, 5, 3);
  difference.b = matrix<const float>(numbers + 20, 5, 3);
  expect_refusals<DifferenceLoss>("difference_loss", difference,
                                  {{"a", [](auto& a) { a.a.data = nullptr; }},
                                   {"b", [](auto& a) { a.b.columns = 2; }},
                                   {"metric", [](auto& a) { a.metric = Distance::l2; }},
                                   {"weight", [](auto& a) { a.weight = not_a_number; }},
                                   {"da", [](auto& a) { a.da = matrix(numbers, 4, 3); }},
                                   {"db", [](auto& a) { a.db = matrix(numbers, 5, 2); }},
                                   {"loss", [](auto& a) { a.loss = matrix(numbers, 1, 2); }}});
  FeatureMatching matching;
  matching.real = matrix<const float>(numbers, 5, 3);
  matching.generated = matrix<const float>(numbers + 20, 4, 3);
  matching.dgenerated = matrix(numbers + 40, 4, 3);
  expect_refusals<FeatureMatching>("feature_matching", matching,
                                   {{"real", [](auto& a) { a.real.rows = 0; }},
                                    {"generated", [](auto& a) { a.generated.columns = 2; }},
                                    {"generated", [](auto& a) { a.generated.rows = a.dgenerated.rows = 0; }},
                                    {"weight", [](auto& a) { a.weight = not_a_number; }},
                                    {"dgenerated", [](auto& a) { a.dgenerated.data = nullptr; }},
                                    {"loss", [](auto& a) { a.loss = matrix(numbers, 2, 1); }}});
  LinearLoss linear;
  linear.logit = matrix<const float>(numbers, 5, 1);
  expect_refusals<LinearLoss>("linear_loss", linear,
                              {{"logit", [](auto& a) { a.logit.columns = 2; }},
                               {"weight", [](auto& a) { a.weight = not_a_number; }},
                               {"dlogit", [](auto& a) { a.dlogit = matrix(numbers, 4, 1); }},
                               {"loss", [](auto& a) { a.loss = matrix(numbers, 1, 2); }}});
  GradientPenalty penalty;
  penalty.gradient = matrix<const float>(numbers, 5, 3);
  penalty.tangent = matrix(numbers + 20, 5, 3);
  expect_refusals<GradientPenalty>("gradient_penalty", penalty,
                                   {{"gradient", [](auto& a) { a.gradient.data = nullptr; }},
                                    {"target", [](auto& a) { a.target = -1.0f; }},
                                    {"weight", [](auto& a) { a.weight = not_a_number; }},
                                    {"tangent", [](auto& a) { a.tangent.columns = 2; }},
                                    {"loss", [](auto& a) { a.loss = matrix(numbers, 2, 1); }}});
}

TEST(contract, historical_average) {
  HistoricalAverage good;
  good.parameter = matrix<const float>(numbers, 1, 9);
  good.mean = matrix(numbers + 10, 1, 9);
  good.gradient = matrix(numbers + 20, 1, 9);
  expect_refusals<HistoricalAverage>(
      "historical_average", good,
      {{"parameter", [](auto& a) { a.parameter.data = nullptr; }},
       {"mean", [](auto& a) { a.mean.columns = 8; }},
       {"gradient", [](auto& a) { a.gradient.rows = 2; }},
       {"model_scale", [](auto& a) { a.model_scale = matrix<const float>(numbers, 1, 2); }},
       {"weight", [](auto& a) { a.weight = not_a_number; }},
       {"step", [](auto& a) { a.step = 0; }},
       {"step_stride", [](auto& a) { a.step_stride = 0; }}});
}

TEST(contract, combining_rows) {
  AddRows add;
  add.x = matrix<const float>(numbers, 5, 3);
  add.y = matrix(numbers + 20, 5, 3);
  expect_refusals<AddRows>("add_rows", add,
                           {{"x", [](auto& a) { a.x.columns = 2; }},
                            {"scale", [](auto& a) { a.scale = not_a_number; }},
                            {"y", [](auto& a) { a.y.data = nullptr; }}});
  InterpolateRows interpolate;
  interpolate.a = matrix<const float>(numbers, 5, 3);
  interpolate.b = matrix<const float>(numbers + 20, 5, 3);
  interpolate.out = matrix(numbers + 40, 5, 3);
  expect_refusals<InterpolateRows>("interpolate_rows", interpolate,
                                   {{"a", [](auto& a) { a.a.data = nullptr; }},
                                    {"b", [](auto& a) { a.b.rows = 4; }},
                                    {"out", [](auto& a) { a.out.data = nullptr; }}});
  Reparameterise draw;
  draw.statistics = matrix<const float>(numbers, 5, 6);
  draw.noise = matrix<const float>(numbers + 40, 5, 3);
  draw.z = matrix(numbers + 60, 5, 3);
  expect_refusals<Reparameterise>("reparameterise", draw,
                                  {{"statistics", [](auto& a) { a.statistics.columns = 3; }},
                                   {"noise", [](auto& a) { a.noise.data = nullptr; }},
                                   {"z", [](auto& a) { a.z.rows = 4; }},
                                   {"dz", [](auto& a) { a.dz = matrix<const float>(numbers, 5, 3); }},
                                   {"dstatistics", [](auto& a) {
                                      a.dz = matrix<const float>(numbers, 5, 3);
                                      a.dstatistics = matrix(numbers, 5, 3);
                                    }}});
}

}  // namespace
}  // namespace cugad::test
