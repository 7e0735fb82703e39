#include <gtest/gtest.h>

#include <set>

#include "cugad/error.hpp"
#include "tests/network/population.hpp"

/// Mlp: where its parameters and buffers lie, how they begin, and both passes against a float64 twin.
namespace cugad::test {
namespace {

const std::vector<LayerSpec> three_layers = {
    {5, Activation::relu}, {3, Activation::leaky_relu, 0.2f}, {2, Activation::identity}};

Context cpu_context() { return Device::open("cpu", 1).make_context(); }

TEST(MlpLayout, ParametersFollowEachOther) {
  const Mlp network(4, three_layers);
  EXPECT_EQ(network.inputs(), 4);
  EXPECT_EQ(network.outputs(), 2);
  EXPECT_EQ(network.layers(), 3);
  EXPECT_EQ(network.parameters(), 5 * 4 + 5 + 3 * 5 + 3 + 2 * 3 + 2);
  EXPECT_EQ(network.weight_offset(0), 0);
  EXPECT_EQ(network.bias_offset(0), 20);
  EXPECT_EQ(network.weight_offset(1), 25);
  EXPECT_EQ(network.bias_offset(1), 40);
  EXPECT_EQ(network.weight_offset(2), 43);
  EXPECT_EQ(network.bias_offset(2), 49);
  EXPECT_EQ(network.layer_inputs(0), 4);
  EXPECT_EQ(network.layer_inputs(2), 3);
  EXPECT_EQ(network.layer(1).out, 3);
}

TEST(MlpLayout, ViewsCoverEveryParameterOnce) {
  const Mlp network(4, three_layers);
  std::vector<float> memory(static_cast<std::size_t>(3 * network.parameters()));
  const StackView<float> flat(memory.data(), 3, 1, network.parameters());
  for (int l = 0; l < network.layers(); ++l) {
    const StackView<float> weight = network.weight(l, flat), bias = network.bias(l, flat);
    EXPECT_EQ(weight.rows, network.layer(l).out);
    EXPECT_EQ(weight.columns, network.layer_inputs(l));
    EXPECT_EQ(bias.rows, 1);
    EXPECT_EQ(bias.columns, network.layer(l).out);
    EXPECT_EQ(network.weight(l, StackView<const float>(flat)).data, weight.data);
    EXPECT_EQ(network.bias(l, StackView<const float>(flat)).data, bias.data);
    for (const StackView<float>& view : {weight, bias})
      for (std::int64_t m = 0; m < 3; ++m)
        for (std::int64_t r = 0; r < view.rows; ++r)
          for (std::int64_t c = 0; c < view.columns; ++c) view.model(m).row(r)[c] += static_cast<float>(m + 1);
  }
  for (std::size_t i = 0; i < memory.size(); ++i)
    ASSERT_EQ(memory[i], static_cast<float>(i / static_cast<std::size_t>(network.parameters()) + 1)) << i;
}

TEST(MlpLayout, NetworkViewNamesTheSameMemory) {
  const Mlp network(4, three_layers);
  std::vector<float> memory(static_cast<std::size_t>(2 * network.parameters()));
  const StackView<float> flat(memory.data(), 2, 1, network.parameters());
  const NetworkView view = network.view(flat);
  ASSERT_EQ(view.layers, 3);
  for (int l = 0; l < 3; ++l) {
    EXPECT_EQ(view.layer[l].weight, network.weight(l, flat).data);
    EXPECT_EQ(view.layer[l].bias, network.bias(l, flat).data);
    EXPECT_EQ(view.layer[l].model_stride, network.parameters());
    EXPECT_EQ(view.layer[l].in, network.layer_inputs(l));
    EXPECT_EQ(view.layer[l].out, network.layer(l).out);
    EXPECT_EQ(view.layer[l].activation, network.layer(l).activation);
    EXPECT_EQ(view.layer[l].slope, network.layer(l).slope);
  }
}

TEST(MlpLayout, BuffersDoNotOverlap) {
  const Mlp network(4, {{5, Activation::relu}, {17, Activation::relu}, {16, Activation::identity}});
  std::vector<float> memory(static_cast<std::size_t>(network.buffer_floats(2, 7)));
  const Mlp::Buffers buffers = network.carve(memory.data(), 2, 7);
  std::set<const float*> seen;
  for (const auto* list : {&buffers.output, &buffers.gradient}) {
    ASSERT_EQ(list->size(), 3u);
    for (int l = 0; l < 3; ++l) {
      const StackView<float>& view = (*list)[static_cast<std::size_t>(l)];
      EXPECT_EQ(view.models, 2);
      EXPECT_EQ(view.rows, 7);
      EXPECT_EQ(view.columns, network.layer(l).out);
      EXPECT_EQ(view.row_stride % 16, 0) << "rows begin on cache lines";
      for (std::int64_t m = 0; m < 2; ++m)
        for (std::int64_t r = 0; r < 7; ++r)
          for (std::int64_t c = 0; c < view.columns; ++c) {
            const float* cell = view.model(m).row(r) + c;
            ASSERT_GE(cell, memory.data());
            ASSERT_LT(cell, memory.data() + memory.size());
            ASSERT_TRUE(seen.insert(cell).second);
          }
    }
  }
  const Mlp::Buffers part = buffers.slice_rows(2, 3);
  EXPECT_EQ(part.output[1].rows, 3);
  EXPECT_EQ(part.output[1].model(1).row(0), buffers.output[1].model(1).row(2));
  EXPECT_EQ(part.gradient[2].model(1).row(2), buffers.gradient[2].model(1).row(4));
}

TEST(MlpLayout, RefusesWhatIsNoNetwork) {
  EXPECT_THROW(Mlp(0, three_layers), Error);
  EXPECT_THROW(Mlp(3, {{0, Activation::relu}}), Error);
  const Mlp deep(2, std::vector<LayerSpec>(9, {2, Activation::relu}));
  std::vector<float> memory(static_cast<std::size_t>(deep.parameters()));
  try {
    deep.view(StackView<float>(memory.data(), 1, 1, deep.parameters()));
    FAIL() << "nine layers were taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(error.what()).find("8 layers, this one has 9"), std::string::npos) << error.what();
  }
}

TEST(MlpInitialise, WeightsFillTheGlorotRangeAndBiasesAreZero) {
  Context context = cpu_context();
  const Mlp network(40, {{60, Activation::relu}, {30, Activation::identity}});
  std::vector<float> memory(static_cast<std::size_t>(3 * network.parameters()), 9.0f);
  const StackView<float> flat(memory.data(), 3, 1, network.parameters());
  network.initialise(context, flat, {.seed = 11, .purpose = RandomPurpose::initial_weights});
  for (int l = 0; l < 2; ++l) {
    const double limit = std::sqrt(6.0 / (network.layer_inputs(l) + network.layer(l).out));
    double low = 0.0, high = 0.0, sum = 0.0, squares = 0.0;
    const std::vector<float> weights = dense(network.weight(l, flat));
    for (const double value : weights) {
      low = std::min(low, value);
      high = std::max(high, value);
      sum += value;
      squares += value * value;
    }
    const auto count = static_cast<double>(weights.size());
    EXPECT_GE(low, -1.000001 * limit);
    EXPECT_LE(high, 1.000001 * limit);
    EXPECT_LT(low, -0.99 * limit);
    EXPECT_GT(high, 0.99 * limit);
    EXPECT_NEAR(sum / count, 0.0, 5.0 * limit / std::sqrt(3.0 * count));
    EXPECT_NEAR(squares / count, limit * limit / 3.0, 0.05 * limit * limit / 3.0);
    for (const float value : dense(network.bias(l, flat))) ASSERT_EQ(value, 0.0f);
  }
}

TEST(MlpInitialise, ModelsAndLayersDrawFromTheirOwnStreams) {
  Context context = cpu_context();
  const Mlp network(6, {{6, Activation::relu}, {6, Activation::identity}});
  const auto count = static_cast<std::size_t>(network.parameters());
  std::vector<float> all(3 * count);
  network.initialise(context, {all.data(), 3, 1, network.parameters()},
                     {.seed = 5, .purpose = RandomPurpose::initial_weights});
  for (std::uint64_t m = 0; m < 3; ++m) {
    std::vector<float> alone(count);
    network.initialise(context, {alone.data(), 1, 1, network.parameters()},
                       {.seed = 5 + m, .purpose = RandomPurpose::initial_weights});
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(m * count);
    EXPECT_TRUE(same_bits(alone, {first, first + static_cast<std::ptrdiff_t>(count)})) << m;
    EXPECT_NE(std::vector<float>(alone.begin(), alone.begin() + 36),
              std::vector<float>(alone.begin() + 42, alone.begin() + 78))
        << "both layers have the same weights";
  }
}

struct Case {
  const char* name;
  int in;
  std::vector<LayerSpec> layers;
};

const std::vector<Case> cases = {
    {"generator", 3, {{9, Activation::relu}, {6, Activation::relu}, {5, Activation::identity}}},
    {"discriminator", 7, {{17, Activation::leaky_relu, 0.1f, 0.3f}, {4, Activation::leaky_relu, 0.2f, 0.2f}, {1}}},
    {"smooth", 4, {{5, Activation::tanh}, {3, Activation::sigmoid}, {2, Activation::tanh}}},
    {"smooth with dropout", 4, {{6, Activation::tanh, 0.0f, 0.4f}, {2, Activation::identity}}},
    {"one layer", 5, {{3, Activation::identity}}},
};

/// Both passes of every case, without and with dropout; 19 rows, so that no pass is a whole number of tiles.
template <class Check>
void for_each_case(Check&& check) {
  const RandomKey key{.seed = 77, .purpose = RandomPurpose::dropout, .lane = 3, .step = 8};
  for (const Case& one : cases) {
    for (const RandomKey* dropout : {static_cast<const RandomKey*>(nullptr), &key}) {
      SCOPED_TRACE(std::string(one.name) + (dropout != nullptr ? ", dropout" : ""));
      Population population(one.in, one.layers, 2, 19);
      check(population, dropout);
    }
  }
}

TEST(MlpForward, MatchesTheTwin) {
  Context context = cpu_context();
  for_each_case([&](Population& p, const RandomKey* dropout) {
    Mlp::Buffers buffers = p.buffers();
    p.network.forward(context, p.flat(), p.x(), buffers, dropout);
    for (std::int64_t m = 0; m < p.models; ++m)
      for (std::int64_t r = 0; r < p.rows; ++r) {
        const auto trace = p.twin.forward(p.model_parameters(m), p.input_row(m, r), dropout, m, r);
        for (int l = 0; l < p.network.layers(); ++l) {
          const StackView<float>& view = buffers.output[static_cast<std::size_t>(l)];
          const float* row = view.model(m).row(r);
          expect_near_all({row, row + view.columns}, trace.output[static_cast<std::size_t>(l)], 2e-6, "output");
        }
      }
  });
}

/// Dropped units are stored as -0, kept ones never: what the backward pass relies on. The share is the rate.
TEST(MlpForward, DropoutMarksDroppedUnits) {
  Context context = cpu_context();
  Population p(4, {{40, Activation::relu, 0.0f, 0.25f}, {1}}, 2, 60);
  const RandomKey key{.seed = 3, .purpose = RandomPurpose::dropout};
  Mlp::Buffers buffers = p.buffers();
  p.network.forward(context, p.flat(), p.x(), buffers, &key);
  std::int64_t dropped = 0;
  for (std::int64_t m = 0; m < 2; ++m)
    for (std::int64_t r = 0; r < 60; ++r)
      for (std::int64_t c = 0; c < 40; ++c) {
        const float value = buffers.output[0].model(m).row(r)[c];
        const bool marked = value == 0.0f && std::signbit(value);
        ASSERT_EQ(marked, p.twin.keeps(0, &key, m, r * 40 + c) == 0.0) << m << ' ' << r << ' ' << c;
        dropped += marked;
      }
  EXPECT_NEAR(static_cast<double>(dropped) / 4800.0, 0.25, 0.03);
}

TEST(MlpBackward, MatchesCentralDifferencesOfTheTwin) {
  Context context = cpu_context();
  for_each_case([&](Population& p, const RandomKey* dropout) {
    p.backward(context, dropout, false);
    for (std::int64_t m = 0; m < p.models; ++m) {
      const auto loss = [&](const std::vector<double>& flat) {
        double sum = 0.0;
        for (std::int64_t r = 0; r < p.rows; ++r) {
          const auto trace = p.twin.forward(flat, p.input_row(m, r), dropout, m, r);
          const std::vector<double> weights = p.row_weights(m, r);
          for (std::size_t o = 0; o < weights.size(); ++o) sum += weights[o] * trace.output.back()[o];
        }
        return sum;
      };
      expect_near_all(p.model_part(p.gradients, m), central_differences(p.model_parameters(m), loss), 3e-6,
                      "parameter gradient");
      for (std::int64_t r = 0; r < p.rows; ++r) {
        const auto row_loss = [&](const std::vector<double>& x) {
          const auto trace = p.twin.forward(p.model_parameters(m), x, dropout, m, r);
          double sum = 0.0;
          for (std::size_t o = 0; o < trace.output.back().size(); ++o)
            sum += p.row_weights(m, r)[o] * trace.output.back()[o];
          return sum;
        };
        const float* row = p.dx().model(m).row(r);
        expect_near_all({row, row + p.network.inputs()}, central_differences(p.input_row(m, r), row_loss), 3e-6, "dx");
      }
    }
  });
}

TEST(MlpBackward, AccumulateAddsToTheParametersAndOverwritesTheInputs) {
  Context context = cpu_context();
  for_each_case([&](Population& p, const RandomKey* dropout) {
    p.backward(context, dropout, false);
    const std::vector<float> once = p.gradients, dx = p.input_gradients;
    std::fill(p.gradients.begin(), p.gradients.end(), 0.5f);
    p.backward(context, dropout, true);
    std::vector<double> expected(once.begin(), once.end());
    for (double& value : expected) value += 0.5;
    expect_near_all(p.gradients, expected, 1e-6, "accumulated");
    EXPECT_TRUE(same_bits(p.input_gradients, dx));
  });
}

TEST(MlpBackward, EitherGradientMayBeLeftOut) {
  Context context = cpu_context();
  Population p(cases[1].in, cases[1].layers, 2, 19);
  p.backward(context, nullptr, false);
  const std::vector<float> gradients = p.gradients, dx = p.input_gradients;
  for (const bool with_parameters : {true, false}) {
    Population other(cases[1].in, cases[1].layers, 2, 19);
    Mlp::Buffers buffers = other.buffers();
    other.network.forward(context, other.flat(), other.x(), buffers);
    for (std::int64_t m = 0; m < 2; ++m)
      for (std::int64_t r = 0; r < 19; ++r)
        *buffers.result_gradient().model(m).row(r) = other.output_weights[static_cast<std::size_t>(m * 19 + r)];
    other.network.backward(context, other.flat(), other.x(), buffers,
                           with_parameters ? other.flat_gradient() : StackView<float>{},
                           with_parameters ? StackView<float>{} : other.dx(), {});
    EXPECT_TRUE(same_bits(with_parameters ? other.gradients : other.input_gradients, with_parameters ? gradients : dx));
    const std::vector<float>& untouched = with_parameters ? other.input_gradients : other.gradients;
    EXPECT_TRUE(std::all_of(untouched.begin(), untouched.end(), [](float value) { return value == -7.0f; }));
  }
}

}  // namespace
}  // namespace cugad::test
