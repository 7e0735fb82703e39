#include <gtest/gtest.h>

#include <cmath>

#include "host/methods/bigan.hpp"
#include "tests/training/golden_scores.hpp"

/// A whole EGBAD iteration and its scores against float64 automatic differentiation of another program
/// (tests/golden/README.md, f).
namespace cugad::test {
namespace {

DetectorOptions options_of(const Arrays& arrays) {
  DetectorOptions options;
  options.method = Method::egbad;
  options.population = 1;
  options.latent = 8;
  options.hidden = {8, 12};
  options.encoder_hidden = {12};
  options.data_branch = {12};
  options.latent_branch = {16};
  options.discriminator_hidden = {16};
  options.slope = 0.1f;
  options.batch = 50;
  options.learning_rate = options.discriminator_learning_rate = options.encoder_learning_rate =
      static_cast<float>(arrays.at("lr").values[0]);
  options.beta2 = 0.999f;
  options.final_rate = 1.0f;
  options.average_decay = options.r1 = options.coverage = options.fence = 0.0f;
  options.reconstruction = options.latent_cycle = 0.0f;
  return options;
}

struct Golden {
  Golden()
      : arrays(read_npz(CUGAD_SOURCE_DIR "/tests/golden/bigan_step_121.npz")),
        options(options_of(arrays)),
        networks(bigan_networks(options, 121, 0)),
        generator(networks.generator(), numbered_layers(3), arrays, "G0"),
        encoder(networks.encoder(), numbered_layers(2), arrays, "E0"),
        discriminator(networks.discriminator(), joint_layers, arrays, "D0") {}
  double value(const char* name) const { return arrays.at(name).values[0]; }

