#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "host/methods/methods.hpp"
#include "host/scores/anomaly_model.hpp"
#include "tests/methods/clusters.hpp"
#include "tests/network/joint_twin.hpp"

/// Scores through an encoder against float64: every discrimination and pair, Gaussian networks, missing cells,
/// residuals in units of their spread.
namespace cugad::test {
namespace {

constexpr std::int64_t columns = 6, latent = 3;

double softplus(double value) { return std::max(value, 0.0) + std::log1p(std::exp(-std::abs(value))); }

/// Raw sums of one small model.
DetectorOptions raw_options(Method method) {
  DetectorOptions options = quick_options();
  options.method = method;
  options.population = 1;
  options.latent = latent;
  options.encoder_hidden = {9};
  options.data_branch = {7};
  options.latent_branch = {5};
  options.score = ScoreRule::reconstruction;
  options.standardise = options.compress = false;
  options.discriminator_weight = 0.0f;
  options.lambda = 0.3f;
  return options;
}

Matrix query_rows(std::int64_t rows) {
  RandomNumbers numbers(8);
  Matrix matrix(rows, columns);
  for (float& cell : matrix.data) cell = static_cast<float>(numbers.normal());
  matrix.row(1)[2] = missing;
  std::fill_n(matrix.row(2), columns, missing);
  return matrix;
}

/// A model with random weights and its twins.
struct Scored {
  explicit Scored(const DetectorOptions& options_)
      : options(options_),
        networks(definition_of(options.method).networks(options, columns, 0)),
        model(Device::open("cpu", 1), options, networks),
        encoder(networks.encoder()),
        generator(networks.generator()),
        discriminator(networks.discriminator()) {
    RandomNumbers numbers(6);
    for (const Role role : {Role::encoder, Role::generator, Role::discriminator, Role::second_encoder}) {
      if (!networks.has(role)) continue;
      const StackView<float> flat = model.weights(role);
      for (std::int64_t i = 0; i < flat.columns; ++i) flat.data[i] = static_cast<float>(0.5 * numbers.normal());
    }
    model.set_statistics({{}}, {{}});
    model.prepare();
  }
  std::vector<double> flat_of(Role role) const {
    const StackView<float> flat = model.weights(role);
    return {flat.data, flat.data + flat.columns};
  }
  std::vector<float> scores(const Matrix& rows) {
    std::vector<float> found(static_cast<std::size_t>(rows.rows));
    model.score(rows.view(), {found.data(), 1, rows.rows, 1});
    model.context().synchronize();
    return found;
  }
  struct Pair {
    std::vector<double> x, filled, z, rebuilt;
  };
  Pair pair_of(const Matrix& rows, std::int64_t r) const {
    Pair pair;
    std::vector<double> shown;
    for (std::int64_t c = 0; c < columns; ++c) {
      const double cell = rows.row(r)[c];
      pair.x.push_back(cell);
      shown.push_back(std::isnan(cell) ? 0.0 : cell);
    }
    pair.z = encoder.forward(flat_of(Role::encoder), shown, {}, nullptr, r).result();
    pair.z.resize(latent);  // the means of a Gaussian encoder
    pair.rebuilt = generator.forward(flat_of(Role::generator), pair.z, {}, nullptr, r).result();
    pair.rebuilt.resize(columns);
    for (std::size_t c = 0; c < columns; ++c)
      pair.filled.push_back(std::isnan(pair.x[c]) ? pair.rebuilt[c] : pair.x[c]);
    return pair;
  }
  JointTwin::Trace judged(const std::vector<double>& x, const std::vector<double>& z) const {
    return discriminator.forward(flat_of(Role::discriminator), x, z, nullptr, 0);
  }

