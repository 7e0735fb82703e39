#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "host/methods/alad.hpp"
#include "tests/network/population.hpp"
#include "tests/training/small_training.hpp"

/// The gradients of an ALAD step with every term of its losses against central differences of the whole losses in
/// float64: what the golden file, with the paper's terms alone, does not show.
namespace cugad::test {
namespace {

double softplus(double value) { return std::max(value, 0.0) + std::log1p(std::exp(-std::abs(value))); }
using Values = std::vector<double>;

/// The float64 twin of a network with or without branches.
struct NetworkTwin {
  explicit NetworkTwin(const Network& network_) : network(network_) {
    for (const Network::Part& part : network.parts()) {
      std::vector<LayerSpec> layers;
      for (int l = 0; l < part.mlp.layers(); ++l) layers.push_back(part.mlp.layer(l));
      twins.emplace_back(part.mlp.inputs(), layers);
    }
  }
  Values flat_of(const Values& flat, std::size_t p) const {
    const auto first = flat.begin() + network.parts()[p].offset;
    return {first, first + network.parts()[p].mlp.parameters()};
  }
  Twin::Trace run(std::size_t p, const Values& flat, const Values& x, const RandomKey* dropout,
                  std::int64_t row) const {
    constexpr std::uint32_t lanes[] = {0, 4, 8};
    RandomKey key = dropout == nullptr ? RandomKey{} : *dropout;
    if (network.is_joint()) key.lane += lanes[p];
    return twins[p].forward(flat_of(flat, p), x, dropout == nullptr ? nullptr : &key, 0, row);
  }
  Values operator()(const Values& flat, const Values& x, const Values& z = {}, const RandomKey* dropout = nullptr,
                    std::int64_t row = 0) const {
    if (!network.is_joint()) return run(0, flat, x, dropout, row).output.back();
    Values joined = run(0, flat, x, dropout, row).output.back();
    const Values second = run(1, flat, z, dropout, row).output.back();
    joined.insert(joined.end(), second.begin(), second.end());
    return run(2, flat, joined, dropout, row).output.back();
  }
  /// |grad of the output with respect to x and z|^2.
  double squared_gradient(const Values& flat, const Values& x, const Values& z, const RandomKey* dropout,
                          std::int64_t row) const {
    const auto of_x = run(0, flat, x, dropout, row), of_z = run(1, flat, z, dropout, row);
    Values joined = of_x.output.back();
    joined.insert(joined.end(), of_z.output.back().begin(), of_z.output.back().end());
    const auto trunk = run(2, flat, joined, dropout, row);
    const Values back = twins[2].input_gradient(flat_of(flat, 2), trunk, {1.0});
    const auto middle = back.begin() + static_cast<std::ptrdiff_t>(of_x.output.back().size());
    double sum = 0.0;
    for (const double g : twins[0].input_gradient(flat_of(flat, 0), of_x, {back.begin(), middle})) sum += g * g;
    for (const double g : twins[1].input_gradient(flat_of(flat, 1), of_z, {middle, back.end()})) sum += g * g;
    return sum;
  }

