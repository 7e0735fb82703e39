#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <tuple>

#include "host/methods/alad.hpp"
#include "tests/training/golden_scores.hpp"

/// ALAD's losses, gradients and scores against float64 automatic differentiation of another program
/// (tests/golden/README.md, h).
namespace cugad::test {
namespace {

constexpr int columns = 121, latent = 8, rows = 50;

/// The paper's losses alone, and rates of 0: every gradient is one at the given parameters.
DetectorOptions paper_options() {
  DetectorOptions options;
  options.method = Method::alad;
  options.population = 1;
  options.latent = latent;
  options.batch = rows;
  options.learning_rate = options.discriminator_learning_rate = options.encoder_learning_rate = 0.0f;
  options.average_decay = options.r1 = options.coverage = options.fence = 0.0f;
  options.reconstruction = options.latent_cycle = 0.0f;
  return options;
}

Mlp two_layers(int in, int hidden, Activation activation, float slope, int out) {
  return {in, {{hidden, activation, slope}, {out}}};
}

MethodNetworks golden_networks() {
  const Activation leaky = Activation::leaky_relu;
  MethodNetworks networks;
  networks.columns = columns;
  networks.latent = latent;
  networks[Role::generator] = Network(two_layers(latent, 16, Activation::relu, 0.0f, columns));
  networks[Role::encoder] = Network(two_layers(columns, 16, leaky, 0.1f, latent));
  networks[Role::discriminator] =
      Network(Mlp(columns, {{16, leaky, 0.1f}}), Mlp(latent, {{16, leaky, 0.1f}}), two_layers(32, 16, leaky, 0.1f, 1));
  networks[Role::cycle_discriminator] = Network(two_layers(2 * columns, 16, leaky, 0.2f, 1));
  networks[Role::latent_discriminator] = Network(two_layers(2 * latent, 16, leaky, 0.2f, 1));
  return networks;
}

struct Golden {
  Golden() : arrays(read_npz(CUGAD_SOURCE_DIR "/tests/golden/alad_121.npz")), networks(golden_networks()) {
    const std::tuple<Role, const char*, LayerNames> all[] = {{Role::generator, "G", numbered_layers(2)},
                                                             {Role::encoder, "E", numbered_layers(2)},
                                                             {Role::discriminator, "Dxz", joint_layers},
                                                             {Role::cycle_discriminator, "Dxx", numbered_layers(2)},
                                                             {Role::latent_discriminator, "Dzz", numbered_layers(2)}};
    for (const auto& [role, prefix, names] : all)
      parts.push_back({role, prefix, GoldenNetwork(networks[role], names, arrays, prefix)});
  }
  double value(const char* name) const { return arrays.at(name).values[0]; }

