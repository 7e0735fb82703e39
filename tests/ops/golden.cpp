#include "tests/ops/golden.hpp"

#include "tests/ops/reference.hpp"

/// Golden vectors of the dense layer, the cross-entropy and Adam.
namespace cugad::test {
namespace {

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

/// One layer and one activation. y from x; then dx, dW and db from the golden y, so that the rounding of y widens no
/// bound of the gradients: the slope of a curved activation follows from the stored output.
void check_dense(const Arrays& golden, const std::string& shape, const NamedActivation& act) {
  const std::string prefix = shape + "_" + act.name + "_";
  const Array &x_array = golden.at(shape + "_x"), &weight_array = golden.at(shape + "_W");
  const std::int64_t rows = x_array.shape[0], in = x_array.shape[1], out = weight_array.shape[1];
  Problem forward(0, Layout::contiguous), backward(0, Layout::contiguous);
  auto& x = forward.input("x", 1, rows, in);
  auto& weight = forward.input("weight", 1, out, in);
  auto& bias = forward.input("bias", 1, 1, out);
  auto& y = forward.output("y", 1, rows, out);
  fill_from(x, x_array);
  fill_from(weight, weight_array, true);
  fill_from(bias, golden.at(shape + "_b"));
  expect_from(y, golden.at(prefix + "y"), 0.0);
  auto& back_x = backward.input("x", 1, rows, in);
  auto& back_weight = backward.input("weight", 1, out, in);
  auto& back_y = backward.input("y", 1, rows, out);
  auto& dy = backward.state("dy", 1, rows, out);
  auto& dx = backward.output("dx", 1, rows, in);
  auto& dweight = backward.output("dweight", 1, out, in);
  auto& dbias = backward.output("dbias", 1, 1, out);
  fill_from(back_x, x_array);
  fill_from(back_weight, weight_array, true);
  fill_from(back_y, golden.at(prefix + "y"));
  fill_from(dy, golden.at(shape + "_dy"));
  dy.expect_checked_elsewhere();
  expect_from(dx, golden.at(prefix + "dx"), 0.0);
  expect_from(dweight, golden.at(prefix + "dW"), 0.0, true);
  expect_from(dbias, golden.at(prefix + "db"), 0.0);
  // The contract's bounds: the rounding of the terms, which may cancel. y is rounded to float32 on its way in, and the
  // slope of a curved activation, at most 1, twice as much.
  const bool curved = is_curved(act.activation);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t o = 0; o < out; ++o) {
      double terms = std::abs(bias.get(0, 0, o));
      for (std::int64_t k = 0; k < in; ++k)
        terms += std::abs(static_cast<double>(x.get(0, r, k)) * weight.get(0, o, k));
      y.bound[y.position(0, r, o)] += eps * (static_cast<double>(in + 2) * terms + (curved ? 4.0 : 0.0));
      const double slope_error = curved ? 4.0 * eps : 0.0, size = std::abs(dy.get(0, r, o));
      dbias.bound[dbias.position(0, 0, o)] += size * (static_cast<double>(rows + 4) * eps + slope_error);
      for (std::int64_t k = 0; k < in; ++k) {
        dx.bound[dx.position(0, r, k)] +=
            size * std::abs(weight.get(0, o, k)) * (static_cast<double>(out + 4) * eps + slope_error);
        dweight.bound[dweight.position(0, o, k)] +=
            size * std::abs(x.get(0, r, k)) * (static_cast<double>(rows + 4) * eps + slope_error);
      }
    }
  forward.call = [&](Call& call) {
    DenseForward args;
    args.x = x.view();
    args.weight = weight.view();
    args.bias = bias.view();
    args.y = y.view();
    args.activation = act.activation;
    args.slope = act.slope;
    call(args);
  };
  expect_match(forward, prefix + "forward");
  backward.call = [&](Call& call) {
    DenseBackward args;
    args.x = back_x.view();
    args.weight = back_weight.view();
    args.y = back_y.view();
    args.dy = dy.view();
    args.dx = dx.view();
    args.dweight = dweight.view();
    args.dbias = dbias.view();
    args.activation = act.activation;
    args.slope = act.slope;
    call(args);
  };
  expect_match(backward, prefix + "backward");
}

TEST(golden, dense) {
  int checked = 0;
  for (const char* file : {"dense_all_acts", "dense_wide_1", "dense_wide_2", "dense_wide_3", "dense_wide_4"}) {
    const Arrays golden = read_golden(file);
    for (int s = 0; golden.contains(numbered("s", s) + "_x"); ++s)
      for (const NamedActivation& act : activations) {
        const std::string shape = numbered("s", s);
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
    const auto beta1 = std::stod(prefix.substr(prefix.find("_b1") + 3));
    for (const int steps : {1, 2, 10}) {
      Problem problem(0, Layout::contiguous);
      auto& w = problem.state("parameter", 1, 1, n);
      auto& m = problem.state("first_moment", 1, 1, n).fill([] { return 0.0; });
      auto& v = problem.state("second_moment", 1, 1, n).fill([] { return 0.0; });
      auto& gradient = problem.input("gradients", 1, 10, n);
      fill_from(w, golden.at("w0"));
      fill_from(gradient, gradients);
      const Array& weights = golden.at(numbered(prefix + "w", steps));
      const Array& start = golden.at("w0");
      for (std::int64_t i = 0; i < n; ++i) {
        const auto at = static_cast<std::size_t>(i);
        // Each step rounds the weight once and is itself good to 1e-5.
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
          v.expect(0, 0, i, v10.values[at], 1e-5 * v10.values[at] + 0x1p-126);
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
      expect_match(problem, numbered(prefix, steps));
    }
    ++checked;
  }
  EXPECT_EQ(checked, 6);
}

}  // namespace
}  // namespace cugad::test
