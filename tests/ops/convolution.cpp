#include "tests/ops/convolution_case.hpp"
#include "tests/ops/golden.hpp"
#include "tests/ops/refusals.hpp"

/// Convolutions against golden vectors, and what their contracts refuse.
namespace cugad::test {
namespace {

struct NamedActivation {
  const char* name;
  Activation activation;
  float slope;
};
constexpr NamedActivation activations[] = {{"identity", Activation::identity, 0.0f},
                                           {"relu", Activation::relu, 0.0f},
                                           {"lrelu_0.2", Activation::leaky_relu, 0.2f},
                                           {"tanh", Activation::tanh, 0.0f}};

ImageShape shape_of(const Array& images) {
  const auto size = [&](std::size_t i) { return static_cast<std::int32_t>(images.shape[i]); };
  return {size(1), size(2), size(3)};
}

/// The norm of the largest error of the floats at `at`, relative to the largest number.
void expect_close(TypedTensor<float>& tensor, const Array& array) {
  double largest = 0.0;
  for (const double value : array.values) largest = std::max(largest, std::abs(value));
  for (std::int64_t r = 0; r < tensor.rows; ++r)
    for (std::int64_t c = 0; c < tensor.columns; ++c) {
      tensor.expect(0, r, c, array.values[static_cast<std::size_t>(r * tensor.columns + c)], 1e-5 * largest);
    }
}

/// y from x; then dx, dW and db from the golden y.
void check_case(const Arrays& golden, const std::string& name, const NamedActivation& act, bool is_transposed) {
  const std::string prefix = name + "_" + act.name + "_";
  const Array &images = golden.at(name + "_x"), &weights = golden.at(name + "_W"), &results = golden.at(prefix + "y");
  const std::vector<double>& geometry = golden.at(name + "_geometry").values;
  const auto whole = [](auto value) { return static_cast<std::int32_t>(value); };
  const Geometry g{shape_of(images),
                   shape_of(results),
                   {whole(weights.shape[1]), whole(weights.shape[2]), whole(geometry[0]), whole(geometry[1]),
                    whole(geometry[3]), is_transposed}};
  const std::int64_t rows = images.shape[0], out = g.to.channels;
  Problem problem(0, Layout::contiguous), backward(0, Layout::contiguous);
  auto& x = problem.input("x", 1, rows, g.columns_from());
  auto& weight = problem.input("weight", 1, out, g.fan_in());
  auto& bias = problem.input("bias", 1, 1, out);
  auto& y = problem.output("y", 1, rows, g.columns_to());
  fill_from(x, images);
  fill_from(weight, weights);
  fill_from(bias, golden.at(name + "_b"));
  expect_close(y, results);
  problem.call = [&](Call& call) {
    ConvolutionForward args;
    args.from = g.from;
    args.to = g.to;
    args.window = g.window;
    args.x = x.view();
    args.weight = weight.view();
    args.bias = bias.view();
    args.y = y.view();
    args.activation = act.activation;
    args.slope = act.slope;
    call(args);
  };
  expect_match(problem, prefix + "forward");
  auto& back_x = backward.input("x", 1, rows, g.columns_from());
  auto& back_weight = backward.input("weight", 1, out, g.fan_in());
  auto& back_y = backward.input("y", 1, rows, g.columns_to());
  auto& dy = backward.state("dy", 1, rows, g.columns_to());
  auto& dx = backward.output("dx", 1, rows, g.columns_from());
  auto& dweight = backward.output("dweight", 1, out, g.fan_in());
  auto& dbias = backward.output("dbias", 1, 1, out);
  fill_from(back_x, images);
  fill_from(back_weight, weights);
  fill_from(back_y, results);
  fill_from(dy, golden.at(name + "_dy"));
  dy.expect_checked_elsewhere();
  expect_close(dx, golden.at(prefix + "dx"));
  expect_close(dweight, golden.at(prefix + "dW"));
  expect_close(dbias, golden.at(prefix + "db"));
  backward.call = [&](Call& call) {
    ConvolutionBackward args;
    args.from = g.from;
    args.to = g.to;
    args.window = g.window;
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

TEST(golden, convolution) {
  int checked = 0;
  for (const char* file : {"conv2d_pad", "conv2d_same", "conv_transpose2d_pad", "conv_transpose2d_same"}) {
    const Arrays golden = read_golden(file);
    for (const auto& [array, _] : golden) {
      if (!array.ends_with("_geometry")) continue;
      const std::string name = array.substr(0, array.size() - std::string("_geometry").size());
      for (const NamedActivation& act : activations) {
        if (!golden.contains(name + "_" + act.name + "_y")) continue;
        SCOPED_TRACE(file);
        check_case(golden, name, act, std::string(file).starts_with("conv_transpose"));
        ++checked;
      }
    }
  }
  EXPECT_EQ(checked, 64) << "arrays were left out";
}

template <class Args>
Args good_arguments() {
  Args args;
  args.from = {4, 5, 2};
  args.to = {2, 3, 3};
  args.window = {3, 3, 2, 1, 1};
  args.x = matrix<const float>(numbers, 5, 40);
  args.weight = matrix<const float>(numbers + 200, 3, 18);
  return args;
}

/// Changes that both ops refuse.
template <class Args>
std::vector<std::pair<const char*, std::function<void(Args&)>>> wrong_shapes() {
  return {{"from", [](auto& a) { a.from.channels = 0; }},
          {"from",
           [](auto& a) {
             a.from = {32768, 32768, 2};
           }},
          {"to", [](auto& a) { a.to.width = -3; }},
          {"window", [](auto& a) { a.window.height = 0; }},
          {"window", [](auto& a) { a.window.width = 32769; }},
          {"window", [](auto& a) { a.window.stride = 0; }},
          {"window", [](auto& a) { a.window.stride = 33, a.to.height = a.to.width = 1; }},
          {"window", [](auto& a) { a.window.pad_top = 3; }},
          {"window", [](auto& a) { a.window.pad_left = -1; }},
          {"window", [](auto& a) { a.window.stride = 6; }},
          {"window",
           [](auto& a) {
             a.window = {32768, 32768, 1};
           }},
          {"x", [](auto& a) { a.x.columns = 39; }},
          {"x", [](auto& a) { a.x.data = nullptr; }},
          {"weight", [](auto& a) { a.weight.rows = 2; }},
          {"x",
           [](auto& a) {
             a.window.transposed = true, a.from = {2, 3, 3}, a.to = {4, 5, 2};
           }},
          {"slope", [](auto& a) { a.activation = Activation::leaky_relu; }},
          {"activation", [](auto& a) { a.activation = static_cast<Activation>(17); }}};
}

TEST(contract, convolution_forward) {
  auto good = good_arguments<ConvolutionForward>();
  good.bias = matrix<const float>(numbers + 300, 1, 3);
  good.y = matrix(numbers + 400, 5, 18);
  auto changes = wrong_shapes<ConvolutionForward>();
  changes.pop_back();
  changes.insert(changes.end(), {{"x", [](auto& a) { a.x.columns = 41; }},
                                 {"bias", [](auto& a) { a.bias.columns = 18; }},
                                 {"y", [](auto& a) { a.y.data = nullptr; }},
                                 {"derivative_of", [](auto& a) { a.derivative_of = a.x; }},
                                 {"rate", [](auto& a) { a.dropout.rate = 1.0f; }}});
  expect_refusals<ConvolutionForward>("convolution_forward", good, changes);
}

TEST(contract, convolution_backward) {
  auto good = good_arguments<ConvolutionBackward>();
  good.y = matrix<const float>(numbers + 400, 5, 18);
  good.dy = matrix(numbers + 500, 5, 18);
  good.dx = matrix(numbers + 600, 5, 40);
  good.dweight = matrix(numbers + 800, 3, 18);
  good.dbias = matrix(numbers + 900, 1, 3);
  auto changes = wrong_shapes<ConvolutionBackward>();
  changes.insert(changes.end(), {{"y", [](auto& a) { a.activation = Activation::relu, a.y.data = nullptr; }},
                                 {"dy", [](auto& a) { a.dy.data = nullptr; }},
                                 {"dx", [](auto& a) { a.dx.rows = 6; }},
                                 {"dweight", [](auto& a) { a.dweight.columns = 17; }},
                                 {"dbias", [](auto& a) { a.dbias.columns = 18; }},
                                 {"rate", [](auto& a) { a.dropout_rate = -0.1f; }}});
  expect_refusals<ConvolutionBackward>("convolution_backward", good, changes);
}

}  // namespace
}  // namespace cugad::test
