#include "tests/ops/score_problem.hpp"

#include <limits>

#include "tests/ops/same_products.hpp"

/// The bound of reconstruction_score: the float64 score is repeated a few times with every sum moved at random by up to
/// 4 eps of its terms, as in latent_problem.cpp.
namespace cugad::test {
namespace {

constexpr int disturbed_scores = 6;
constexpr double room = 6.0;

struct Networks {
  Network64 encoder, generator, discriminator;
};

std::int64_t parameters_of(const Network64& network) {
  std::int64_t count = 0;
  for (const Layer64& layer : network) count += (layer.in + 1) * layer.out;
  return count;
}

Networks random_networks(Random& random, const ScoreShape& shape) {
  Networks networks{random_network(random, shape.encoder, shape.hidden, shape.encoded),
                    random_network(random, shape.generator, shape.hidden, Activation::identity),
                    random_network(random, shape.discriminator, shape.exact ? Activation::relu : Activation::leaky_relu,
                                   Activation::identity)};
  if (!shape.exact) return networks;
  for (Network64* network : {&networks.encoder, &networks.generator, &networks.discriminator})
    for (Layer64& layer : *network) {
      for (double& weight : layer.weight) weight = static_cast<double>(random.integer(-1, 1));
      for (double& bias : layer.bias) bias = static_cast<double>(random.integer(-1, 1));
    }
  return networks;
}

/// z and the values computed from it.
struct Scored {
  Row z;
  Evaluation at;
};
Scored score(const Networks& networks, const SearchSettings& settings, const Row& x, const Rounding& rounding) {
  Row filled = x;
  for (double& cell : filled) cell = std::isnan(cell) ? 0.0 : cell;
  Scored result;
  result.z = forward(networks.encoder, filled, rounding).back();
  result.at = evaluate(networks.generator, networks.discriminator, settings, x, result.z, rounding);
  return result;
}

/// The result and, element by element, how far rounding can carry it.
class Bounded {
 public:
  Bounded(const Networks& networks, const SearchSettings& settings, const Row& x, const ScoreShape& shape,
          Random& random)
      : value(score(networks, settings, x, Rounding(nullptr, shape.rounded))) {
    for (int i = 0; i < disturbed_scores && !shape.exact; ++i) {
      others_.push_back(score(networks, settings, x, Rounding(&random, shape.rounded)));
    }
  }
  /// The bound of one number of a score.
  template <class Get>
  double bound(const Get& get) const {
    if (others_.empty()) return 0.0;
    double largest = 0.0;
    for (const Scored& other : others_) largest = std::max(largest, std::abs(get(other) - get(value)));
    return room * largest + 8.0 * eps * (1.0 + std::abs(get(value)));
  }
  Scored value;