  DetectorOptions options;
  MethodNetworks networks;
  AnomalyModel model;
  JointTwin encoder, generator, discriminator;
};

double distance(const std::vector<double>& a, const std::vector<double>& b, Distance metric) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i])) continue;
    const double off = std::abs(a[i] - b[i]);
    sum += metric == Distance::l1 ? off : off * off;
  }
  return metric == Distance::l2 ? std::sqrt(sum) : sum;
}

double discrimination(const Scored& s, const Scored::Pair& pair) {
  const auto query = s.judged(pair.filled, pair.z), rebuilt = s.judged(pair.rebuilt, pair.z);
  switch (s.options.discrimination) {
    case Discrimination::none:
      return 0.0;
    case Discrimination::cross_entropy:
      return softplus(-(s.options.judged_pair == JudgedPair::query ? query : rebuilt).result()[0]);
    case Discrimination::feature_l1:
      return distance(query.features(), rebuilt.features(), Distance::l1);
    case Discrimination::feature_l2:
      return distance(query.features(), rebuilt.features(), Distance::l2);
    case Discrimination::feature_squared:
      return distance(query.features(), rebuilt.features(), Distance::squared);
  }
  return 0.0;
}

TEST(EncoderScores, AreResidualAndDiscrimination) {
  const Matrix rows = query_rows(9);
  for (const Method method : {Method::egbad, Method::ali})
    for (const Distance residual : {Distance::l1, Distance::l2, Distance::squared})
      for (const JudgedPair judged : {JudgedPair::reconstruction, JudgedPair::query})
        for (int kind = 0; kind < 5; ++kind) {
          DetectorOptions options = raw_options(method);
          options.residual = residual;
          options.judged_pair = judged;
          options.discrimination = static_cast<Discrimination>(kind);
          Scored s(options);
          const std::vector<float> found = s.scores(rows);
          // Without a discrimination there is nothing to weigh the residual against.
          const double lambda = kind == 0 ? 0.0 : options.lambda;
          for (std::int64_t r = 0; r < rows.rows; ++r) {
            const Scored::Pair pair = s.pair_of(rows, r);
            const double expected =
                (1.0 - lambda) * distance(pair.x, pair.rebuilt, residual) + lambda * discrimination(s, pair);
            EXPECT_NEAR(found[static_cast<std::size_t>(r)], expected, 1e-5 * (1.0 + expected))
                << "row " << r << ", discrimination " << kind << ", residual " << static_cast<int>(residual);
          }
        }
}

TEST(EncoderScores, OfTheDiscriminatorAloneAreItsCrossEntropy) {
  const Matrix rows = query_rows(5);
  for (const Method method : {Method::bigan, Method::ali}) {
    DetectorOptions options = raw_options(method);
    options.score = ScoreRule::discriminator;
    Scored s(options);
    const std::vector<float> found = s.scores(rows);
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      const Scored::Pair pair = s.pair_of(rows, r);
      const double expected = softplus(-s.judged(pair.filled, pair.z).result()[0]);
      EXPECT_NEAR(found[static_cast<std::size_t>(r)], expected, 1e-5 * (1.0 + expected)) << r;
    }
  }
}

TEST(EncoderScores, OfLatentsAreTheirDistance) {
  const Matrix rows = query_rows(5);
  for (const Method method : {Method::bigan, Method::ali, Method::ganomaly}) {
    DetectorOptions options = raw_options(method);
    options.score = ScoreRule::latent;
    options.residual = Distance::squared;
    Scored s(options);
    const std::vector<float> found = s.scores(rows);
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      const Scored::Pair pair = s.pair_of(rows, r);
      const Role encoder = s.networks.has(Role::second_encoder) ? Role::second_encoder : Role::encoder;
      std::vector<double> again =
          JointTwin(s.networks[encoder]).forward(s.flat_of(encoder), pair.rebuilt, {}, nullptr, r).result();
      again.resize(latent);
      const double expected = distance(pair.z, again, Distance::squared);
      EXPECT_NEAR(found[static_cast<std::size_t>(r)], expected, 1e-5 * (1.0 + expected)) << r;
    }
  }
}