  struct Part {
    Role role;
    std::string prefix;
    GoldenNetwork network;
  };
  Arrays arrays;
  MethodNetworks networks;
  std::vector<Part> parts;
};

/// What rounding may do to the gradients: of each discriminator with respect to its own loss, of G and E to theirs.
std::map<Role, Bounded> bounded_gradients(const Golden& golden) {
  std::map<Role, BoundedParameters> bounded;
  for (const Golden::Part& part : golden.parts) bounded.try_emplace(part.role, part.network.bounded());
  std::map<Role, Bounded> gradients;
  BoundedComputation computation;
  const auto pass = [&](Role role, auto&... rows) -> BoundedRows& {
    return computation.network(golden.networks[role], bounded.at(role), rows...);
  };
  BoundedRows &x = rows_of(computation, golden.arrays.at("x")), &z = rows_of(computation, golden.arrays.at("z"));
  BoundedRows &encoded = pass(Role::encoder, x), &drawn = pass(Role::generator, z);
  BoundedRows &rebuilt = pass(Role::generator, encoded), &encoded_again = pass(Role::encoder, drawn);
  computation.add_cross_entropy(pass(Role::discriminator, x, encoded), 0.0, 1.0);
  computation.add_cross_entropy(pass(Role::discriminator, drawn, z), 1.0, 1.0);
  computation.add_cross_entropy(pass(Role::cycle_discriminator, computation.beside(x, rebuilt)), 1.0, 1.0);
  computation.add_cross_entropy(pass(Role::latent_discriminator, computation.beside(z, encoded_again)), 1.0, 1.0);
  computation.backward();
  for (const Role role : {Role::generator, Role::encoder}) gradients.try_emplace(role, bounded.at(role).gradient);

  for (auto& [role, parameters] : bounded) parameters.gradient = Bounded(parameters.gradient.value.size());
  const auto judge = [&](Role role, double target, auto&... rows) {
    computation.add_cross_entropy(pass(role, rows...), target, 1.0);
  };
  judge(Role::discriminator, 1.0, x, computation.detached(encoded));
  judge(Role::discriminator, 0.0, computation.detached(drawn), z);
  judge(Role::cycle_discriminator, 1.0, computation.beside(x, x));
  judge(Role::cycle_discriminator, 0.0, computation.beside(x, computation.detached(rebuilt)));
  judge(Role::latent_discriminator, 1.0, computation.beside(z, z));
  judge(Role::latent_discriminator, 0.0, computation.beside(z, computation.detached(encoded_again)));
  computation.backward();
  for (auto& [role, parameters] : bounded) gradients.try_emplace(role, parameters.gradient);
  return gradients;
}

TEST(GoldenAlad, StepReproducesLossesAndGradients) {
  Golden golden;
  const Device device = test_device();
  Context context = device.make_context();
  Arena arena(context.backend());
  AladStep step(device.make_context(), paper_options(), golden.networks, no_rows(arena, columns), 1);
  GoldenRun run(step);
  NetworkStates states;
  for (Golden::Part& part : golden.parts) states[part.role] = part.network.place(run.context(), run.arena);
  run.bind(states);
  fill(run.context(), step.real(), golden.arrays.at("x"));
  fill(run.context(), step.latent(), golden.arrays.at("z"));
  step.update_discriminators(0, 0, true);
  step.update_generator(0, true);
  const std::map<Role, Bounded> expected = bounded_gradients(golden);
  for (const Golden::Part& part : golden.parts)
    part.network.expect(run.read(step.gradient(part.role)), expected.at(part.role), golden.arrays,
                        "grad_" + part.prefix);

  const auto near = [](double found, double value) { EXPECT_NEAR(found, value, 1e-5 * std::abs(value)); };
  const std::vector<float> reports = run.reports();
  near(reports[0] + reports[1], golden.value("dis_xz") + golden.value("dis_xx") + golden.value("dis_zz"));
  // The mean of softplus(sign * logit) over a half of a discriminator's pairs.
  const auto mean_softplus = [&](Role role, int half, double sign) {
    const std::vector<float> logits = run.read(step.buffers(role).result());
    double sum = 0.0;
    for (int r = 0; r < rows; ++r)
      sum += std::log1p(std::exp(sign * logits[static_cast<std::size_t>(half * rows + r)]));
    return sum / rows;
  };
  const Role xz = Role::discriminator, xx = Role::cycle_discriminator, zz = Role::latent_discriminator;
  near(mean_softplus(xz, 0, -1.0) + mean_softplus(xz, 1, 1.0), golden.value("dis_xz"));
  near(mean_softplus(xx, 0, -1.0) + mean_softplus(xx, 1, 1.0), golden.value("dis_xx"));
  near(mean_softplus(zz, 0, -1.0) + mean_softplus(zz, 1, 1.0), golden.value("dis_zz"));
  // The paper counts the real cycle pairs, too, which neither G nor E can change.
  const double real_x = mean_softplus(xx, 0, 1.0), real_z = mean_softplus(zz, 0, 1.0);
  const double cost_x = real_x + mean_softplus(xx, 1, -1.0), cost_z = real_z + mean_softplus(zz, 1, -1.0);
  near(cost_x, golden.value("cost_x"));
  near(cost_z, golden.value("cost_z"));
  near(reports[2] + real_x + real_z, golden.value("loss_gen"));
  near(mean_softplus(xz, 0, 1.0) + cost_x + cost_z, golden.value("loss_enc"));
}

std::vector<float> scores_of(Golden& golden, ScoreRule rule, Distance residual) {
  DetectorOptions options = paper_options();
  options.score = rule;
  options.residual = residual;
  options.standardise = options.compress = false;
  options.discriminator_weight = options.lambda = 0.0f;
  AnomalyModel model(test_device(), options, golden.networks);
  for (const Golden::Part& part : golden.parts) place_weights(model, part.role, part.network.initial);
  return score_rows(model, golden.arrays.at("x"));
}

TEST(GoldenAlad, TheFourScores) {
  Golden golden;
  const auto check = [&](const char* name, ScoreRule rule, Distance residual) {
    SCOPED_TRACE(name);
    const std::vector<float> found = scores_of(golden, rule, residual);
    const std::vector<double>& expected = golden.arrays.at(name).values;
    for (int r = 0; r < rows; ++r) EXPECT_NEAR(found[r], expected[r], 1e-5 * std::abs(expected[r])) << r;
  };
  check("score_ch", ScoreRule::cycle_logits, Distance::l1);
  check("score_fm", ScoreRule::cycle_features, Distance::l1);
  check("score_l1", ScoreRule::reconstruction, Distance::l1);
  check("score_l2", ScoreRule::reconstruction, Distance::l2);
}

}  // namespace
}  // namespace cugad::test
