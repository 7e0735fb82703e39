#include <gtest/gtest.h>

#include "tests/ops/matrix.hpp"
#include "tests/ops/parity.hpp"

/// Hidden cells under a generator's Gaussians: drawn, and how likely they are.
namespace cugad::test {
namespace {

double clamped(double log_variance) { return std::clamp(log_variance, -7.0, 5.0); }
bool is_free(double log_variance) { return log_variance >= -7.0 && log_variance <= 5.0; }
double deviation_of(double log_variance) { return std::exp(0.5 * clamped(log_variance)); }

struct Likelihood {
  double square = 0.0;  ///< (mean - x)^2 exp(-v)
  double value = 0.0, mean_slope = 0.0, spread_slope = 0.0;
};

Likelihood likelihood_of(double mean, double log_variance, double x) {
  const double v = clamped(log_variance), precision = std::exp(-v), square = (mean - x) * (mean - x) * precision;
  return {square, 0.5 * (square + v), (mean - x) * precision, is_free(log_variance) ? 0.5 * (1.0 - square) : 0.0};
}

/// Where the cells begin if columns are grouped: categories of some sizes among columns alone.
std::vector<std::int64_t> cell_begins(std::int64_t columns, bool groups) {
  constexpr std::int64_t sizes[] = {1, 3, 1, 2, 70};
  std::vector<std::int64_t> begins = {0};
  for (std::size_t i = 0; begins.back() < columns; ++i) {
    begins.push_back(std::min(columns, begins.back() + (groups ? sizes[i % std::size(sizes)] : 1)));
  }
  return begins;
}

/// One category of one row, computed from its definition.
struct CategoryReference {
  std::vector<double> probability;
  std::int64_t given = -1, judged = 0;  ///< the value that x shows, and the one that counts; from 0
  double value = 0.0, largest = 0.0;    ///< -log of its probability; the largest |mean|

  template <class Mean, class X>
  CategoryReference(std::int64_t first, std::int64_t end, const Mean& mean, const X& x) {
    double highest = mean(first), total = 0.0;
    for (std::int64_t c = first; c < end; ++c) {
      highest = std::max(highest, mean(c));
      largest = std::max(largest, std::abs(mean(c)));
      if (x(c) > 0.0 && (given < 0 || x(c) > x(first + given))) given = c - first;
      if (mean(c) < mean(first + judged)) judged = c - first;
    }
    if (given >= 0) judged = given;
    for (std::int64_t c = first; c < end; ++c) total += std::exp(mean(c) - highest);
    for (std::int64_t c = first; c < end; ++c) probability.push_back(std::exp(mean(c) - highest) / total);
    value = std::log(total) + highest - mean(first + judged);
  }
};

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1;
  bool groups = false;
  std::int64_t conditions = 0;  ///< further columns of x, of the imputation
  double weight = 1.0;
  bool gradient = true, chain = true, loss = true;
  bool cell = false, column_weight = false, accumulate = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

/// What both ops read; rows without a hidden cell, missing cells and log variances at the clamp among them.
struct Inputs {
  TypedTensor<float>&statistics, &x, &mask, &noise;
  TypedTensor<std::int32_t>& group;
  std::vector<std::int64_t> begins;

