#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "tests/ops/batch_norm_reference.hpp"
#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1, reference_rows = 0;
  Activation activation = Activation::identity;
  double slope = 0.0, dropout = 0.0;
  double offset = 0.5, deviation = 1.0;  ///< of the columns
  double epsilon = 1e-3;
  bool moving_mean = true, moving_variance = true;
  bool shared_x = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

std::vector<double> column_of(const TypedTensor<float>& x, std::int64_t m, std::int64_t c) {
  std::vector<double> column;
  for (std::int64_t r = 0; r < x.rows; ++r) column.push_back(x.get(m, r, c));
  return column;
}

/// Beyond the reference rows, equal rows give equal bits at every position.
std::string compare_last_rows(const Results& results, const TypedTensor<float>& y, std::size_t index,
                              std::int64_t row) {
  for (std::int64_t m = 0; m < y.models; ++m)
    for (std::int64_t c = 0; c < y.columns; ++c) {
      const float a = y.get(results[index], m, row, c), b = y.get(results[index], m, y.rows - 1, c);
      if (std::memcmp(&a, &b, sizeof a) != 0) return "a row depends on the rows around it";
    }
  return "";
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.columns};
  auto& x = problem.input("x", models, rows, columns, shape.shared_x);
  x.fill([&] { return shape.offset + shape.deviation * random.normal(); });
  const bool twins = shape.reference_rows > 0 && rows > shape.reference_rows + 1 && shape.dropout == 0.0;
  for (std::int64_t m = 0; twins && m < (shape.shared_x ? 1 : models); ++m)
    for (std::int64_t c = 0; c < columns; ++c) x.set(m, rows - 1, c, x.get(m, shape.reference_rows, c));
  auto& scale = problem.input("scale", models, 1, columns).fill([&] { return random.uniform(-2.0, 2.0); });
  auto& shift = problem.input("shift", models, 1, columns).fill([&] { return random.normal(); });
  auto& y = problem.output("y", models, rows, columns);
  y.negative_zero_matters = shape.dropout > 0.0;
  auto& mean = problem.output("mean", models, 1, columns);
  auto& inverse = problem.output("inverse_deviation", models, 1, columns);
  auto& moving_mean = problem.state("moving_mean", models, 1, columns).fill([&] { return random.normal(); });
  auto& moving_variance =
      problem.state("moving_variance", models, 1, columns).fill([&] { return random.uniform(0.0, 2.0); });
  const RandomKey key{random.next(), RandomPurpose::dropout, 3, 17, nullptr};
  const auto rate = static_cast<float>(shape.dropout), momentum = 0.9f, epsilon = static_cast<float>(shape.epsilon);
  const double kept = 1.0 / (1.0 - static_cast<double>(rate)), slope = static_cast<float>(shape.slope);

  for (std::int64_t m = 0; m < models; ++m)
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::vector<double> values = column_of(x, m, c);
      const NormalisedColumn column = normalise_column(values, epsilon, shape.reference_rows);
      const double inverse_value = 1.0 / std::sqrt(column.variance + static_cast<double>(epsilon));
      mean.expect(m, 0, c, column.mean, 2.0 * eps * std::abs(column.mean));
      inverse.expect(m, 0, c, inverse_value, 2.0 * eps * inverse_value);
      const auto expect_moving = [&](TypedTensor<float>& moving, double now) {
        const double before = static_cast<double>(momentum) * moving.get(m, 0, c);
        const double after = (1.0 - static_cast<double>(momentum)) * now;
        moving.expect(m, 0, c, before + after, 2.0 * eps * (std::abs(before) + std::abs(after)));
      };
      expect_moving(moving_mean, column.mean);
      expect_moving(moving_variance, column.variance);
      const double gain = scale.get(m, 0, c), constant = shift.get(m, 0, c);
      for (std::int64_t r = 0; r < rows; ++r) {
        const double normal = column.value[static_cast<std::size_t>(r)];
        const double before =
            eps * (std::abs(gain) * (2.0 * inverse_value * std::abs(column.mean) + 12.0 * std::abs(normal)) +
                   2.0 * std::abs(constant));
        const double value = kept * activate(shape.activation, slope, gain * normal + constant);
        const double own = 4.0 * eps * std::abs(value) + (is_curved(shape.activation) ? 4.0 * eps : 0.0) * kept;
        const std::uint32_t word = random_word(key, m, static_cast<std::uint64_t>(r * columns + c));
        const bool dropped = static_cast<double>(word) < static_cast<double>(rate) * 0x1p32;
        const double scaling = rate > 0.0f ? 3.0 * eps * std::abs(value) : 0.0;
        y.expect(m, r, c, dropped ? -0.0 : (value == 0.0 ? 0.0 : value), dropped ? 0.0 : kept * before + own + scaling);
      }
    }
  if (!shape.moving_mean) moving_mean.expect_unchanged();
  if (!shape.moving_variance) moving_variance.expect_unchanged();

  problem.bytes = 8.0 * static_cast<double>(models * rows * columns);
  problem.same_bits_where_fused = true;
  if (twins) {
    problem.check = [&y, index = problem.index_of(y), row = shape.reference_rows](const Results& results) {
      return compare_last_rows(results, y, index, row);
    };
  }
  problem.call = [&, shape, key, rate, momentum, epsilon](Call& call) {
    BatchNorm args;
    args.x = x.view(call.slice);
    args.scale = scale.view(call.slice);
    args.shift = shift.view(call.slice);
    args.epsilon = epsilon;
    args.reference_rows = static_cast<std::int32_t>(shape.reference_rows);
    args.activation = shape.activation;
    args.slope = static_cast<float>(shape.slope);
    args.dropout = {rate, key};
    args.dropout.key.seed += static_cast<std::uint64_t>(call.slice.first_model);
    args.y = y.view(call.slice);
    args.mean = mean.view(call.slice);
    args.inverse_deviation = inverse.view(call.slice);
    args.momentum = momentum;
    if (shape.moving_mean) args.moving_mean = moving_mean.view(call.slice);
    if (shape.moving_variance) args.moving_variance = moving_variance.view(call.slice);
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters =
      parameters("models", s.models, "rows", s.rows, "columns", s.columns, "reference_rows", s.reference_rows,
                 "activation", name_of(s.activation), "slope", s.slope, "dropout", s.dropout, "offset", s.offset,
                 "deviation", s.deviation, "epsilon", s.epsilon, "moving_mean", s.moving_mean, "moving_variance",
                 s.moving_variance, "shared_x", s.shared_x, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> batch_norm_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  // Tails of columns, and rows around the 16 partial sums.
  for (const std::int64_t rows : {1, 2, 15, 16, 17, 50}) {
    for (const std::int64_t columns : {1, 7, 15, 16, 17, 33, 64, 65})
      add({.rows = rows, .columns = columns, .layout = static_cast<Layout>((rows + columns) % 3)});
  }
  for (const std::int64_t reference : {1, 2, 17, 39, 40})
    for (const std::int64_t columns : {1, 18, 70})
      add({.models = 2,
           .rows = 40,
           .columns = columns,
           .reference_rows = reference,
           .layout = static_cast<Layout>((reference + columns) % 3)});
  for (const Activation activation :
       {Activation::identity, Activation::relu, Activation::leaky_relu, Activation::sigmoid, Activation::tanh}) {
    for (const std::int64_t reference : {0, 9})
      for (const double dropout : {0.0, 0.2})
        add({.models = 3,
             .rows = 21,
             .columns = 19,
             .reference_rows = reference,
             .activation = activation,
             .slope = activation == Activation::leaky_relu ? 0.2 : 0.0,
             .dropout = dropout,
             .shared_x = dropout > 0.0,
             .layout = dropout > 0.0 ? Layout::strided : Layout::misaligned});
  }
  // Columns far from zero, constant, and tiny.
  for (const std::int64_t reference : {0, 20}) {
    add({.rows = 33, .columns = 5, .reference_rows = reference, .offset = 1000.0});
    add({.rows = 33, .columns = 5, .reference_rows = reference, .offset = 3.7, .deviation = 0.0});
    add({.rows = 33, .columns = 5, .reference_rows = reference, .deviation = 1e-6, .epsilon = 1e-12});
    add({.rows = 33, .columns = 5, .reference_rows = reference, .offset = 0.0, .deviation = 1e4, .epsilon = 1e-5});
  }
  for (int wanted = 0; wanted < 4; ++wanted)
    add({.models = 2,
         .rows = 9,
         .columns = 6,
         .moving_mean = (wanted & 1) != 0,
         .moving_variance = (wanted & 2) != 0,
         .layout = Layout::strided});
  add({.models = 3, .rows = 3, .columns = 0});
  add({.models = 3, .rows = 700, .columns = 150, .activation = Activation::relu});  // enough for a second thread
  add({.models = 8, .rows = 64, .columns = 128, .activation = Activation::relu, .perf = true});
  return cases;
}

const bool registered = register_op("batch_norm", batch_norm_cases());

}  // namespace
}  // namespace cugad::test