 private:
  std::vector<Scored> others_;
};

void expect_row(const ScoreTensors& t, std::int64_t m, std::int64_t r, const Row& x, const Bounded& at) {
  const auto expect = [&](TypedTensor<float>* tensor, std::int64_t c, const auto& get) {
    tensor->expect(m, r, c, get(at.value), at.bound(get));
  };
  expect(t.loss, 0, [](const Scored& s) { return s.at.loss; });
  expect(t.residual, 0, [](const Scored& s) { return s.at.residual; });
  expect(t.discrimination, 0, [](const Scored& s) { return s.at.discrimination; });
  for (std::size_t c = 0; c < at.value.z.size(); ++c)
    expect(t.latent, static_cast<std::int64_t>(c), [c](const Scored& s) { return s.z[c]; });
  for (std::size_t c = 0; c < x.size(); ++c) {
    const auto column = static_cast<std::int64_t>(c);
    expect(t.reconstruction, column, [c](const Scored& s) { return s.at.reconstruction[c]; });
    expect(t.feature_residual, column, [c, cell = x[c]](const Scored& s) {
      return std::isnan(cell) ? 0.0 : std::abs(cell - s.at.reconstruction[c]);
    });
    if (std::isnan(x[c])) t.feature_residual->expect(m, r, column, 0.0, 0.0);
  }
}

}  // namespace

ScoreTensors build_score(Problem& problem, const ScoreShape& shape) {
  Random& random = problem.random;
  const std::int64_t models = shape.models, rows = shape.rows, columns = shape.encoder.front();
  const Networks shapes = random_networks(random, shape);
  const std::int64_t sizes[3] = {parameters_of(shapes.encoder), parameters_of(shapes.generator),
                                 parameters_of(shapes.discriminator)};
  auto& x = problem.input("x", models, rows, columns, shape.shared).by_item();
  x.fill([&] {
    if (random.chance(shape.missing)) return std::numeric_limits<double>::quiet_NaN();
    return shape.exact ? static_cast<double>(random.integer(-2, 2)) : random.normal();
  });
  auto& column_scale = problem.input("column_scale", models, 1, columns, shape.shared);
  column_scale.fill([&] { return shape.exact ? static_cast<double>(random.integer(0, 2)) : random.uniform(0.1, 2.0); });
  auto& weights = problem.flat_input("weights", models, 1, sizes[0] + sizes[1] + sizes[2], shape.shared);
  const auto output = [&](const char* name, std::int64_t width) {
    return &problem.output(name, models, rows, width).by_item();
  };
  const ScoreTensors t{&x,
                       &column_scale,
                       &weights,
                       output("loss", 1),
                       output("residual", 1),
                       output("discrimination", 1),
                       output("latent", shape.encoder.back()),
                       output("feature_residual", columns),
                       output("reconstruction", columns)};
  SearchSettings settings;
  settings.residual_distance = shape.residual;
  settings.discrimination = shape.discrimination;
  settings.lambda = shape.exact ? 0.5 : static_cast<double>(0.1f);
  settings.limit = static_cast<double>(static_cast<float>(shape.limit));
  Networks networks = shapes;
  for (std::int64_t m = 0; m < models; ++m) {
    if (m > 0 && !shape.shared) networks = random_networks(random, shape);
    std::int64_t at = 0;
    for (const Network64* network : {&networks.encoder, &networks.generator, &networks.discriminator})
      for (const Layer64& layer : *network)
        for (const std::vector<double>* values : {&layer.weight, &layer.bias})
          for (const double value : *values) weights.set(m, 0, at++, static_cast<float>(value));
    settings.column_scale.clear();
    for (std::int64_t c = 0; c < (shape.scaled ? columns : 0); ++c)
      settings.column_scale.push_back(column_scale.get(m, 0, c));
    for (std::int64_t r = 0; r < rows; ++r) {
      Row query;
      for (std::int64_t c = 0; c < columns; ++c) query.push_back(x.get(m, r, c));
      expect_row(t, m, r, query, Bounded(networks, settings, query, shape, random));
    }
  }
  TypedTensor<float>* const outputs[6] = {t.loss,   t.residual,         t.discrimination,
                                          t.latent, t.feature_residual, t.reconstruction};
  for (int i = 0; i < 6; ++i) {
    if ((shape.outputs >> i & 1) == 0) outputs[i]->expect_unchanged();
    if (shape.precision != Precision::fp32) outputs[i]->expect_checked_elsewhere();
  }
  problem.same_bits_where_fused = !shape.exact && same_products(shape.precision);
  problem.flops = 2.0 * static_cast<double>(models * rows * (sizes[0] + sizes[1] + 2 * sizes[2]));
  problem.call = [shape, settings, shapes, t, sizes = std::array{sizes[0], sizes[1]}](Call& call) {
    call.context.use_precision(shape.precision);
    const StackView<float> flat = t.weights->view(call.slice);
    ReconstructionScore args;
    args.encoder = network_view(flat.data, flat.model_stride, shapes.encoder);
    args.generator = network_view(flat.data + sizes[0], flat.model_stride, shapes.generator);
    args.discriminator = network_view(flat.data + sizes[0] + sizes[1], flat.model_stride, shapes.discriminator);
    args.x = t.x->view(call.slice);
    args.residual_distance = shape.residual;
    args.discrimination_kind = shape.discrimination;
    args.lambda = static_cast<float>(settings.lambda);
    if (shape.scaled) args.column_scale = t.column_scale->view(call.slice);
    args.limit = static_cast<float>(shape.limit);
    if (shape.outputs & 1) args.loss = t.loss->view(call.slice);
    if (shape.outputs & 2) args.residual = t.residual->view(call.slice);
    if (shape.outputs & 4) args.discrimination = t.discrimination->view(call.slice);
    if (shape.outputs & 8) args.latent = t.latent->view(call.slice);
    if (shape.outputs & 16) args.feature_residual = t.feature_residual->view(call.slice);
    if (shape.outputs & 32) args.reconstruction = t.reconstruction->view(call.slice);
    call(args);
  };
  return t;
}

}  // namespace cugad::test