  Inputs(Problem& problem, const Shape& s)
      : statistics(problem.input("statistics", s.models, s.rows, 2 * s.columns)),
        x(problem.input("x", s.models, s.rows, s.columns + s.conditions)),
        mask(problem.input("mask", s.models, s.rows, s.columns)),
        noise(problem.input("noise", s.models, s.rows, s.columns)),
        group(problem.input<std::int32_t>("group", s.models, 1, s.columns, true)),
        begins(cell_begins(s.columns, s.groups)) {
    Random& random = problem.random;
    constexpr double edges[] = {5.0, -7.0, 5.5, -7.5, 0.0, 1e30, -1e30};
    statistics.fill([&] { return random.normal(); });
    x.fill([&] { return random.chance(0.1) ? std::nan("") : random.normal(); });
    noise.fill([&] { return random.normal(); });
    for (std::int64_t m = 0; m < s.models; ++m)
      for (std::int64_t r = 0; r < s.rows; ++r)
        for (std::int64_t c = 0; c < s.columns; ++c) {
          if (random.chance(0.2)) statistics.set(m, r, s.columns + c, static_cast<float>(edges[random.integer(0, 6)]));
          mask.set(m, r, c, r % 5 != 3 && random.chance(0.5) ? 1.0f : 0.0f);
        }
    for (std::size_t i = 0; i + 1 < begins.size(); ++i) {
      for (std::int64_t c = begins[i]; c < begins[i + 1]; ++c) group.set(0, 0, c, static_cast<std::int32_t>(begins[i]));
      if (begins[i + 1] == begins[i] + 1) continue;
      for (std::int64_t m = 0; m < s.models; ++m)
        for (std::int64_t r = 0; r < s.rows; ++r) make_category(random, m, r, begins[i], begins[i + 1]);
    }
  }

