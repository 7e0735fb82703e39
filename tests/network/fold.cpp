#include <gtest/gtest.h>

#include <algorithm>

#include "tests/network/technique_passes.hpp"

/// What scoring makes of the parameters of networks trained with techniques.
namespace cugad::test {
namespace {

/// The outputs of the plain network with folded parameters, model 0.
std::vector<float> folded_outputs(Passes& p, int layers_from_end = 1) {
  const Network plain = p.network.plain();
  const std::vector<float> trained(p.parameters.begin(), p.parameters.begin() + p.network.parameters());
  std::vector<float> parameters = p.network.fold(trained);
  EXPECT_EQ(static_cast<std::int64_t>(parameters.size()), plain.parameters());
  std::vector<float> memory(static_cast<std::size_t>(plain.buffer_floats(1, p.rows)));
  const Network::Buffers buffers = plain.carve(memory.data(), 1, p.rows);
  Network::Input in = p.in();
  in.x = in.x.slice_models(0, 1);
  if (in.z) in.z = in.z.slice_models(0, 1);
  plain.forward(p.context, StackView<const float>(parameters.data(), 1, 1, plain.parameters()), in, buffers);
  const auto& outputs = buffers.trunk().output;
  return dense(outputs[outputs.size() - static_cast<std::size_t>(layers_from_end)]);
}

std::vector<double> first_model(const StackView<float>& view) {
  const std::vector<float> values = dense(view.slice_models(0, 1));
  return {values.begin(), values.end()};
}

/// Training passes move u towards the largest singular vector; scoring takes it as converged.
TEST(Fold, DividesBySingularValues) {
  Passes p(technique_cases[2]);
  for (int pass = 0; pass < 300; ++pass) {
    p.forward();
    p.backward();
    const std::int64_t kept = p.network.kept(), count = p.network.parameters() - kept;
    ASSERT_GT(count, 0);
    for (std::int64_t m = 0; m < p.models; ++m)
      std::copy_n(p.gradients.begin() + m * p.network.parameters() + kept, count,
                  p.parameters.begin() + m * p.network.parameters() + kept);
  }
  p.forward();
  expect_near_all(folded_outputs(p), first_model(p.buffers.result()), 1e-5, "outputs");
}

TEST(Fold, TakesMovingStatistics) {
  TechniqueCase tested = technique_cases[3];
  tested.techniques.part_rows = 0;
  Passes p(tested);
  // A thousand passes over one batch: the statistics have moved all the way.
  for (int pass = 0; pass < 3000; ++pass) {
    p.forward();
    p.backward();
    const std::int64_t kept = p.network.kept();
    std::copy(p.gradients.begin() + kept, p.gradients.begin() + p.network.parameters(), p.parameters.begin() + kept);
  }
  p.forward();
  expect_near_all(folded_outputs(p), first_model(p.buffers.result()), 1e-4, "outputs");
}

/// The reference rows themselves, at the last hidden layer: the output layer has none of them.
TEST(Fold, TakesTheReferenceRows) {
  Passes p(technique_cases[5], 7);
  std::copy_n(p.parameters.begin() + p.network.trained(), p.x.size() / 2, p.x.begin());
  p.forward();
  const StackView<float> hidden = p.buffers.features();
  const StackView<float> reference(hidden.data - 7 * hidden.row_stride, 1, 7, hidden.columns, hidden.model_stride,
                                   hidden.row_stride);
  expect_near_all(folded_outputs(p, 2), first_model(reference), 1e-5, "reference rows");
}

TEST(Fold, TakesTheMeanNearness) {
  Passes p(technique_cases[6]);
  p.forward();
  p.backward();
  const std::int64_t kept = p.network.kept();
  const LayerMemory& memory = p.buffers.memory[0].layer.back();
  for (int k = 0; k < 3; ++k) {
    double mean = 0.0;
    for (int r = 0; r < 5; ++r) mean += double{memory.nearness.model(0).row(r)[k]} / 5.0;
    EXPECT_NEAR(p.gradients[static_cast<std::size_t>(kept + k)], 0.99 + 0.01 * mean, 1e-6);
  }
  std::vector<double> expected = first_model(p.buffers.result());
  const float* share = p.parameters.data() + kept - 6;
  for (std::int64_t r = 0; r < p.rows; ++r)
    for (int o = 0; o < 2; ++o)
      for (int k = 0; k < 3; ++k)
        expected[static_cast<std::size_t>(2 * r + o)] +=
            double{share[3 * o + k]} * (1.0 - double{memory.nearness.model(0).row(r)[k]});
  expect_near_all(folded_outputs(p), expected, 1e-5, "outputs");
}

}  // namespace
}  // namespace cugad::test
