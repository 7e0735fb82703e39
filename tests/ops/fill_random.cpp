#include <gtest/gtest.h>

#include <numbers>

#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"
#include "tests/ops/statistics.hpp"

namespace cugad::test {
namespace {

/// Known answers of Random123 (kat_vectors, philox4x32 10).
TEST(philox, known_answers) {
  using Words = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32_10({~0u, ~0u, ~0u, ~0u}, ~std::uint64_t{0}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

struct Shape {
  std::int64_t models = 1, rows = 1, columns = 1;
  double first = 0.0, second = 1.0;  ///< mean and deviation, or low and high
  bool truncated = false;
  std::int64_t counter = -1;  ///< step counter in device memory; negative: none
  std::uint32_t stride = 1;
  bool own_seeds = false;  ///< of each model, in device memory
  bool perf = false;
  Layout layout = Layout::contiguous;
};

/// u1 in (0, 1] and u2 in [0, 1) from the upper 24 bits of two words.
double normal_of(const RandomKey& key, std::int64_t model, std::uint64_t element) {
  const double u1 = (static_cast<double>(random_word(key, model, element / 2 * 2) >> 8) + 1.0) * 0x1p-24;
  const double u2 = static_cast<double>(random_word(key, model, element / 2 * 2 + 1) >> 8) * 0x1p-24;
  const double radius = std::sqrt(-2.0 * std::log(u1)), angle = 2.0 * std::numbers::pi * u2;
  return element % 2 == 0 ? radius * std::cos(angle) : radius * std::sin(angle);
}

template <class Args>
void build(Problem& problem, const Shape& shape) {
  auto& out = problem.output("out", shape.models, shape.rows, shape.columns);
  auto& counter = problem.input<std::uint32_t>("step_counter", shape.models, 1, 1, true);
  counter.set(0, 0, 0, static_cast<std::uint32_t>(std::max<std::int64_t>(shape.counter, 0)));
  auto& seeds = problem.input<std::uint64_t>("model_seeds", 1, 1, shape.models, true);
  std::vector<std::uint64_t> own_seeds(static_cast<std::size_t>(shape.models));
  for (std::int64_t m = 0; m < shape.models; ++m) seeds.set(0, 0, m, own_seeds[m] = problem.random.next());
  const RandomKey key{problem.random.next(), RandomPurpose::latent, 5, 1234, nullptr};
  RandomKey counted = key;  // as the reference sees it
  counted.step += shape.stride * static_cast<std::uint32_t>(std::max<std::int64_t>(shape.counter, 0));
  if (shape.own_seeds) counted.model_seeds = own_seeds.data();
  const double first = static_cast<float>(shape.first), second = static_cast<float>(shape.second);
  for (std::int64_t m = 0; m < shape.models; ++m)
    for (std::int64_t r = 0; r < shape.rows; ++r)
      for (std::int64_t c = 0; c < shape.columns; ++c) {
        const auto element = static_cast<std::uint64_t>(r * shape.columns + c);
        if constexpr (std::is_same_v<Args, FillNormal>) {
          RandomKey lane = counted;
          double normal = normal_of(lane, m, element);
          while (shape.truncated && std::abs(normal) > 2.0) {
            ++lane.lane;
            normal = normal_of(lane, m, element);
          }
          const double value = first + second * normal;
          out.expect(m, r, c, value, 1e-6 * second + 2.0 * eps * (std::abs(first) + std::abs(value)));
        } else {
          const double u = static_cast<double>(random_word(counted, m, element) >> 8) * 0x1p-24;
          const double value = first + (second - first) * u;
          const bool unit = first == 0.0 && second == 1.0;  // exact: every u is a float32
          out.expect(m, r, c, value, unit ? 0.0 : 3.0 * eps * (std::abs(first) + std::abs(second - first)));
        }
      }
  problem.same_bits_on_all_backends = true;
  problem.bytes = 4.0 * static_cast<double>(shape.models * shape.rows * shape.columns);
  problem.call = [&, shape, key](Call& call) {
    Args args;
    args.out = out.view(call.slice);
    args.key = key;
    args.key.seed += static_cast<std::uint64_t>(call.slice.first_model);
    if (shape.own_seeds) args.key.model_seeds = seeds.view().data + call.slice.first_model;
    if (shape.counter >= 0) args.key.step_counter = counter.view().data;
    args.key.step_stride = shape.stride;
    if constexpr (std::is_same_v<Args, FillNormal>) {
      args.mean = static_cast<float>(shape.first);
      args.deviation = static_cast<float>(shape.second);
      args.truncated = shape.truncated;
    } else {
      args.low = static_cast<float>(shape.first);
      args.high = static_cast<float>(shape.second);
    }
    call(args);
  };
}

template <class Args>
Case make_case(const Shape& s) {
  Case one;
  one.parameters = parameters("models", s.models, "rows", s.rows, "columns", s.columns, "first", s.first, "second",
                              s.second, "truncated", s.truncated, "counter", s.counter, "stride", s.stride, "own_seeds",
                              s.own_seeds, "layout", name_of(s.layout));
  one.layout = s.layout;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build<Args>(problem, s); };
  return one;
}

template <class Args>
std::vector<Case> cases_of(double first, double second) {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case<Args>(shape)); };
  const bool normal = std::is_same_v<Args, FillNormal>;
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    for (const std::int64_t columns : {0, 1, 2, 3, 4, 5, 7, 16, 33, 64, 65, 121, 127, 128, 129})
      add({.rows = 3, .columns = columns, .layout = layout});
    add({.models = 3, .rows = 11, .columns = 13, .first = first, .second = second, .layout = layout});
    add({.models = 3, .rows = 7, .columns = 51, .first = first, .second = second, .counter = 77, .layout = layout});
    add({.rows = 5, .columns = 6, .counter = 77, .stride = 5, .layout = layout});
    add({.models = 3, .rows = 7, .columns = 51, .own_seeds = true, .layout = layout});
    if (normal) add({.models = 2, .rows = 9, .columns = 51, .truncated = true, .counter = 77, .layout = layout});
    if (normal) add({.models = 3, .rows = 33, .columns = 37, .second = 0.01, .truncated = true, .layout = layout});
  }
  add({.rows = 65543, .columns = 1, .counter = 0});
  add({.rows = 1, .columns = 65543, .truncated = normal, .perf = true});
  // Enough work for a second thread.
  add({.rows = normal ? 601 : 1603, .columns = 1601, .truncated = normal});
  add({.rows = 0, .columns = 3});
  return cases;
}