  Arrays arrays;
  DetectorOptions options;
  MethodNetworks networks;
  GoldenNetwork generator, encoder, discriminator;
};

TEST(GoldenBigan, StepReproducesGradientsLossesAndParameters) {
  Golden golden;
  const Device device = test_device();
  Context context = device.make_context();
  Arena arena(context.backend());
  BiganStep step(device.make_context(), golden.options, golden.networks, no_rows(arena, 121), 1);
  GoldenRun run(step);
  NetworkStates states;
  states[Role::generator] = golden.generator.place(run.context(), run.arena);
  states[Role::encoder] = golden.encoder.place(run.context(), run.arena);
  states[Role::discriminator] = golden.discriminator.place(run.context(), run.arena);
  run.bind(states);

  const double rate = golden.value("lr");
  BoundedParameters g = golden.generator.bounded(), e = golden.encoder.bounded(), d = golden.discriminator.bounded();
  BoundedComputation computation;
  const auto batch = [&](const char* name) -> BoundedRows& { return rows_of(computation, golden.arrays.at(name)); };
  const auto of = [&](const Network& network, BoundedParameters& flat, BoundedRows& rows) -> BoundedRows& {
    return computation.network(network, flat, rows);
  };
  const Network& judge = golden.networks.discriminator();
  BoundedRows &x = batch("x_d"), &z = batch("z_d");
  BoundedRows& encoded = computation.detached(of(golden.networks.encoder(), e, x));
  BoundedRows& drawn = computation.detached(of(golden.networks.generator(), g, z));
  computation.add_cross_entropy(computation.network(judge, d, x, encoded), 1.0, 1.0);
  computation.add_cross_entropy(computation.network(judge, d, drawn, z), 0.0, 1.0);
  computation.backward();
  BoundedParameters moved = d;
  moved.take_first_step(rate);
  BoundedRows &x_next = batch("x_ge"), &z_next = batch("z_ge");
  BoundedRows& encoded_next = of(golden.networks.encoder(), e, x_next);
  BoundedRows& drawn_next = of(golden.networks.generator(), g, z_next);
  computation.add_cross_entropy(computation.network(judge, moved, x_next, encoded_next), 0.0, 1.0);
  computation.add_cross_entropy(computation.network(judge, moved, drawn_next, z_next), 1.0, 1.0);
  computation.backward();

  fill(run.context(), step.real(), golden.arrays.at("x_d"));
  fill(run.context(), step.discriminator_latent(), golden.arrays.at("z_d"));
  step.update_discriminator(0, 0, true);
  golden.discriminator.expect(run.read(step.discriminator_gradient()), d.gradient, golden.arrays, "gradD");
  fill(run.context(), step.generator_real(), golden.arrays.at("x_ge"));
  fill(run.context(), step.generator_latent(), golden.arrays.at("z_ge"));
  step.update_generator(0, true);
  golden.generator.expect(run.read(step.generator_gradient()), g.gradient, golden.arrays, "gradG");
  golden.encoder.expect(run.read(step.encoder_gradient()), e.gradient, golden.arrays, "gradE");

  const std::vector<float> reports = run.reports();
  EXPECT_NEAR(reports[0] + reports[1], golden.value("loss_D"), 1e-5 * std::abs(golden.value("loss_D")));
  EXPECT_NEAR(reports[2], golden.value("loss_G"), 1e-5 * std::abs(golden.value("loss_G")));
  EXPECT_NEAR(run.read(step.encoder_loss())[0], golden.value("loss_E"), 1e-5 * std::abs(golden.value("loss_E")));
  for (BoundedParameters* parameters : {&g, &e}) parameters->take_first_step(rate);
  golden.discriminator.expect(golden.discriminator.parameters(run.context()), moved.parameter, golden.arrays, "D1");
  golden.generator.expect(golden.generator.parameters(run.context()), g.parameter, golden.arrays, "G1");
  golden.encoder.expect(golden.encoder.parameters(run.context()), e.parameter, golden.arrays, "E1");
}

/// What the scores are made of: z = E(x), x' = G(z), D(x', z).
TEST(GoldenBigan, EncodesRebuildsAndJudgesTheQueries) {
  Golden golden;
  Context context = test_device().make_context();
  Arena arena(context.backend());
  const Array& x = golden.arrays.at("x_query");
  const std::int64_t rows = x.shape[0];
  const StackView<float> query = arena.stack("query", 1, rows, 121);
  fill(context, query, x);

  BoundedComputation computation;
  BoundedParameters g = golden.generator.bounded(), e = golden.encoder.bounded(), d = golden.discriminator.bounded();
  BoundedRows& z = computation.network(golden.networks.encoder(), e, rows_of(computation, x));
  BoundedRows& rebuilt = computation.network(golden.networks.generator(), g, z);
  BoundedRows& logit = computation.network(golden.networks.discriminator(), d, rebuilt, z);

  const auto pass = [&](GoldenNetwork& network, const Network::Input& in, const BoundedRows& expected,
                        const char* name) {
    const NetworkState state = network.place(context, arena);
    const Network::Buffers buffers =
        network.network.carve(arena.take<float>(name, network.network.buffer_floats(1, rows)), 1, rows);
    network.network.forward(context, state.parameter, in, buffers);
    expect_same_reference(expected.at, golden.arrays.at(name).values, name);
    expect_within(download_rows(context, buffers.result().model(0)), expected.at, name);
    return buffers.result();
  };
  const StackView<float> found_z = pass(golden.encoder, {.x = query, .z = {}}, z, "query_z");
  const StackView<float> found_x = pass(golden.generator, {.x = found_z, .z = {}}, rebuilt, "query_xrec");
  pass(golden.discriminator, {.x = found_x, .z = found_z}, logit, "query_logit");
}

/// Raw scores of the golden queries with the initial weights.
std::vector<float> scores_of(Golden& golden, const DetectorOptions& options) {
  AnomalyModel model(test_device(), options, golden.networks);
  for (const auto& [role, network] : {std::pair(Role::generator, &golden.generator),
                                      {Role::encoder, &golden.encoder},
                                      {Role::discriminator, &golden.discriminator}})
    place_weights(model, role, network->initial);
  return score_rows(model, golden.arrays.at("x_query"));
}

void expect_scores(const std::vector<float>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-5 * std::abs(expected[i])) << i;
}

TEST(GoldenBigan, ScoresAreTheRawSumsOfThePaper) {
  Golden golden;
  DetectorOptions options = golden.options;
  options.score = ScoreRule::reconstruction;
  options.standardise = options.compress = false;
  options.discriminator_weight = 0.0f;
  options.lambda = 0.0f;
  expect_scores(scores_of(golden, options), golden.arrays.at("score_rec_l1").values);
  options.lambda = static_cast<float>(golden.value("w"));
  options.discrimination = Discrimination::feature_l1;
  expect_scores(scores_of(golden, options), golden.arrays.at("score_fm").values);
  options.discrimination = Discrimination::cross_entropy;
  expect_scores(scores_of(golden, options), golden.arrays.at("score_ce").values);
}

}  // namespace
}  // namespace cugad::test
