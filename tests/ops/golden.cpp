#include <gtest/gtest.h>

#include "tests/common/npz.hpp"
#include "tests/ops/latent_problem.hpp"

/// The golden vectors of tests/golden (float64 automatic differentiation of another program) against the ops.
namespace cugad::test {
namespace {

using Arrays = std::map<std::string, Array>;

Arrays read_golden(const std::string& name) { return read_npz(CUGAD_SOURCE_DIR "/tests/golden/" + name + ".npz"); }

double largest(const std::vector<double>& values) {
  double result = 0.0;
  for (const double value : values) result = std::max(result, std::abs(value));
  return result;
}

/// Relative to the element, or to a thousandth of the array's largest: an element that is small because its terms
/// cancel carries the rounding of the terms.
double allowed(double relative, double value, double scale) {
  return relative * std::max(std::abs(value), 1e-3 * scale);
}

/// Fills an input [1, rows, columns] from an array in the file's order, or transposed.
void fill_from(TypedTensor<float>& tensor, const Array& array, bool transposed = false) {
  for (std::int64_t r = 0; r < tensor.rows; ++r)
    for (std::int64_t c = 0; c < tensor.columns; ++c) {
      const std::int64_t at = transposed ? c * tensor.rows + r : r * tensor.columns + c;
      tensor.set(0, r, c, static_cast<float>(array.values[static_cast<std::size_t>(at)]));
    }
}

void expect_from(TypedTensor<float>& tensor, const Array& array, double relative, bool transposed = false) {
  const double scale = largest(array.values);
  for (std::int64_t r = 0; r < tensor.rows; ++r)
    for (std::int64_t c = 0; c < tensor.columns; ++c) {
      const std::int64_t at = transposed ? c * tensor.rows + r : r * tensor.columns + c;
      const double value = array.values[static_cast<std::size_t>(at)];
      tensor.expect(0, r, c, value, allowed(relative, value, scale));
    }
}

void expect_match(const Problem& problem, const std::string& what) {
  for (const NamedDevice& named : devices()) {
    std::string refusal;
    double worst = 0.0;
    const Results results = execute(problem, initial_images(problem), named.device, 1, {{}}, &refusal);
    EXPECT_EQ(refusal, "") << named.name << ' ' << what;
    EXPECT_EQ(compare(problem, results, false, &worst), "") << named.name << ' ' << what;
  }
}

struct NamedActivation {
  const char* name;
  Activation activation;
  float slope;
};
constexpr NamedActivation activations[] = {{"identity", Activation::identity, 0.0f},
                                           {"relu", Activation::relu, 0.0f},
                                           {"lrelu_0.01", Activation::leaky_relu, 0.01f},
                                           {"lrelu_0.1", Activation::leaky_relu, 0.1f},
                                           {"lrelu_0.2", Activation::leaky_relu, 0.2f},
                                           {"sigmoid", Activation::sigmoid, 0.0f},
                                           {"tanh", Activation::tanh, 0.0f}};

/// One layer and one activation: y from x, then dx, dW and db from the y that the op itself stored.
void check_dense(const Arrays& golden, const std::string& shape, const NamedActivation& act) {
  const std::string prefix = shape + "_" + act.name + "_";
  const Array &x_array = golden.at(shape + "_x"), &weight_array = golden.at(shape + "_W");
  const std::int64_t rows = x_array.shape[0], in = x_array.shape[1], out = weight_array.shape[1];
  Problem problem(0, Layout::contiguous);
  auto& x = problem.input("x", 1, rows, in);
  auto& weight = problem.input("weight", 1, out, in);
  auto& bias = problem.input("bias", 1, 1, out);
  auto& y = problem.output("y", 1, rows, out);
  auto& dy = problem.state("dy", 1, rows, out);
  auto& dx = problem.output("dx", 1, rows, in);
  auto& dweight = problem.output("dweight", 1, out, in);
  auto& dbias = problem.output("dbias", 1, 1, out);
  fill_from(x, x_array);
  fill_from(weight, weight_array, true);
  fill_from(bias, golden.at(shape + "_b"));
  fill_from(dy, golden.at(shape + "_dy"));
  expect_from(y, golden.at(prefix + "y"), 1e-5);
  dy.expect_checked_elsewhere();
  expect_from(dx, golden.at(prefix + "dx"), 1e-5);
  expect_from(dweight, golden.at(prefix + "dW"), 1e-5, true);
  expect_from(dbias, golden.at(prefix + "db"), 1e-5);
  problem.call = [&](Call& call) {
    DenseForward forward;
    forward.x = x.view();
    forward.weight = weight.view();
    forward.bias = bias.view();
    forward.y = y.view();
    forward.activation = act.activation;
    forward.slope = act.slope;
    call(forward);
    DenseBackward backward;
    backward.x = x.view();
    backward.weight = weight.view();
    backward.y = y.view();
    backward.dy = dy.view();
    backward.dx = dx.view();
    backward.dweight = dweight.view();
    backward.dbias = dbias.view();
    backward.activation = act.activation;
    backward.slope = act.slope;
    call(backward);
  };
  expect_match(problem, prefix);
}

TEST(golden, dense) {
  int checked = 0;
  for (const char* file : {"dense_all_acts", "dense_wide_1", "dense_wide_2", "dense_wide_3", "dense_wide_4"}) {
    const Arrays golden = read_golden(file);
    for (int s = 0; golden.contains("s" + std::to_string(s) + "_x"); ++s)
      for (const NamedActivation& act : activations) {
        const std::string shape = "s" + std::to_string(s);
        if (!golden.contains(shape + "_" + act.name + "_y")) continue;
        SCOPED_TRACE(file);
        check_dense(golden, shape, act);
        ++checked;
      }
  }
  EXPECT_EQ(checked, 5 * 7 + 10) << "arrays were left out";
}

TEST(golden, sigmoid_cross_entropy) {
  const Arrays golden = read_golden("sigmoid_ce");
  int checked = 0;
  for (const auto& [name, logits] : golden) {
    if (!name.ends_with("_logit") || name.ends_with("dlogit")) continue;
    const std::string prefix = name.substr(0, name.size() - 5);
    const Array &targets = golden.at(prefix + "target"), &per = golden.at(prefix + "per");
    const Array& gradient = golden.at(prefix + "dlogit");
    const auto n = static_cast<std::int64_t>(logits.values.size());
    // Targets differ from row to row and the op takes one: a run per row, the mean from all of them.
    double mean = 0.0, bound = 0.0;
    for (const NamedDevice& named : devices()) {
      mean = bound = 0.0;
      for (std::size_t r = 0; r < logits.values.size(); ++r) {
        Problem problem(0, Layout::contiguous);
        auto& logit = problem.input("logit", 1, 1, 1);
        auto& dlogit = problem.output("dlogit", 1, 1, 1);
        auto& per_row = problem.output("per_row", 1, 1, 1);
        auto& loss = problem.output("loss", 1, 1, 1);
        logit.set(0, 0, 0, static_cast<float>(logits.values[r]));
        const double one = 6.0 * eps * (1.0 + std::abs(per.values[r]));
        dlogit.expect(0, 0, 0, gradient.values[r] * static_cast<double>(n), 6.0 * eps);
        per_row.expect(0, 0, 0, per.values[r], one);
        loss.expect(0, 0, 0, per.values[r], one);
        problem.call = [&](Call& call) {
          SigmoidCrossEntropy args;
          args.logit = logit.view();
          args.target = static_cast<float>(targets.values[r]);
          args.dlogit = dlogit.view();
          args.per_row = per_row.view();
          args.loss = loss.view();
          call(args);
        };
        std::string refusal;
        double worst = 0.0;
        const Results results = execute(problem, initial_images(problem), named.device, 1, {{}}, &refusal);
        ASSERT_EQ(refusal, "");
        ASSERT_EQ(compare(problem, results, false, &worst), "")
            << named.name << ' ' << prefix << " logit " << logits.values[r] << " target " << targets.values[r];
        mean += loss.number(results[3], 0, 0, 0) / static_cast<double>(n);
        bound += one / static_cast<double>(n);
      }
      EXPECT_NEAR(mean, golden.at(prefix + "mean").values[0], bound) << named.name << ' ' << prefix;
    }
    ++checked;
  }
  EXPECT_EQ(checked, 8);
}

TEST(golden, adam) {
  const Arrays golden = read_golden("adam");
  const Array& gradients = golden.at("grads");
  const std::int64_t n = gradients.shape[1];
  int checked = 0;
  for (const auto& [name, final_weights] : golden) {
    if (!name.ends_with("_w10")) continue;
    const std::string prefix = name.substr(0, name.size() - 3);
    const auto rate = std::stof(prefix.substr(prefix.find("_lr") + 3));
    const auto beta1 = std::stof(prefix.substr(prefix.find("_b1") + 3));
    for (const int steps : {1, 2, 10}) {
      Problem problem(0, Layout::contiguous);
      auto& w = problem.state("parameter", 1, 1, n);
      auto& m = problem.state("first_moment", 1, 1, n).fill([] { return 0.0; });
      auto& v = problem.state("second_moment", 1, 1, n).fill([] { return 0.0; });
      auto& gradient = problem.input("gradients", 1, 10, n);
      fill_from(w, golden.at("w0"));
      fill_from(gradient, gradients);
      const Array& weights = golden.at(prefix + "w" + std::to_string(steps));
      const Array& start = golden.at("w0");
      for (std::int64_t i = 0; i < n; ++i) {
        const auto at = static_cast<std::size_t>(i);
        // Each step rounds the weight once and is itself good to 1e-5 (rates and betas are float32 here).
        const double moved = std::abs(weights.values[at] - start.values[at]);
        w.expect(0, 0, i, weights.values[at],
                 1e-5 * (moved + static_cast<double>(rate)) + steps * 2.0 * eps * std::abs(weights.values[at]));
      }
      m.expect_checked_elsewhere();
      v.expect_checked_elsewhere();
      if (steps == 10) {
        const Array &m10 = golden.at(prefix + "m10"), &v10 = golden.at(prefix + "v10");
        for (std::int64_t i = 0; i < n; ++i) {
          const auto at = static_cast<std::size_t>(i);
          double terms = 0.0;
          for (std::size_t t = 0; t < 10; ++t)
            terms = beta1 * terms + (1.0 - beta1) * std::abs(gradients.values[t * static_cast<std::size_t>(n) + at]);
          m.expect(0, 0, i, m10.values[at], 1e-5 * terms);
          // beta2 is .999 there and .999f here: 1 - beta2 differs by 1.3e-5.
          v.expect(0, 0, i, v10.values[at], 3e-5 * v10.values[at] + 0x1p-126);
        }
      }
      problem.call = [&](Call& call) {
        for (int step = 0; step < steps; ++step) {
          Adam args;
          args.parameter = w.view();
          args.gradient = gradient.view().slice_rows(step, 1);
          args.first_moment = m.view();
          args.second_moment = v.view();
          args.form = prefix.starts_with("torch") ? AdamForm::standard : AdamForm::epsilon_hat;
          args.learning_rate = rate;
          args.beta1 = beta1;
          args.step = step + 1;
          call(args);
        }
      };
      expect_match(problem, prefix + std::to_string(steps));
    }
    ++checked;
  }
  EXPECT_EQ(checked, 6);
}

Network64 golden_network(const Arrays& golden, const std::string& name, bool generator) {
  Network64 network;
  for (int l = 1; golden.contains(name + "_W" + std::to_string(l)); ++l) {
    const Array& weight = golden.at(name + "_W" + std::to_string(l));
    Layer64 layer;
    layer.in = weight.shape[0];
    layer.out = weight.shape[1];
    layer.activation = generator ? Activation::relu : Activation::leaky_relu;
    layer.slope = static_cast<double>(0.1f);
    for (std::int64_t o = 0; o < layer.out; ++o)
      for (std::int64_t k = 0; k < layer.in; ++k)
        layer.weight.push_back(weight.values[static_cast<std::size_t>(k * layer.out + o)]);
    layer.bias = golden.at(name + "_b" + std::to_string(l)).values;
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
      expect_match(problem, file + " " + prefix + std::to_string(steps) + " steps");
    }
  }
}

TEST(golden, latent_search_121) { check_search("anogan_search_121"); }
TEST(golden, latent_search_b1) { check_search("anogan_search_b1"); }

}  // namespace
}  // namespace cugad::test
