#include "tests/ops/golden.hpp"
#include "tests/ops/latent_problem.hpp"

/// Golden vectors of the latent search.
namespace cugad::test {
namespace {

Network64 golden_network(const Arrays& golden, const std::string& name, bool generator) {
  Network64 network;
  for (int l = 1; golden.contains(numbered(name + "_W", l)); ++l) {
    const Array& weight = golden.at(numbered(name + "_W", l));
    Layer64 layer;
    layer.in = weight.shape[0];
    layer.out = weight.shape[1];
    layer.activation = generator ? Activation::relu : Activation::leaky_relu;
    layer.slope = static_cast<double>(0.1f);
    for (std::int64_t o = 0; o < layer.out; ++o)
      for (std::int64_t k = 0; k < layer.in; ++k)
        layer.weight.push_back(weight.values[static_cast<std::size_t>(k * layer.out + o)]);
    layer.bias = golden.at(numbered(name + "_b", l)).values;
    network.push_back(std::move(layer));
  }
  network.back().activation = Activation::identity;
  return network;
}

TypedTensor<float>& store_network(Problem& problem, const std::string& name, const Network64& network) {
  std::vector<double> flat;
  for (const Layer64& layer : network)
    for (const std::vector<double>* values : {&layer.weight, &layer.bias})
      flat.insert(flat.end(), values->begin(), values->end());
  std::size_t at = 0;
  return problem.flat_input(name, 1, 1, static_cast<std::int64_t>(flat.size())).fill([&] { return flat[at++]; });
}

constexpr std::pair<const char*, Discrimination> kinds[] = {{"ce", Discrimination::cross_entropy},
                                                            {"fm_l1", Discrimination::feature_l1},
                                                            {"fm_l2", Discrimination::feature_l2},
                                                            {"fm_sq", Discrimination::feature_squared}};

/// A search of the golden rows, without expectations yet.
struct GoldenSearch {
  GoldenSearch(const Arrays& golden, Discrimination kind, int steps)
      : generator(golden_network(golden, "G", true)),
        discriminator(golden_network(golden, "D", false)),
        x(problem.input("x", 1, golden.at("x").shape[0], golden.at("x").shape[1])),
        z(problem.state("z", 1, x.rows, golden.at("z0").shape[1])),
        g(store_network(problem, "generator", generator)),
        d(store_network(problem, "discriminator", discriminator)),
        loss(problem.output("loss", 1, x.rows, 1)),
        residual(problem.output("residual", 1, x.rows, 1)),
        discrimination(problem.output("discrimination", 1, x.rows, 1)) {
    fill_from(x, golden.at("x"));
    fill_from(z, golden.at("z0"));
    for (auto* tensor : {&z, &loss, &residual, &discrimination}) tensor->expect_checked_elsewhere();
    arguments.steps = steps;
    arguments.learning_rate.rate[0] = static_cast<float>(golden.at("lr").values[0]);
    arguments.lambda = static_cast<float>(golden.at("w").values[0]);
    arguments.discrimination_kind = kind;
    problem.call = [this](Call& call) {
      LatentSearch args = arguments;
      args.generator = network_view(g.view().data, 0, generator);
      args.discriminator = network_view(d.view().data, 0, discriminator);
      args.x = x.view();
      args.z = z.view();
      args.loss = loss.view();
      args.residual = residual.view();
      args.discrimination = discrimination.view();
      call(args);
    };
  }
  GoldenSearch(const GoldenSearch&) = delete;
  GoldenSearch& operator=(const GoldenSearch&) = delete;

  Problem problem{0, Layout::contiguous};
  Network64 generator, discriminator;
  TypedTensor<float>&x, &z, &g, &d, &loss, &residual, &discrimination;
  LatentSearch arguments;
};

/// The loss after k steps for k = 0 to 25, and z and the parts of the loss after the last.
void check_search(const std::string& file) {
  const Arrays golden = read_golden(file);
  for (const auto& [name, kind] : kinds) {
    const std::string prefix = std::string(name) + "_";
    for (int steps = 0; steps <= 25; ++steps) {
      GoldenSearch search(golden, kind, steps);
      const auto expect_rows = [&](TypedTensor<float>& tensor, const Array& array, std::int64_t first) {
        for (std::int64_t r = 0; r < tensor.rows; ++r) {
          const double value = array.values[static_cast<std::size_t>(first + r)];
          tensor.expect(0, r, 0, value, 1e-5 * (1.0 + std::abs(value)));  // a hundredth of the required 1e-3
        }
      };
      expect_rows(search.loss, golden.at(prefix + "loss"), steps * search.x.rows);
      if (steps == 25) {
        expect_rows(search.residual, golden.at(prefix + "res"), 0);
        expect_rows(search.discrimination, golden.at(prefix + "dis"), 0);
        const std::vector<double>& last = golden.at(prefix + "zT").values;
        for (std::int64_t r = 0; r < search.z.rows; ++r)
          for (std::int64_t c = 0; c < search.z.columns; ++c)
            search.z.expect(0, r, c, last[static_cast<std::size_t>(r * search.z.columns + c)], 1e-5);
      }
      expect_match(search.problem, file + " " + numbered(prefix, steps) + " steps");
    }
  }
}

/// The gradient at the start of the search: Adam's first step is rate * g / (|g| + epsilon), with a rate and an epsilon
/// far above g nearly g itself.
void check_gradient(const std::string& file) {
  const Arrays golden = read_golden(file);
  for (const auto& [name, kind] : kinds) {
    GoldenSearch search(golden, kind, 1);
    search.arguments.learning_rate.rate[0] = search.arguments.epsilon = 1e5f;
    const std::vector<double>&gradient = golden.at(std::string(name) + "_dz0").values, &start = golden.at("z0").values;
    for (std::int64_t r = 0; r < search.z.rows; ++r) {
      const auto first = static_cast<std::size_t>(r * search.z.columns);
      double largest = 0.0;
      for (std::int64_t c = 0; c < search.z.columns; ++c)
        largest = std::max(largest, std::abs(gradient[first + static_cast<std::size_t>(c)]));
      for (std::int64_t c = 0; c < search.z.columns; ++c) {
        const std::size_t at = first + static_cast<std::size_t>(c);
        const double step = 1e5 * gradient[at] / (std::abs(gradient[at]) + 1e5);
        // g is a sum over all columns, whose terms are of the row's largest gradient's size.
        search.z.expect(0, r, c, start[at] - step, 1e-5 * largest + 2.0 * eps * std::abs(start[at]));
      }
    }
    expect_match(search.problem, file + " " + name + ", gradient");
  }
}

TEST(golden, latent_search_121) { check_search("anogan_search_121"); }
TEST(golden, latent_search_b1) { check_search("anogan_search_b1"); }
TEST(golden, latent_search_gradient) {
  check_gradient("anogan_search_121");
  check_gradient("anogan_search_b1");
}

}  // namespace
}  // namespace cugad::test
