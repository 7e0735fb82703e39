#include <gtest/gtest.h>

#include <limits>

#include "host/backend/backend.hpp"
#include "tests/ops/latent_problem.hpp"

namespace cugad::test {
namespace {

constexpr int disturbed_scores = 6;
constexpr double room = 6.0;

struct Shape {
  std::int64_t models = 1, rows = 1;
  std::vector<std::int64_t> encoder, generator, discriminator;  ///< widths, from the input to the output
  Activation hidden = Activation::relu;
  Distance residual = Distance::l1;
  Discrimination discrimination = Discrimination::feature_l1;
  double missing = 0.0;
  bool shared = false;  ///< one data set and one set of networks for all models
  int outputs = 63;     ///< which of the six outputs are asked for, a bit each
  bool exact = false, perf = false;
  Layout layout = Layout::contiguous;
  Precision precision = Precision::fp32;  ///< other modes: nothing is bounded
};

struct Networks {
  Network64 encoder, generator, discriminator;
};

std::int64_t parameters_of(const Network64& network) {
  std::int64_t count = 0;
  for (const Layer64& layer : network) count += (layer.in + 1) * layer.out;
  return count;
}

Networks random_networks(Random& random, const Shape& shape) {
  Networks networks{random_network(random, shape.encoder, shape.hidden, Activation::identity),
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

/// z and what follows from it.
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
  Bounded(const Networks& networks, const SearchSettings& settings, const Row& x, bool exact, Random& random)
      : value(score(networks, settings, x, Rounding())) {
    for (int i = 0; i < disturbed_scores && !exact; ++i) {
      others_.push_back(score(networks, settings, x, Rounding(&random)));
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

struct ScoreTensors {
  TypedTensor<float>*x, *loss, *residual, *discrimination, *latent, *feature_residual, *reconstruction;
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

ScoreTensors build(Problem& problem, const Shape& shape) {
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
  auto& weights = problem.flat_input("weights", models, 1, sizes[0] + sizes[1] + sizes[2], shape.shared);
  const auto output = [&](const char* name, std::int64_t width) {
    return &problem.output(name, models, rows, width).by_item();
  };
  const ScoreTensors t{&x,
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
  Networks networks = shapes;
  for (std::int64_t m = 0; m < models; ++m) {
    if (m > 0 && !shape.shared) networks = random_networks(random, shape);
    std::int64_t at = 0;
    for (const Network64* network : {&networks.encoder, &networks.generator, &networks.discriminator})
      for (const Layer64& layer : *network)
        for (const std::vector<double>* values : {&layer.weight, &layer.bias})
          for (const double value : *values) weights.set(m, 0, at++, static_cast<float>(value));
    for (std::int64_t r = 0; r < rows; ++r) {
      Row query;
      for (std::int64_t c = 0; c < columns; ++c) query.push_back(x.get(m, r, c));
      expect_row(t, m, r, query, Bounded(networks, settings, query, shape.exact, random));
    }
  }
  TypedTensor<float>* const outputs[6] = {t.loss,   t.residual,         t.discrimination,
                                          t.latent, t.feature_residual, t.reconstruction};
  for (int i = 0; i < 6; ++i) {
    if ((shape.outputs >> i & 1) == 0) outputs[i]->expect_unchanged();
    if (shape.precision != Precision::fp32) outputs[i]->expect_checked_elsewhere();
  }
  problem.same_bits_where_fused = !shape.exact && shape.precision == Precision::fp32;
  problem.flops = 2.0 * static_cast<double>(models * rows * (sizes[0] + sizes[1] + 2 * sizes[2]));
  problem.call = [shape, settings, shapes, t, sizes = std::array{sizes[0], sizes[1]}, &weights](Call& call) {
    call.context.use_precision(shape.precision);
    const StackView<float> flat = weights.view(call.slice);
    ReconstructionScore args;
    args.encoder = network_view(flat.data, flat.model_stride, shapes.encoder);
    args.generator = network_view(flat.data + sizes[0], flat.model_stride, shapes.generator);
    args.discriminator = network_view(flat.data + sizes[0] + sizes[1], flat.model_stride, shapes.discriminator);
    args.x = t.x->view(call.slice);
    args.residual_distance = shape.residual;
    args.discrimination_kind = shape.discrimination;
    args.lambda = static_cast<float>(settings.lambda);
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

std::string text_of(const std::vector<std::int64_t>& widths) {
  std::string text;
  for (const std::int64_t width : widths) text += (text.empty() ? "" : "_") + std::to_string(width);
  return text;
}

std::vector<Case> reconstruction_score_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& s) {
    Case one;
    one.parameters = parameters("models", s.models, "rows", s.rows, "encoder", text_of(s.encoder), "generator",
                                text_of(s.generator), "discriminator", text_of(s.discriminator), "hidden",
                                name_of(s.hidden), "residual", name_of(s.residual), "discrimination",
                                static_cast<int>(s.discrimination), "missing", s.missing, "shared", s.shared, "outputs",
                                s.outputs, "layout", name_of(s.layout), "precision", cugad::name_of(s.precision));
    one.layout = s.layout;
    one.exact = s.exact;
    one.perf = s.perf;
    one.build = [s](Problem& problem) { build(problem, s); };
    cases.push_back(one);
  };
  const Shape small{
      .models = 2, .rows = 7, .encoder = {13, 11, 5}, .generator = {5, 9, 13}, .discriminator = {13, 17, 7, 1}};
  int turn = 0;
  for (const Distance residual : {Distance::l1, Distance::l2, Distance::squared})
    for (int kind = 0; kind < 5; ++kind)
      for (const double missing : {0.0, 0.3}) {
        Shape shape = small;
        shape.residual = residual;
        shape.discrimination = static_cast<Discrimination>(kind);
        shape.missing = missing;
        shape.shared = turn % 2 == 1;
        shape.layout = static_cast<Layout>(turn++ % 3);
        add(shape);
        if (residual == Distance::l2) continue;
        shape.exact = true, shape.shared = false;
        if (kind != 1 && kind != 3) add(shape);
      }
  for (int wanted = 0; wanted < 7; ++wanted) {  // each output alone, and none
    Shape shape = small;
    shape.missing = 0.2, shape.outputs = wanted == 6 ? 0 : 1 << wanted;
    add(shape);
  }
  for (const Activation activation : {Activation::identity, Activation::sigmoid, Activation::tanh}) {
    Shape shape = small;
    shape.hidden = activation;
    add(shape);
  }
  add({.rows = 5, .encoder = {1, 1}, .generator = {1, 1}, .discriminator = {1, 1, 1}});
  add({.rows = 5,
       .encoder = {7, 3},
       .generator = {3, 7},
       .discriminator = {7, 1},
       .discrimination = Discrimination::cross_entropy});
  add({.rows = 3,
       .encoder = {10, 9, 8, 7, 6, 5, 4, 3, 2},
       .generator = {2, 3, 4, 5, 6, 7, 8, 9, 10},
       .discriminator = {10, 9, 8, 7, 6, 5, 4, 3, 1}});
  for (const std::int64_t rows : {0, 1, 54, 257}) {
    Shape shape = small;
    shape.rows = rows, shape.missing = 0.02;
    add(shape);
  }
  add({.rows = 40,
       .encoder = {121, 128, 64, 32},
       .generator = {32, 64, 128, 121},
       .discriminator = {121, 256, 128, 128, 1},
       .perf = true});
  // What fits no block.
  add({.rows = 2, .encoder = {5, 40, 3}, .generator = {3, 6000, 5}, .discriminator = {5, 3000, 1}, .missing = 0.2});
  for (const Precision precision : {Precision::tf32, Precision::bf16}) {
    Shape shape = small;
    shape.rows = 37, shape.missing = 0.1, shape.precision = precision;
    add(shape);
  }
  return cases;
}

const bool registered = register_op("reconstruction_score", reconstruction_score_cases());

/// Tensor cores: the loss of the KDD networks beside float64.
TEST(reconstruction_score, rounded_modes_stay_near) {
  for (const NamedDevice& named : devices()) {
    if (named.device.backend().is_host_memory()) continue;
    for (const Precision precision : {Precision::tf32, Precision::bf16}) {
      Shape shape{.rows = 40,
                  .encoder = {121, 128, 64, 32},
                  .generator = {32, 64, 128, 121},
                  .discriminator = {121, 256, 128, 128, 1},
                  .missing = 0.05,
                  .precision = precision};
      Problem problem(hash("rounded"), Layout::misaligned);
      const ScoreTensors t = build(problem, shape);
      std::string refusal;
      const Results results = execute(problem, initial_images(problem), named.device, 1, {{}}, &refusal);
      ASSERT_EQ(refusal, "");
      double worst = 0.0;
      for (std::int64_t r = 0; r < shape.rows; ++r) {
        const double expected = t.loss->expected[t.loss->position(0, r, 0)];
        worst = std::max(worst, std::abs(t.loss->number(results[problem.index_of(*t.loss)], 0, r, 0) / expected - 1.0));
      }
      std::printf("%s: worst relative difference of the loss from float64: %.1e\n", cugad::name_of(precision), worst);
      EXPECT_LE(worst, precision == Precision::tf32 ? 2e-3 : 2e-2);
      EXPECT_GE(worst, 1e-6) << "is anything rounded?";
    }
  }
}

}  // namespace
}  // namespace cugad::test
