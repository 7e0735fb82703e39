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

/// The loss after k steps for k = 0 to 25, and z and the parts of the loss after the last.
void check_search(const std::string& file) {
  const Arrays golden = read_golden(file);
  const Network64 generator = golden_network(golden, "G", true), discriminator = golden_network(golden, "D", false);
  const std::pair<const char*, Discrimination> kinds[] = {{"ce", Discrimination::cross_entropy},
                                                          {"fm_l1", Discrimination::feature_l1},
                                                          {"fm_l2", Discrimination::feature_l2},
                                                          {"fm_sq", Discrimination::feature_squared}};
  const std::int64_t rows = golden.at("x").shape[0], columns = golden.at("x").shape[1];
  const std::int64_t latent = golden.at("z0").shape[1];
  for (const auto& [name, kind] : kinds) {
    const std::string prefix = std::string(name) + "_";
    for (int steps = 0; steps <= 25; ++steps) {
      Problem problem(0, Layout::contiguous);
      auto& x = problem.input("x", 1, rows, columns);
      auto& z = problem.state("z", 1, rows, latent);
      fill_from(x, golden.at("x"));
      fill_from(z, golden.at("z0"));
      auto& g = store_network(problem, "generator", generator);
      auto& d = store_network(problem, "discriminator", discriminator);
      auto& loss = problem.output("loss", 1, rows, 1);
      auto& residual = problem.output("residual", 1, rows, 1);
      auto& discrimination = problem.output("discrimination", 1, rows, 1);
      z.expect_checked_elsewhere();
      residual.expect_checked_elsewhere();
      discrimination.expect_checked_elsewhere();
      const auto expect_rows = [&](TypedTensor<float>& tensor, const Array& array, std::int64_t first) {
        for (std::int64_t r = 0; r < rows; ++r) {
          const double value = array.values[static_cast<std::size_t>(first + r)];
          tensor.expect(0, r, 0, value, 1e-5 * (1.0 + std::abs(value)));  // a hundredth of the 1e-3 asked for
        }
      };
      expect_rows(loss, golden.at(prefix + "loss"), steps * rows);
      if (steps == 25) {
        expect_rows(residual, golden.at(prefix + "res"), 0);
        expect_rows(discrimination, golden.at(prefix + "dis"), 0);
        const Array& final_z = golden.at(prefix + "zT");
        for (std::int64_t r = 0; r < rows; ++r)
          for (std::int64_t c = 0; c < latent; ++c)
            z.expect(0, r, c, final_z.values[static_cast<std::size_t>(r * latent + c)], 1e-5);
      }
      if (steps == 1) {  // the first step of Adam is rate * g / (|g| + epsilon'): the sign of the gradient
        const Array &gradient = golden.at(prefix + "dz0"), &start = golden.at("z0");
        for (std::int64_t r = 0; r < rows; ++r)
          for (std::int64_t c = 0; c < latent; ++c) {
            const auto at = static_cast<std::size_t>(r * latent + c);
            const double step = 0.01 * gradient.values[at] / (std::abs(gradient.values[at]) + 1e-8);
            z.expect(0, r, c, start.values[at] - step, std::abs(gradient.values[at]) > 1e-5 ? 1e-6 : 0.021);
          }
      }
      problem.call = [&, kind = kind, steps](Call& call) {
        LatentSearch args;
        args.generator = network_view(g.view().data, 0, generator);
        args.discriminator = network_view(d.view().data, 0, discriminator);
        args.x = x.view();
        args.z = z.view();
        args.steps = steps;
        args.learning_rate.rate[0] = static_cast<float>(golden.at("lr").values[0]);
        args.lambda = static_cast<float>(golden.at("w").values[0]);
        args.discrimination_kind = kind;
        args.loss = loss.view();
        args.residual = residual.view();
        args.discrimination = discrimination.view();
        call(args);
      };
      expect_match(problem, file + " " + numbered(prefix, steps) + " steps");
    }
  }
}

TEST(golden, latent_search_121) { check_search("anogan_search_121"); }
TEST(golden, latent_search_b1) { check_search("anogan_search_b1"); }

}  // namespace
}  // namespace cugad::test