/// The share of D in a standardised score is that of the pair (x, E(x)), whichever pass gave it.
TEST(EncoderScores, DiscriminatorWeightTakesTheQuery) {
  const Matrix rows = query_rows(7);
  for (const Discrimination kind : {Discrimination::none, Discrimination::cross_entropy, Discrimination::feature_l1})
    for (const JudgedPair judged : {JudgedPair::reconstruction, JudgedPair::query}) {
      DetectorOptions options = raw_options(Method::egbad);
      options.discrimination = kind;
      options.judged_pair = judged;
      Scored without(options);
      options.discriminator_weight = 2.0f;
      Scored with(options);
      const std::vector<float> base = without.scores(rows), found = with.scores(rows);
      for (std::size_t r = 0; r < found.size(); ++r) {
        const Scored::Pair pair = with.pair_of(rows, static_cast<std::int64_t>(r));
        const double expected = base[r] + 2.0 * std::max(0.0, -with.judged(pair.filled, pair.z).result()[0]);
        EXPECT_NEAR(found[r], expected, 1e-5 * (1.0 + std::abs(expected))) << r;
      }
    }
}

TEST(EncoderScores, ColumnSpreadIsThatOfTheTrainingRows) {
  DetectorOptions options = raw_options(Method::egbad);
  options.column_spread = true;
  options.lambda = 0.0f;
  options.contamination = 0.0f;
  Scored s(options);
  Matrix training = query_rows(300);
  s.model.calibrate(training.view(), {0, training.rows});
  std::vector<double> sum(columns), squares(columns), count(columns);
  for (std::int64_t r = 0; r < training.rows; ++r) {
    const Scored::Pair pair = s.pair_of(training, r);
    for (std::size_t c = 0; c < columns; ++c) {
      if (std::isnan(pair.x[c])) continue;
      const double off = pair.x[c] - pair.rebuilt[c];
      sum[c] += off;
      squares[c] += off * off;
      count[c] += 1.0;
    }
  }
  Matrix rows = query_rows(5);
  rows.row(0)[4] = 1e4f;  // one column adds at most 20 deviations
  const std::vector<float> found = s.scores(rows);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const Scored::Pair pair = s.pair_of(rows, r);
    double expected = 0.0;
    for (std::size_t c = 0; c < columns; ++c) {
      if (std::isnan(pair.x[c])) continue;
      const double mean = sum[c] / count[c];
      const double deviation = std::max(1e-3, std::sqrt(squares[c] / count[c] - mean * mean));
      expected += std::min(20.0, std::abs(pair.x[c] - pair.rebuilt[c]) / deviation);
    }
    EXPECT_NEAR(found[static_cast<std::size_t>(r)], expected, 1e-4 * (1.0 + expected)) << r;
  }
}

TEST(EncoderScores, MethodsRefuseWhatTheyDoNotHave) {
  const Device device = test_device(1);
  const auto refused = [&](Method method, const std::string& option, const std::string& value,
                           const std::string& part) {
    DetectorOptions options;
    options.method = method;
    set_option(options, option, value);
    Detector detector(device, options);
    const Matrix rows = normal_rows(50, 1);
    expect_error(ErrorCode::invalid_argument, {get_option(options, "method"), part},
                 [&] { detector.fit(rows.view()); });
  };
  refused(Method::anogan, "score", "reconstruction", "no score 'reconstruction'");
  refused(Method::anogan, "score", "discriminator", "no score 'discriminator'");
  refused(Method::egbad, "score", "cycle_features", "no score 'cycle_features'");
  refused(Method::gan, "search_from", "encoder", "no encoder");
  refused(Method::bigan, "data_branch", "", "data_branch");
  refused(Method::ali, "generator_loss", "wasserstein", "Wasserstein");
}

}  // namespace
}  // namespace cugad::test
