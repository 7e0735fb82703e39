#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/network/technique_passes.hpp"

/// Networks trained with techniques: both passes against central differences of a float64 twin.
namespace cugad::test {
namespace {

class Technique : public testing::TestWithParam<std::size_t> {
 protected:
  const TechniqueCase& tested() const { return technique_cases[GetParam()]; }
};

TEST_P(Technique, ForwardMatchesTheTwin) {
  Passes p(tested());
  p.forward();
  for (std::int64_t m = 0; m < p.models; ++m) {
    const auto expected = p.twin.outputs(p.model_parameters(m), p.rows_of(p.x, m, data_columns),
                                         p.rows_of(p.z, m, latent_columns), p.constants(m));
    for (std::int64_t r = 0; r < p.rows; ++r)
      expect_near_all({p.buffers.result().model(m).row(r), p.buffers.result().model(m).row(r) + 2},
                      expected[static_cast<std::size_t>(r)], 1e-5, "row");
  }
}

TEST_P(Technique, GradientsMatchCentralDifferences) {
  Passes p(tested());
  p.forward();
  p.backward();
  for (std::int64_t m = 0; m < p.models; ++m) {
    const auto x = p.rows_of(p.x, m, data_columns);
    std::vector<double> trained = p.model_parameters(m);
    const std::vector<double> rest(trained.begin() + p.network.trained(), trained.end());
    trained.resize(static_cast<std::size_t>(p.network.trained()));
    const auto of_parameters = central_differences(trained, [&](std::vector<double> all) {
      all.insert(all.end(), rest.begin(), rest.end());
      return p.loss(m, all, x);
    });
    const auto first = p.gradients.begin() + m * p.network.parameters();
    expect_near_all({first, first + p.network.trained()}, of_parameters, 1e-5, "parameters");

    const std::vector<double> all = p.model_parameters(m);
    const auto size = static_cast<std::size_t>(p.rows * data_columns);
    const auto of_inputs =
        central_differences(widened(p.x, static_cast<std::size_t>(m) * size, size), [&](const std::vector<double>& at) {
          TechniqueTwin::Rows moved;
          for (std::int64_t r = 0; r < p.rows; ++r)
            moved.emplace_back(at.begin() + r * data_columns, at.begin() + (r + 1) * data_columns);
          return p.loss(m, all, moved);
        });
    const auto dx = p.dx.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(m) * size);
    expect_near_all({dx, dx + static_cast<std::ptrdiff_t>(size)}, of_inputs, 1e-5, "inputs");
  }
}

TEST_P(Technique, GradientsAccumulate) {
  Passes once(tested()), twice(tested());
  once.forward();
  once.backward();
  twice.forward();
  twice.backward();
  twice.forward();
  twice.backward(true);
  const auto trained = static_cast<std::size_t>(once.network.trained());
  std::vector<double> expected = widened(once.gradients, 0, trained);
  for (double& value : expected) value *= 2.0;
  expect_near_all({twice.gradients.begin(), twice.gradients.begin() + once.network.trained()}, expected, 1e-6, "sum");
}

/// A pass without a gradient, or the first part of a batch alone, sees what the whole pass sees.
TEST_P(Technique, PartsAreIndependent) {
  Passes whole(tested()), part(tested());
  whole.forward();
  part.buffers = part.buffers.slice_rows(0, 5);
  Network::Input in = part.in();
  in.x = in.x.slice_rows(0, 5);
  if (in.z) in.z = in.z.slice_rows(0, 5);
  part.network.forward(part.context, part.flat(), in, part.buffers);
  EXPECT_TRUE(same_bits(dense(whole.buffers.result().slice_rows(0, 5)), dense(part.buffers.result())));
}

TEST_P(Technique, IsActive) {
  if (!network_of(tested()).has_techniques()) return;
  Passes with(tested());
  with.forward();
  const Network plain = with.network.plain();
  std::vector<float> memory(static_cast<std::size_t>(plain.buffer_floats(2, with.rows)));
  const Network::Buffers buffers = plain.carve(memory.data(), 2, with.rows);
  const StackView<const float> flat(with.parameters.data(), 2, 1, plain.parameters(), with.network.parameters(), 0);
  plain.forward(with.context, flat, with.in(), buffers);
  EXPECT_FALSE(same_bits(dense(with.buffers.result()), dense(buffers.result())));
}

INSTANTIATE_TEST_SUITE_P(Cases, Technique, testing::Range<std::size_t>(0, 8),
                         [](const auto& tested) { return std::string(technique_cases[tested.param].name); });

/// The R1 penalty sees the normalised weights, and its gradient is one of the trained ones.
TEST(TechniquePenalty, MatchesCentralDifferences) {
  for (const std::size_t which : {std::size_t{1}, std::size_t{2}}) {
    SCOPED_TRACE(technique_cases[which].name);
    TechniqueCase tested = technique_cases[which];
    Passes p(tested);
    Network one = tested.joint ? Network(Mlp(data_columns, {leaky_7, leaky_5}), Mlp(latent_columns, {leaky_5}),
                                         Mlp(10, {leaky_7, {1}}), tested.techniques)
                               : Network(Mlp(data_columns, {leaky_7, leaky_5, {1}}), tested.techniques);
    p.network = one;
    p.parameters.assign(static_cast<std::size_t>(2 * one.parameters()), 0.0f);
    p.gradients.assign(p.parameters.size(), 0.0f);
    p.memory.assign(static_cast<std::size_t>(one.buffer_floats(2, p.rows)), -7.0f);
    p.buffers = one.carve(p.memory.data(), 2, p.rows);
    one.initialise(p.context, p.flat(), {.seed = 8, .purpose = RandomPurpose::initial_weights});
    p.forward();
    std::vector<float> more(p.memory.size(), -7.0f);
    const Network::Buffers tangent = one.carve(more.data(), 2, p.rows);
    Network::InputGradient inputs{.x = {p.dx.data(), 2, p.rows, data_columns}, .z = {}};
    if (tested.joint) inputs.z = {p.dz.data(), 2, p.rows, latent_columns};
    one.add_gradient_penalty(p.context, p.flat(), {}, p.buffers, inputs, tangent, {.scale = 0.75f}, p.gradient());

    // |g|^2 by directional differences would lose digits: the network is piecewise linear, so g is exact from them.
    const auto penalty = [&](const std::vector<double>& all) {
      const auto constants = p.constants(0);
      auto x = p.rows_of(p.x, 0, data_columns), z = p.rows_of(p.z, 0, latent_columns);
      const auto at = p.twin.outputs(all, x, z, constants);
      double sum = 0.0;
      const auto add = [&](TechniqueTwin::Rows& rows, int columns) {
        for (int c = 0; c < columns; ++c) {
          for (auto& row : rows) row[static_cast<std::size_t>(c)] += 1e-5;
          const auto moved = p.twin.outputs(all, x, z, constants);
          for (auto& row : rows) row[static_cast<std::size_t>(c)] -= 1e-5;
          for (std::size_t r = 0; r < at.size(); ++r) sum += std::pow((moved[r][0] - at[r][0]) / 1e-5, 2.0);
        }
      };
      add(x, data_columns);
      if (tested.joint) add(z, latent_columns);
      return 0.5 * 0.75 * sum;
    };
    std::vector<double> trained = p.model_parameters(0);
    const std::vector<double> rest(trained.begin() + one.trained(), trained.end());
    trained.resize(static_cast<std::size_t>(one.trained()));
    const auto expected = central_differences(
        trained,
        [&](std::vector<double> all) {
          all.insert(all.end(), rest.begin(), rest.end());
          return penalty(all);
        },
        1e-4);
    expect_near_all({p.gradients.begin(), p.gradients.begin() + one.trained()}, expected, 1e-5, "penalty");
  }
}

}  // namespace
}  // namespace cugad::test