  /// Hidden and missing as its first column; some rows have no value, or one that G is sure of.
  void make_category(Random& random, std::int64_t m, std::int64_t r, std::int64_t first, std::int64_t end) {
    const std::int64_t value =
        random.chance(0.1) ? -1 : random.integer(static_cast<int>(first), static_cast<int>(end - 1));
    const bool is_missing = std::isnan(x.get(m, r, first));
    if (random.chance(0.1)) statistics.set(m, r, first, random.chance(0.5) ? 40.0f : -40.0f);
    for (std::int64_t c = first; c < end; ++c) {
      mask.set(m, r, c, mask.get(m, r, first));
      x.set(m, r, c, is_missing ? std::nanf("") : (c == value ? 1.0f : 0.0f) - 0.3f);
    }
  }
};

void build_imputation(Problem& problem, const Shape& shape) {
  const Inputs in(problem, shape);
  TypedTensor<float>&statistics = in.statistics.by_item(), &x = in.x.by_item(), &mask = in.mask.by_item(),
  &noise = in.noise.by_item();
  const std::int64_t k = shape.columns;
  const std::vector<std::int64_t>& begins = in.begins;
  auto& group = in.group;
  auto& out = problem.output("out", shape.models, shape.rows, k + shape.conditions).by_item();
  for (std::int64_t m = 0; m < shape.models; ++m)
    for (std::int64_t r = 0; r < shape.rows; ++r)
      for (std::int64_t c = 0; c < out.columns; ++c) {
        const bool is_missing = std::isnan(x.get(m, r, c));
        out.expect(m, r, c, is_missing ? 0.0 : static_cast<double>(x.get(m, r, c)), 0.0);
        if (c >= k || mask.get(m, r, c) == 0.0f || is_missing) continue;
        const double mean = statistics.get(m, r, c),
                     draw = deviation_of(statistics.get(m, r, k + c)) * noise.get(m, r, c);
        out.expect(m, r, c, mean + draw, 4.0 * eps * (std::abs(mean) + std::abs(draw)));
      }
  for (std::size_t i = 0; i + 1 < begins.size(); ++i)
    for (std::int64_t m = 0; m < shape.models && begins[i + 1] > begins[i] + 1; ++m)
      for (std::int64_t r = 0; r < shape.rows; ++r) {
        const std::int64_t first = begins[i], end = begins[i + 1];
        if (mask.get(m, r, first) == 0.0f || std::isnan(x.get(m, r, first))) continue;
        const CategoryReference category(
            first, end, [&](std::int64_t c) { return static_cast<double>(statistics.get(m, r, c)); },
            [&](std::int64_t c) { return static_cast<double>(x.get(m, r, c)); });
        for (std::int64_t c = first; c < end; ++c) {
          const double p = category.probability[c - first], given = x.get(m, r, c);
          out.expect(m, r, c, given - (c - first == category.given ? 1.0 : 0.0) + p,
                     8.0 * eps * (1.0 + std::abs(given) + category.largest * p));
        }
      }
  problem.same_bits_on_all_backends = true;
  problem.bytes = 4.0 * 6.0 * static_cast<double>(shape.models * shape.rows * k);
  problem.call = [&, shape](Call& call) {
    GaussianImputation args;
    args.statistics = statistics.view(call.slice);
    args.x = x.view(call.slice);
    args.mask = mask.view(call.slice);
    args.noise = noise.view(call.slice);
    args.out = out.view(call.slice);
    if (shape.groups) args.group = group.view(call.slice);
    call(args);
  };
}

void build_likelihood(Problem& problem, const Shape& shape) {
  const Inputs in(problem, shape);
  TypedTensor<float>&statistics = in.statistics, &x = in.x, &mask = in.mask, &noise = in.noise;
  const std::vector<std::int64_t>& begins = in.begins;
  auto& group = in.group;
  const auto [models, rows, k] = std::array{shape.models, shape.rows, shape.columns};
  Random& random = problem.random;
  auto& dimputed = problem.input("dimputed", models, rows, k).fill([&] { return random.normal(); });
  auto& column_weight = problem.input("column_weight", models, 1, k).fill([&] { return random.uniform(0.1, 1.0); });
  auto& gradient = problem.output("dstatistics", models, rows, 2 * k);
  auto& loss = problem.output("loss", models, 1, 1);
  auto& cell = shape.accumulate ? problem.state("cell", models, rows, k).fill([&] { return random.normal(); })
                                : problem.output("cell", models, rows, k);
  if (!shape.gradient && !shape.loss) statistics.by_item(), x.by_item(), mask.by_item(), cell.by_item();
  const double weight = static_cast<float>(shape.weight);
  for (std::int64_t m = 0; m < models; ++m) {
    double mean_loss = 0.0, mean_terms = 0.0;
    for (std::int64_t r = 0; r < rows; ++r) {
      double count = 0.0, sum = 0.0, terms = 0.0;
      const auto is_hidden = [&](std::int64_t c) { return mask.get(m, r, c) != 0.0f; };
      const auto counts = [&](std::int64_t c) { return is_hidden(c) && !std::isnan(x.get(m, r, c)); };
      for (std::size_t i = 0; i + 1 < begins.size(); ++i) count += counts(begins[i]) ? 1.0 : 0.0;
      const double share = count > 0.0 ? weight / (count * static_cast<double>(rows)) : 0.0;
      for (std::size_t i = 0; i + 1 < begins.size(); ++i) {
        const std::int64_t c = begins[i], end = begins[i + 1];
        if (end > c + 1) {
          const CategoryReference own(
              c, end, [&](std::int64_t j) { return static_cast<double>(statistics.get(m, r, j)); },
              [&](std::int64_t j) { return static_cast<double>(x.get(m, r, j)); });
          const auto given = [&](std::int64_t j) { return static_cast<double>(dimputed.get(m, r, j)); };
          double mean_chain = 0.0, chain_size = 0.0;
          for (std::int64_t j = c; j < end; ++j) {
            mean_chain += own.probability[j - c] * given(j);
            chain_size += own.probability[j - c] * std::abs(given(j));
          }
          const double size = 1.0 + own.largest + own.value;
          if (counts(c)) sum += own.value, terms += size;
          for (std::int64_t j = c; j < end; ++j) {
            const double p = own.probability[j - c], before = shape.accumulate ? double{cell.get(m, r, j)} : 0.0;
            const double factor = shape.column_weight ? double{column_weight.get(m, 0, j)} : 1.0;
            const double value = before + (counts(c) ? factor * own.value : 0.0);
            cell.expect(m, r, j, value,
                        counts(c) ? 6.0 * eps * factor * size + (shape.accumulate ? eps * std::abs(value) : 0.0) : 0.0);
            gradient.expect(m, r, j, 0.0, 0.0);
            gradient.expect(m, r, k + j, 0.0, 0.0);
            if (!counts(c)) continue;
            const double chain = shape.chain ? p * (given(j) - mean_chain) : 0.0;
            const double chain_bound = shape.chain ? p * (std::abs(given(j)) + chain_size) : 0.0;
            gradient.expect(m, r, j, share * (p - (j - c == own.judged ? 1.0 : 0.0)) + chain,
                            8.0 * eps * (1.0 + own.largest) * (std::abs(share) + chain_bound));
          }
          continue;
        }
        const double v = statistics.get(m, r, k + c), precision = std::exp(-clamped(v));
        const double before = shape.accumulate ? static_cast<double>(cell.get(m, r, c)) : 0.0;
        const double factor = shape.column_weight ? static_cast<double>(column_weight.get(m, 0, c)) : 1.0;
        double dmean = 0.0, dv = 0.0, dmean_bound = 0.0, dv_bound = 0.0, value = before, value_bound = 0.0;
        if (counts(c)) {
          const Likelihood own = likelihood_of(statistics.get(m, r, c), v, x.get(m, r, c));
          dmean = share * own.mean_slope;
          dmean_bound = std::abs(share) * std::sqrt(own.square * precision);
          dv = share * own.spread_slope;
          dv_bound = std::abs(share) * (1.0 + own.square);
          const double size = own.square + std::abs(clamped(v));
          value += factor * own.value;
          value_bound = 6.0 * eps * factor * size + (shape.accumulate ? eps * std::abs(value) : 0.0);
          sum += own.value;
          terms += size;
        }
        if (shape.chain && counts(c)) {
          const double d = dimputed.get(m, r, c), drawn = d * noise.get(m, r, c) * deviation_of(v);
          dmean += d;
          dmean_bound += std::abs(d);
          dv += is_free(v) ? 0.5 * drawn : 0.0;
          dv_bound += std::abs(drawn);
        }
        gradient.expect(m, r, c, dmean, 6.0 * eps * dmean_bound);
        gradient.expect(m, r, k + c, dv, 8.0 * eps * dv_bound);
        cell.expect(m, r, c, value, value_bound);
      }
      if (count > 0.0) mean_loss += sum / count, mean_terms += terms / count;
    }
    const double n = static_cast<double>(std::max<std::int64_t>(1, rows));
    loss.expect(m, 0, 0, weight * mean_loss / n, 6.0 * eps * std::abs(weight) * mean_terms / n);
    if (rows == 0) loss.expect_unchanged();
  }
  if (!shape.gradient) gradient.expect_unchanged();
  if (!shape.loss) loss.expect_unchanged();
  if (!shape.cell) cell.expect_unchanged();
  problem.same_bits_on_all_backends = true;  // the loss too: double sums differ far below a float's last bit
  problem.bytes = 4.0 * 8.0 * static_cast<double>(models * rows * k);
  problem.call = [&, shape](Call& call) {
    GaussianLikelihood args;
    args.statistics = statistics.view(call.slice);
    args.x = x.view(call.slice);
    args.mask = mask.view(call.slice);
    args.weight = static_cast<float>(shape.weight);
    if (shape.gradient) args.dstatistics = gradient.view(call.slice);
    if (shape.loss) args.loss = loss.view(call.slice);
    if (shape.chain) {
      args.dimputed = dimputed.view(call.slice);
      args.noise = noise.view(call.slice);
    }
    if (shape.column_weight) args.column_weight = column_weight.view(call.slice);
    if (shape.cell) args.cell = cell.view(call.slice);
    args.accumulate = shape.accumulate;
    if (shape.groups) args.group = group.view(call.slice);
    call(args);
  };
}

Case make_case(const Shape& s, void (*build)(Problem&, const Shape&)) {
  Case one;
  one.parameters =
      parameters("models", s.models, "rows", s.rows, "columns", s.columns, "groups", s.groups, "conditions",
                 s.conditions, "weight", s.weight, "gradient", s.gradient, "chain", s.chain, "loss", s.loss, "cell",
                 s.cell, "column_weight", s.column_weight, "accumulate", s.accumulate, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.perf = s.perf;
  one.build = [s, build](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> imputation_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape, build_imputation)); };
  for (const std::int64_t columns : edge_sizes())
    add({.rows = 5, .columns = columns, .layout = static_cast<Layout>(columns % 3)});
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned})
    for (const bool groups : {false, true})
      add({.models = 3, .rows = 37, .columns = 29, .groups = groups, .conditions = 5, .layout = layout});
  add({.models = 3, .rows = 0, .columns = 5});
  add({.models = 3, .rows = 5, .columns = 0, .conditions = 2});
  add({.models = 8, .rows = 64, .columns = 121, .perf = true});
  add({.rows = 65543, .columns = 2});
  return cases;
}