  const Network& network;
  std::vector<Twin> twins;
};

DetectorOptions alad_options() {
  DetectorOptions options = small_options();
  options.method = Method::alad;
  options.encoder_hidden = {7};
  options.data_branch = {6};
  options.latent_branch = {5};
  options.discriminator_hidden = {8};
  options.cycle_hidden = {6};
  options.latent_cycle_hidden = {5, 4};
  options.dropout = 0.25f;
  options.cycle_dropout = 0.2f;
  options.label_smoothing = 0.1f;
  options.adversarial = 0.7f;
  options.reconstruction = 2.0f;
  options.latent_cycle = 0.6f;
  options.coverage = 0.8f;
  options.r1 = 0.7f;
  options.r1_every = 3;
  options.discriminator_steps = 2;
  return options;
}

Values row_of(const StackView<float>& view, std::int64_t r) {
  const float* row = view.model(0).row(r);
  return {row, row + view.columns};
}
Values pair(Values first, const Values& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

/// An AladStep of one model with its memory, and the twins of its networks.
struct Step {
  explicit Step(const DetectorOptions& options_)
      : options(options_),
        rows(training_rows(40)),
        training(make_cpu_training(options, rows)),
        step(Device::open("cpu", 1).make_context(), options, training->networks(), rows.view(), 1) {
    RandomNumbers numbers(6);
    for (const Role role : all_roles) {
      const StackView<float> view = training->states()[role].parameter;
      if (!view) continue;
      for (std::int64_t i = 0; i < view.columns; ++i) view.data[i] = static_cast<float>(0.4 * numbers.normal());
      flats[static_cast<std::size_t>(role)] = {view.data, view.data + view.columns};
    }
    step.bind({.seed = options.seed}, training->states(), {&scale, 1, 1, 1}, {});
  }
  NetworkTwin twin(Role role) const { return NetworkTwin(training->networks()[role]); }
  Values& flat(Role role) { return flats[static_cast<std::size_t>(role)]; }
  RandomKey dropout(std::uint32_t lane, std::int64_t t) const {
    return {
        .seed = options.seed, .purpose = RandomPurpose::dropout, .lane = lane, .step = static_cast<std::uint32_t>(t)};
  }
  /// What the step draws, for the twins.
  void keep_batch() {
    for (std::int64_t r = 0; r < options.batch; ++r) x.push_back(row_of(step.real(), r));
    for (std::int64_t r = 0; r < step.latent().rows; ++r) z.push_back(row_of(step.latent(), r));
  }

  DetectorOptions options;
  Matrix rows;
  std::shared_ptr<GanTraining> training;
  AladStep step;
  std::array<Values, role_count> flats;
  std::vector<Values> x, z;
  float scale = 1.0f;
};

void check_discriminators(const DetectorOptions& options, std::int64_t t) {
  Step s(options);
  s.step.sample_discriminators(t, 1);
  s.keep_batch();
  s.step.update_discriminators(t, 1, false);
  const NetworkTwin generator = s.twin(Role::generator), encoder = s.twin(Role::encoder);
  const Values &g = s.flat(Role::generator), &e = s.flat(Role::encoder);
  const std::int64_t batch = options.batch;
  const std::pair<Role, std::uint32_t> checked[] = {
      {Role::discriminator, 1024}, {Role::cycle_discriminator, 2048}, {Role::latent_discriminator, 3072}};
  for (const auto& [role, lane] : checked) {
    const NetworkTwin judge = s.twin(role);
    const RandomKey key = s.dropout(lane + 16, t);
    const auto loss = [&, role = role](const Values& flat) {
      double sum = 0.0;
      for (std::int64_t r = 0; r < batch; ++r) {
        const Values &x = s.x[r], &z = s.z[r];
        const Values encoded = encoder(e, x), drawn = generator(g, z);
        double real = 0.0, fake = 0.0;
        if (role == Role::discriminator) {
          real = judge(flat, x, encoded, &key, r)[0];
          fake = judge(flat, drawn, z, &key, batch + r)[0];
          if (t % options.r1_every == 0)
            sum += 0.5 * options.r1 * options.r1_every * judge.squared_gradient(flat, x, encoded, &key, r);
        } else if (role == Role::cycle_discriminator) {
          real = judge(flat, pair(x, x), {}, &key, r)[0];
          fake = judge(flat, pair(x, generator(g, encoded)), {}, &key, batch + r)[0];
        } else {
          real = judge(flat, pair(z, z), {}, &key, r)[0];
          fake = judge(flat, pair(z, encoder(e, drawn)), {}, &key, batch + r)[0];
        }
        sum += softplus(real) - (1.0 - options.label_smoothing) * real + softplus(fake);
      }
      return sum / static_cast<double>(batch);
    };
    expect_near_all(dense(s.step.gradient(role)), central_differences(s.flat(role), loss), 5e-6, name_of(role));
  }
}

TEST(AladGradient, OfTheDiscriminators) {
  for (const std::int64_t t : {0, 1, 3}) check_discriminators(alad_options(), t);
}

void check_generator(const DetectorOptions& options, std::int64_t t) {
  Step s(options);
  s.step.sample_generator(t);
  s.keep_batch();
  s.step.update_generator(t, false);
  const NetworkTwin generator = s.twin(Role::generator), encoder = s.twin(Role::encoder),
                    joint = s.twin(Role::discriminator), cycle = s.twin(Role::cycle_discriminator),
                    latent = s.twin(Role::latent_discriminator);
  const RandomKey joint_key = s.dropout(0, t), cycle_key = s.dropout(16, t), latent_key = s.dropout(32, t);
  const std::int64_t batch = options.batch;
  const bool minimax = options.generator_loss == GeneratorLoss::minimax;
  const auto fooled = [&](double logit) { return minimax ? -softplus(logit) : softplus(-logit); };
  const auto losses = [&](const Values& g, const Values& e) {
    double sum = 0.0, coverage = 0.0;
    std::vector<Values> drawn;
    for (const Values& z : s.z) drawn.push_back(generator(g, z));
    for (std::int64_t r = 0; r < batch; ++r) {
      const Values &x = s.x[r], &z = s.z[r];
      const Values encoded = encoder(e, x), rebuilt = generator(g, encoded), again = encoder(e, drawn[r]);
      const double real = joint(s.flat(Role::discriminator), x, encoded, &joint_key, r)[0];
      double adversarial = fooled(joint(s.flat(Role::discriminator), drawn[r], z, &joint_key, batch + r)[0]);
      adversarial += minimax ? -softplus(-real) : softplus(real);
      adversarial += fooled(cycle(s.flat(Role::cycle_discriminator), pair(x, rebuilt), {}, &cycle_key, r)[0]);
      if (options.latent_discriminator)
        adversarial += fooled(latent(s.flat(Role::latent_discriminator), pair(z, again), {}, &latent_key, r)[0]);
      sum += options.adversarial * adversarial;
      for (std::size_t c = 0; c < x.size(); ++c)
        sum += options.reconstruction * std::abs(x[c] - rebuilt[c]) / static_cast<double>(x.size());
      for (std::size_t c = 0; c < z.size(); ++c)
        sum += options.latent_cycle * std::pow(z[c] - again[c], 2.0) / static_cast<double>(z.size());
      double nearest = std::numeric_limits<double>::infinity();
      for (const Values& row : drawn) {
        double distance = 0.0;
        for (std::size_t c = 0; c < row.size(); ++c) distance += (x[c] - row[c]) * (x[c] - row[c]);
        nearest = std::min(nearest, distance);
      }
      coverage += nearest / static_cast<double>(x.size());
    }
    return (sum + options.coverage * coverage) / static_cast<double>(batch);
  };
  const Values &g = s.flat(Role::generator), &e = s.flat(Role::encoder);
  expect_near_all(dense(s.step.gradient(Role::generator)),
                  central_differences(g, [&](const Values& flat) { return losses(flat, e); }), 1e-5, "generator");
  expect_near_all(dense(s.step.gradient(Role::encoder)),
                  central_differences(e, [&](const Values& flat) { return losses(g, flat); }), 1e-5, "encoder");
}

TEST(AladGradient, OfGeneratorAndEncoder) {
  DetectorOptions options = alad_options();
  check_generator(options, 2);
  options.generator_loss = GeneratorLoss::minimax;
  options.coverage_rows = 16;
  check_generator(options, 0);
}

TEST(AladGradient, WithoutTheLatentDiscriminator) {
  DetectorOptions options = alad_options();
  options.latent_discriminator = false;
  options.latent_cycle = 0.0f;
  options.coverage = 0.0f;
  check_generator(options, 1);
}

/// G's and E's loss is the squared distance of the two halves' mean features.
TEST(AladGradient, OfFeatureMatching) {
  DetectorOptions options = alad_options();
  options.generator_loss = GeneratorLoss::feature_matching;
  options.latent_discriminator = false;
  options.reconstruction = options.latent_cycle = options.coverage = 0.0f;
  options.cycle_dropout = 0.0f;
  Step s(options);
  s.step.sample_generator(3);
  s.keep_batch();
  s.step.update_generator(3, false);
  const NetworkTwin generator = s.twin(Role::generator), encoder = s.twin(Role::encoder),
                    joint = s.twin(Role::discriminator), cycle = s.twin(Role::cycle_discriminator);
  const RandomKey key = s.dropout(0, 3);
  const auto features = [&](const Values& x, const Values& z, std::int64_t row) {
    const Values& flat = s.flat(Role::discriminator);
    const Values joined =
        pair(joint.run(0, flat, x, &key, row).output.back(), joint.run(1, flat, z, &key, row).output.back());
    const auto trunk = joint.run(2, flat, joined, &key, row);
    return trunk.output[trunk.output.size() - 2];
  };
  const auto losses = [&](const Values& g, const Values& e) {
    Values difference(8, 0.0);
    double cycles = 0.0;
    for (std::int64_t r = 0; r < options.batch; ++r) {
      const Values encoded = encoder(e, s.x[r]);
      const Values real = features(s.x[r], encoded, r),
                   fake = features(generator(g, s.z[r]), s.z[r], options.batch + r);
      for (std::size_t c = 0; c < 8; ++c) difference[c] += (real[c] - fake[c]) / options.batch;
      const double logit = cycle(s.flat(Role::cycle_discriminator), pair(s.x[r], generator(g, encoded)))[0];
      cycles += softplus(-logit) / options.batch;
    }
    double sum = cycles;
    for (const double d : difference) sum += d * d;
    return options.adversarial * sum;
  };
  const Values &g = s.flat(Role::generator), &e = s.flat(Role::encoder);
  expect_near_all(dense(s.step.gradient(Role::generator)),
                  central_differences(g, [&](const Values& flat) { return losses(flat, e); }), 1e-5, "generator");
  expect_near_all(dense(s.step.gradient(Role::encoder)),
                  central_differences(e, [&](const Values& flat) { return losses(g, flat); }), 1e-5, "encoder");
}

}  // namespace
}  // namespace cugad::test
