#include <gtest/gtest.h>

#include "tests/ops/matrix.hpp"
#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1;
  Distance metric = Distance::l1;
  double weight = 1.0;
  bool da = true, db = true, loss = true;
  bool accumulate = false;
  bool shared_b = false;
  bool weighted = false;  ///< by cell
  bool exact = false;     ///< small integers, many of them equal; rows * columns must be a power of two
  bool perf = false;
  Layout layout = Layout::contiguous;
};

/// `cells`: the weights of cells; empty: 1.
double loss_of(const Matrix& a, const Matrix& b, Distance metric, double weight,
               const std::vector<double>& cells = {}) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.data.size(); ++i) {
    const double difference = a.data[i] - b.data[i];
    sum += (metric == Distance::l1 ? std::abs(difference) : difference * difference) * (cells.empty() ? 1.0 : cells[i]);
  }
  return weight * sum / static_cast<double>(a.data.size());
}

/// With respect to a; that of b is its negative.
Matrix gradient_of(const Matrix& a, const Matrix& b, Distance metric, double weight,
                   const std::vector<double>& cells = {}) {
  Matrix gradient(a.rows, a.columns);
  const double scale = weight / static_cast<double>(a.data.size());
  for (std::size_t i = 0; i < a.data.size(); ++i) {
    const double difference = a.data[i] - b.data[i];
    const double sign = difference > 0.0 ? 1.0 : difference < 0.0 ? -1.0 : 0.0;
    gradient.data[i] = scale * (metric == Distance::l1 ? sign : 2.0 * difference) * (cells.empty() ? 1.0 : cells[i]);
  }
  return gradient;
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto [models, rows, columns] = std::array{shape.models, shape.rows, shape.columns};
  const auto number = [&] { return shape.exact ? static_cast<double>(random.integer(-2, 2)) : random.normal(); };
  auto& a = problem.input("a", models, rows, columns).fill(number);
  auto& b = problem.input("b", models, rows, columns, shape.shared_b).fill(number);
  const auto gradient_tensor = [&](const char* name) -> TypedTensor<float>& {
    return shape.accumulate ? problem.state(name, models, rows, columns).fill(number)
                            : problem.output(name, models, rows, columns);
  };
  auto& da = gradient_tensor("da");
  auto& db = gradient_tensor("db");
  auto& loss = problem.output("loss", models, 1, 1);
  auto& cell_weight = problem.input("cell_weight", models, rows, columns, true);
  cell_weight.fill([&] { return shape.exact ? static_cast<double>(random.integer(0, 2)) : random.uniform(0.0, 1.0); });
  const double weight = static_cast<float>(shape.weight);
  const bool empty = rows * columns == 0;
  for (std::int64_t m = 0; m < models && !empty; ++m) {
    const Matrix x = matrix_of(a, m), y = matrix_of(b, m);
    const std::vector<double> cells = shape.weighted ? matrix_of(cell_weight, m).data : std::vector<double>();
    const Matrix gradient = gradient_of(x, y, shape.metric, weight, cells);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c)
        for (const bool first : {true, false}) {
          TypedTensor<float>& tensor = first ? da : db;
          const double term = first ? gradient.at(r, c) : -gradient.at(r, c);
          const double value = term + (shape.accumulate ? tensor.get(m, r, c) : 0.0f);
          tensor.expect(m, r, c, value, eps * (4.0 * std::abs(term) + (shape.accumulate ? std::abs(value) : 0.0)));
        }
    const double value = loss_of(x, y, shape.metric, weight, cells);
    loss.expect(m, 0, 0, value, 4.0 * eps * std::abs(value));
  }
  if (!shape.da) da.expect_unchanged();
  if (!shape.db) db.expect_unchanged();
  if (!shape.loss || empty) loss.expect_unchanged();

  problem.same_bits_on_all_backends = true;  // the loss too: double sums differ far below a float's last bit
  problem.bytes = 16.0 * static_cast<double>(models * rows * columns);
  problem.call = [&, shape](Call& call) {
    DifferenceLoss args;
    args.a = a.view(call.slice);
    args.b = b.view(call.slice);
    args.metric = shape.metric;
    args.weight = static_cast<float>(shape.weight);
    if (shape.da) args.da = da.view(call.slice);
    if (shape.db) args.db = db.view(call.slice);
    args.accumulate = shape.accumulate;
    if (shape.loss) args.loss = loss.view(call.slice);
    if (shape.weighted) args.cell_weight = cell_weight.view(call.slice);
    call(args);
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters = parameters("models", s.models, "rows", s.rows, "columns", s.columns, "metric", name_of(s.metric),
                              "weight", s.weight, "da", s.da, "db", s.db, "loss", s.loss, "accumulate", s.accumulate,
                              "shared_b", s.shared_b, "weighted", s.weighted, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.exact = s.exact;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> difference_loss_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const Distance metric : {Distance::l1, Distance::squared}) {
    for (const std::int64_t columns : edge_sizes())
      add({.rows = 5, .columns = columns, .metric = metric, .layout = static_cast<Layout>(columns % 3)});
    for (const std::int64_t rows : {1, 8, 63, 64, 65, 127, 128, 129, 257})
      add({.models = 2, .rows = rows, .columns = 6, .metric = metric, .layout = static_cast<Layout>(rows % 3)});
    for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
      add({.models = 3,
           .rows = 50,
           .columns = 37,
           .metric = metric,
           .weight = -0.7,
           .accumulate = true,
           .shared_b = true,
           .layout = layout});
      add({.models = 3, .rows = 64, .columns = 16, .metric = metric, .exact = true, .layout = layout});
      add({.models = 2, .rows = 20, .columns = 70, .metric = metric, .weighted = true, .layout = layout});
      add({.rows = 256, .columns = 4, .metric = metric, .accumulate = true, .exact = true, .layout = layout});
    }
    add({.rows = 9, .columns = 5, .metric = metric, .db = false});
    add({.rows = 9, .columns = 5, .metric = metric, .da = false, .loss = false});
    add({.rows = 70, .columns = 5, .metric = metric, .da = false, .db = false});
    add({.models = 3, .rows = 0, .columns = 5, .metric = metric});
    add({.models = 3, .rows = 5, .columns = 0, .metric = metric});
    add({.models = 0, .rows = 5, .columns = 5, .metric = metric});
    add({.rows = 1024, .columns = 121, .metric = metric, .perf = true});
    add({.rows = 65543, .columns = 3, .metric = metric});
  }
  return cases;
}

const bool registered = register_op("difference_loss", difference_loss_cases());

TEST(derivatives, difference_loss) {
  Random random(3);
  for (const Distance metric : {Distance::l1, Distance::squared}) {
    const Matrix a = random_matrix(random, 5, 4), b = random_matrix(random, 5, 4);
    expect_derivative([&](const Matrix& x) { return loss_of(x, b, metric, 1.3); }, a, gradient_of(a, b, metric, 1.3));
    Matrix db = gradient_of(a, b, metric, 1.3);
    for (double& x : db.data) x = -x;
    expect_derivative([&](const Matrix& x) { return loss_of(a, x, metric, 1.3); }, b, db);
  }
}

}  // namespace
}  // namespace cugad::test