std::vector<Case> likelihood_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape, build_likelihood)); };
  for (const std::int64_t columns : edge_sizes())
    add({.rows = 5, .columns = columns, .cell = true, .layout = static_cast<Layout>(columns % 3)});
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    for (const bool groups : {false, true})
      add({.models = 3, .rows = 37, .columns = 29, .groups = groups, .weight = 0.7, .layout = layout});
    add({.models = 3, .rows = 37, .columns = 29, .chain = false, .loss = false, .layout = layout});
    add({.models = 3, .rows = 37, .columns = 29, .weight = -2.0, .gradient = false, .chain = false, .layout = layout});
    add({.models = 2, .rows = 21, .columns = 200, .groups = true, .chain = false, .layout = layout});
    for (const bool accumulate : {false, true})
      add({.models = 2,
           .rows = 33,
           .columns = 17,
           .groups = accumulate,
           .gradient = false,
           .chain = false,
           .loss = false,
           .cell = true,
           .column_weight = accumulate,
           .accumulate = accumulate,
           .layout = layout});
  }
  add({.models = 3, .rows = 0, .columns = 5});
  add({.models = 3, .rows = 5, .columns = 0});
  add({.models = 8, .rows = 64, .columns = 121, .perf = true});
  add({.rows = 65543, .columns = 2});
  return cases;
}

