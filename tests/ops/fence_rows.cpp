#include <gtest/gtest.h>

#include "tests/ops/parity.hpp"
#include "tests/ops/statistics.hpp"

namespace cugad::test {
namespace {

/// The contract defines the distribution of fences, not their bits: a case checks the properties of every row, and the
/// tests below the distributions.
struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1;
  double limit = 3.5;
  bool shared_real = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  auto& real = problem.input("real", shape.models, shape.rows, shape.columns, shape.shared_real);
  real.fill([&] { return random.normal(); });
  auto& out = problem.output("out", shape.models, shape.rows, shape.columns);
  out.expect_checked_elsewhere();
  const auto limit = static_cast<float>(shape.limit);
  problem.check = [&, limit, at = problem.index_of(out)](const Results& results) -> std::string {
    for (std::int64_t m = 0; m < out.models; ++m)
      for (std::int64_t r = 0; r < out.rows; ++r)
        for (std::int64_t c = 0; c < out.columns; ++c) {
          const float value = out.get(results[at], m, r, c);
          const float here = real.get(m, r, c), next = real.get(m, (r + 1) % out.rows, c);
          // A normal number is at most 6 in magnitude, a deviation at most 2.
          const bool ok = r % 3 == 0   ? std::abs(value - here) <= 12.0f
                          : r % 3 == 1 ? value == here || value == next
                                       : std::abs(value) <= limit;
          if (!ok) return "row " + std::to_string(r) + ", column " + std::to_string(c) + " is no fence of its kind";
        }
    return "";
  };
  problem.same_bits_on_all_backends = true;
  problem.bytes = 8.0 * static_cast<double>(shape.models * shape.rows * shape.columns);
  const RandomKey key{random.next(), RandomPurpose::fence, 0, 7, nullptr};
  problem.call = [&, key, limit](Call& call) {
    FenceRows args;
    args.real = real.view(call.slice);
    args.key = key;
    args.key.seed += static_cast<std::uint64_t>(call.slice.first_model);
    args.limit = limit;
    args.out = out.view(call.slice);
    call(args);
  };
}

std::vector<Case> fence_rows_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& s) {
    Case one;
    one.parameters = parameters("models", s.models, "rows", s.rows, "columns", s.columns, "limit", s.limit,
                                "shared_real", s.shared_real, "layout", name_of(s.layout));
    one.layout = s.layout;
    one.perf = s.perf;
    one.build = [s](Problem& problem) { build(problem, s); };
    cases.push_back(one);
  };
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    for (const std::int64_t columns : {0, 1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 121, 127, 128, 129, 257})
      add({.rows = 7, .columns = columns, .layout = layout});
    for (const std::int64_t rows : {0, 1, 2, 3, 4, 50})
      add({.rows = rows, .columns = 5, .limit = 1.5, .layout = layout});
    add({.models = 3, .rows = 11, .columns = 19, .shared_real = true, .layout = layout});
    add({.models = 3, .rows = 11, .columns = 19, .limit = 0.0, .layout = layout});
  }
  add({.rows = 65543, .columns = 2});
  add({.rows = 600, .columns = 121, .perf = true});
  return cases;
}

const bool registered = register_op("fence_rows", fence_rows_cases());

TEST(distribution, fence_rows) {
  const std::int64_t rows = 3000, columns = 400;
  for (const NamedDevice& named : devices()) {
    SCOPED_TRACE(named.name);
    Problem problem(5, Layout::contiguous);
    auto& real = problem.input("real", 1, rows, columns).fill([&] { return problem.random.normal(); });
    auto& out = problem.output("out", 1, rows, columns);
    problem.call = [&](Call& call) {
      FenceRows args;
      args.real = real.view();
      args.key = {77, RandomPurpose::fence, 0, 0, nullptr};
      args.out = out.view();
      call(args);
    };
    std::string refusal;
    const Results results = execute(problem, initial_images(problem), named.device, 1, {{}}, &refusal);
    ASSERT_EQ(refusal, "");
    std::vector<double> log_deviations, noise, shares, uniforms;
    for (std::int64_t r = 0; r < rows; ++r) {
      double squares = 0.0, taken = 0.0;
      for (std::int64_t c = 0; c < columns; ++c) {
        const double value = out.get(results[1], 0, r, c), difference = value - real.get(0, r, c);
        squares += difference * difference;
        taken += difference != 0.0 ? 1.0 : 0.0;
        if (r % 3 == 2) uniforms.push_back(value);
      }
      const double deviation = std::sqrt(squares / static_cast<double>(columns));
      if (r % 3 == 0) {
        log_deviations.push_back(std::log(deviation));
        for (std::int64_t c = 0; c < columns; ++c)
          noise.push_back((out.get(results[1], 0, r, c) - real.get(0, r, c)) / deviation);
      }
      if (r % 3 == 1) shares.push_back(taken / static_cast<double>(columns));
    }
    // Deviations are measured from 400 numbers each (3.5 %), shares from 400 columns: 2.2 leaves room for that.
    EXPECT_LT(kolmogorov_smirnov(log_deviations,
                                 [](double x) { return std::clamp((x - std::log(0.1)) / std::log(20.0), 0.0, 1.0); }),
              2.2);
    EXPECT_LT(kolmogorov_smirnov(noise, normal_cumulative), 2.2);
    EXPECT_LT(kolmogorov_smirnov(shares, [](double x) { return x; }), 2.2);
    EXPECT_LT(kolmogorov_smirnov(uniforms, [](double x) { return (x + 3.5) / 7.0; }), 2.2);
  }
}

}  // namespace
}  // namespace cugad::test