const bool registered_normal = register_op("fill_normal", cases_of<FillNormal>(-3.5, 0.25));
const bool registered_uniform = register_op("fill_uniform", cases_of<FillUniform>(-3.5, 0.25));

/// Draws from one op into host numbers, through the harness.
template <class Args>
std::vector<double> draw(const NamedDevice& named, const Args& wanted, std::int64_t count) {
  Problem problem(0, Layout::contiguous);
  auto& out = problem.output("out", 1, 1, count);
  problem.call = [&](Call& call) {
    Args args = wanted;
    args.out = out.view(call.slice);
    call(args);
  };
  std::string refusal;
  const Results results = execute(problem, initial_images(problem), named.device, 1, {{}}, &refusal);
  EXPECT_EQ(refusal, "");
  std::vector<double> values;
  for (std::int64_t c = 0; c < count; ++c) values.push_back(out.number(results[0], 0, 0, c));
  return values;
}

TEST(distribution, fill_normal) {
  for (const NamedDevice& named : devices()) {
    for (const std::uint64_t seed : {1, 2, 3}) {
      SCOPED_TRACE(named.name);
      FillNormal args;
      args.key = {seed, RandomPurpose::latent, 0, 0, nullptr};
      const std::vector<double> normals = draw(named, args, 200000);
      EXPECT_NEAR(moment(normals, 1), 0.0, 0.01);  // four deviations of the mean are 0.009
      EXPECT_NEAR(moment(normals, 2), 1.0, 0.015);
      EXPECT_NEAR(moment(normals, 3), 0.0, 0.04);
      EXPECT_NEAR(moment(normals, 4), 3.0, 0.1);
      EXPECT_LT(kolmogorov_smirnov(normals, normal_cumulative), 2.2);
      double products = 0.0;  // neighbours are the cosine and sine of one radius
      for (std::size_t i = 0; i + 1 < normals.size(); i += 2) products += normals[i] * normals[i + 1];
      EXPECT_NEAR(products / 100000.0, 0.0, 0.014);

      args.truncated = true;
      const std::vector<double> cut = draw(named, args, 200000);
      EXPECT_LE(*std::max_element(cut.begin(), cut.end()), 2.0);
      EXPECT_GE(*std::min_element(cut.begin(), cut.end()), -2.0);
      const double inside = normal_cumulative(2.0) - normal_cumulative(-2.0);
      EXPECT_LT(
          kolmogorov_smirnov(cut, [&](double x) { return (normal_cumulative(x) - normal_cumulative(-2.0)) / inside; }),
          2.2);
    }
  }
}

TEST(distribution, fill_uniform) {
  for (const NamedDevice& named : devices()) {
    FillUniform args;
    args.key = {9, RandomPurpose::sample, 0, 0, nullptr};
    const std::vector<double> values = draw(named, args, 200000);
    EXPECT_GE(*std::min_element(values.begin(), values.end()), 0.0);
    EXPECT_LT(*std::max_element(values.begin(), values.end()), 1.0);
    EXPECT_LT(kolmogorov_smirnov(values, [](double x) { return x; }), 2.2) << named.name;
  }
}

/// Every part of the key leads to another stream.
TEST(distribution, streams_differ) {
  for (const NamedDevice& named : devices()) {
    const RandomKey base{4, RandomPurpose::latent, 1, 2, nullptr};
    std::vector<RandomKey> keys(5, base);
    keys[1].seed = 5;
    keys[2].purpose = RandomPurpose::fence;
    keys[3].lane = 2;
    keys[4].step = 3;
    std::vector<std::vector<double>> streams;
    for (const RandomKey& key : keys) {
      FillUniform args;
      args.key = key;
      streams.push_back(draw(named, args, 64));
    }
    for (std::size_t i = 0; i < streams.size(); ++i)
      for (std::size_t j = 0; j < i; ++j) EXPECT_NE(streams[i], streams[j]) << named.name << " keys " << i << ' ' << j;
  }
}

}  // namespace
}  // namespace cugad::test