const bool registered =
    register_op("gaussian_imputation", imputation_cases()) && register_op("gaussian_likelihood", likelihood_cases());

TEST(derivatives, gaussian_likelihood) {
  Random random(6);
  Matrix mean = random_matrix(random, 3, 4), log_variance = random_matrix(random, 3, 4);
  const Matrix x = random_matrix(random, 3, 4);
  log_variance.at(0, 0) = 5.5;
  log_variance.at(0, 1) = -7.5;
  Matrix mean_gradient(3, 4), spread_gradient(3, 4);
  for (std::size_t i = 0; i < x.data.size(); ++i) {
    const Likelihood own = likelihood_of(mean.data[i], log_variance.data[i], x.data[i]);
    mean_gradient.data[i] = own.mean_slope;
    spread_gradient.data[i] = own.spread_slope;
  }
  const auto total = [&](const Matrix& means, const Matrix& log_variances) {
    double sum = 0.0;
    for (std::size_t i = 0; i < x.data.size(); ++i)
      sum += likelihood_of(means.data[i], log_variances.data[i], x.data[i]).value;
    return sum;
  };
  expect_derivative([&](const Matrix& m) { return total(m, log_variance); }, mean, mean_gradient);
  expect_derivative([&](const Matrix& v) { return total(mean, v); }, log_variance, spread_gradient);
}

TEST(derivatives, gaussian_likelihood_of_categories) {
  Random random(7);
  const Matrix mean = random_matrix(random, 1, 5);
  const std::vector<double> x = {-0.1, -0.2, 0.7, -0.3, -0.1};
  const auto of = [&](const Matrix& means) {
    return CategoryReference(
        0, 5, [&](std::int64_t c) { return means.data[c]; }, [&](std::int64_t c) { return x[c]; });
  };
  Matrix gradient(1, 5);
  for (std::size_t c = 0; c < 5; ++c) gradient.data[c] = of(mean).probability[c] - (c == 2 ? 1.0 : 0.0);
  expect_derivative([&](const Matrix& m) { return of(m).value; }, mean, gradient);
}

}  // namespace
}  // namespace cugad::test
