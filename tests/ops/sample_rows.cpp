#include <gtest/gtest.h>

#include <set>

#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

/// The contract promises properties, not particular permutations: each epoch visits each row once, in a new order, and
/// a batch is a window on that sequence. One case draws whole epochs, batch after batch.
struct Shape {
  std::int64_t models = 1, source_rows = 1, batch = 1, steps = 1;
  bool ranges = false;    ///< each model has its own rows
  bool left_out = false;  ///< of them it leaves some out: at the start, in the middle, at the end, none
  bool counter = false;   ///< the step comes from device memory
  /// Of the counter: it then counts groups of this many batches, as with several discriminator steps.
  std::uint32_t stride = 1;
  bool perf = false;
  Layout layout = Layout::contiguous;
};

void build(Problem& problem, const Shape& shape) {
  const auto [models, batch, steps] = std::array{shape.models, shape.batch, shape.steps};
  auto& index = problem.output<std::int32_t>("index", models, batch * steps, 1);
  auto& first_row = problem.input<std::int32_t>("first_row", models, 1, 1);
  auto& row_count = problem.input<std::int32_t>("row_count", models, 1, 1);
  auto& left_out_first = problem.input<std::int32_t>("left_out_first", models, 1, 1);
  auto& left_out_count = problem.input<std::int32_t>("left_out_count", models, 1, 1);
  auto& counter = problem.input<std::uint32_t>("step_counter", models, steps, 1, true);
  for (std::int64_t m = 0; m < models; ++m) {
    first_row.set(m, 0, 0, shape.ranges ? static_cast<std::int32_t>(100 + 1000 * m) : 0);
    const auto count = static_cast<std::int32_t>(shape.source_rows + (shape.ranges ? 3 * m : 0));
    row_count.set(m, 0, 0, count);
    const std::int32_t before[] = {0, count / 3, count, 1};
    left_out_first.set(m, 0, 0, first_row.get(m, 0, 0) + before[m % 4]);
    left_out_count.set(m, 0, 0, m % 4 == 3 ? 0 : static_cast<std::int32_t>(5 + m));
  }
  for (std::int64_t s = 0; s < steps; ++s) counter.set(0, s, 0, static_cast<std::uint32_t>(s) / shape.stride);
  index.expect_checked_elsewhere();
  problem.check = [&, shape, at = problem.index_of(index)](const Results& results) -> std::string {
    for (std::int64_t m = 0; m < index.models; ++m) {
      const std::int64_t n = row_count.get(m, 0, 0);
      std::set<std::int64_t> seen;
      for (std::int64_t p = 0; p < index.rows; ++p) {
        if (p % n == 0) seen.clear();
        const std::string place = "position " + std::to_string(p) + " of model " + std::to_string(m) + ": ";
        const std::int64_t drawn = index.get(results[at], m, p, 0);
        std::int64_t row = drawn - first_row.get(m, 0, 0);
        if (shape.left_out && drawn >= left_out_first.get(m, 0, 0)) {
          row -= left_out_count.get(m, 0, 0);
          if (drawn < left_out_first.get(m, 0, 0) + left_out_count.get(m, 0, 0)) return place + "a row left out";
        }
        if (row < 0 || row >= n) return place + "row " + std::to_string(row) + " of " + std::to_string(n);
        if (!seen.insert(row).second) return place + "row " + std::to_string(row) + " twice in an epoch";
      }
    }
    return "";
  };
  problem.same_bits_on_all_backends = true;
  const RandomKey key{problem.random.next(), RandomPurpose::minibatch, 0, 0, nullptr};
  problem.call = [&, shape, key](Call& call) {
    for (std::int64_t step = 0; step < shape.steps; ++step) {
      SampleRows args;
      args.index = index.view(call.slice).slice_rows(step * shape.batch, shape.batch);
      args.source_rows = static_cast<std::int32_t>(shape.source_rows);
      if (shape.ranges) {
        args.first_row = first_row.view(call.slice);
        args.row_count = row_count.view(call.slice);
      }
      if (shape.left_out) {
        args.left_out_first = left_out_first.view(call.slice);
        args.left_out_count = left_out_count.view(call.slice);
      }
      args.key = key;
      args.key.seed += static_cast<std::uint64_t>(call.slice.first_model);
      if (shape.counter) {
        args.key.step_counter = counter.view().model(0).row(step);
        args.key.step_stride = shape.stride;
        args.key.step = static_cast<std::uint32_t>(step) % shape.stride;
      } else {
        args.key.step = static_cast<std::uint32_t>(step);
      }
      call(args);
    }
  };
}

Case make_case(const Shape& s) {
  Case one;
  one.parameters = parameters("models", s.models, "source_rows", s.source_rows, "batch", s.batch, "steps", s.steps,
                              "ranges", s.ranges, "left_out", s.left_out, "counter", s.counter, "stride", s.stride,
                              "layout", name_of(s.layout));
  one.layout = s.layout;
  one.exact = true;
  one.perf = s.perf;
  one.build = [s](Problem& problem) { build(problem, s); };
  return one;
}

std::vector<Case> sample_rows_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& shape) { cases.push_back(make_case(shape)); };
  for (const std::int64_t n : {1, 2, 3, 5, 15, 16, 17, 50, 63, 64, 65, 127, 257}) {
    for (const std::int64_t batch : {1, 7, 50})
      add({.source_rows = n, .batch = batch, .steps = 3 * n / batch + 2, .layout = static_cast<Layout>(n % 3)});
  }
  for (const bool counter : {false, true})
    add({.models = 3,
         .source_rows = 41,
         .batch = 16,
         .steps = 9,
         .ranges = true,
         .counter = counter,
         .layout = Layout::strided});
  for (const std::int64_t n : {1, 2, 41})
    add({.models = 5, .source_rows = n, .batch = 7, .steps = 3 * n, .ranges = true, .left_out = true});
  add({.source_rows = 41, .batch = 16, .steps = 12, .counter = true, .stride = 3});
  add({.source_rows = 65543, .batch = 65543, .steps = 2});
  add({.source_rows = 1000003, .batch = 4096, .steps = 2, .perf = true});
  add({.source_rows = 5, .batch = 0, .steps = 1});
  return cases;
}

const bool registered = register_op("sample_rows", sample_rows_cases());

std::vector<std::int32_t> draw(const NamedDevice& named, std::int32_t n, std::int64_t rows, std::uint64_t seed,
                               std::uint32_t step) {
  Problem problem(0, Layout::contiguous);
  auto& index = problem.output<std::int32_t>("index", 1, rows, 1);
  problem.call = [&](Call& call) {
    SampleRows args;
    args.index = index.view();
    args.source_rows = n;
    args.key = {seed, RandomPurpose::minibatch, 0, step, nullptr};
    call(args);
  };
  std::string refusal;
  const Results results = execute(problem, initial_images(problem), named.device, 1, {{}}, &refusal);
  EXPECT_EQ(refusal, "");
  std::vector<std::int32_t> rows_drawn;
  for (std::int64_t r = 0; r < rows; ++r) rows_drawn.push_back(index.get(results[0], 0, r, 0));
  return rows_drawn;
}

TEST(distribution, sample_rows_is_a_window_on_one_sequence) {
  for (const NamedDevice& named : devices()) {
    const std::int32_t n = 37;
    const std::vector<std::int32_t> all = draw(named, n, 3 * n, 8, 0);
    for (std::uint32_t p = 0; p < 3 * n; ++p) EXPECT_EQ(draw(named, n, 1, 8, p)[0], all[p]) << "position " << p;
    const std::vector<std::int32_t> third = draw(named, n, n, 8, 2);
    EXPECT_TRUE(std::equal(third.begin(), third.end(), all.begin() + 2 * n));
    // Another order in every epoch and for every seed.
    EXPECT_FALSE(std::equal(all.begin(), all.begin() + n, all.begin() + n));
    EXPECT_NE(draw(named, n, n, 9, 0), draw(named, n, n, 8, 0));
  }
}

/// Over many seeds every row comes equally often at every position, and after every other row.
TEST(distribution, sample_rows_is_uniform) {
  const NamedDevice& named = devices().front();
  for (const std::int32_t n : {3, 5, 10}) {
    const int draws = 20000;
    const auto cells = static_cast<std::size_t>(n);
    std::vector<double> at_position(cells * cells, 0.0), follows(cells * cells, 0.0);
    for (int seed = 0; seed < draws; ++seed) {
      const std::vector<std::int32_t> order = draw(named, n, n, static_cast<std::uint64_t>(seed) * 7919, 0);
      for (const std::int32_t row : order) ASSERT_TRUE(row >= 0 && row < n) << "row " << row << " of " << n;
      for (std::size_t p = 0; p < cells; ++p) at_position[p * cells + static_cast<std::size_t>(order[p])] += 1.0;
      follows[static_cast<std::size_t>(order[0]) * cells + static_cast<std::size_t>(order[1])] += 1.0;
    }
    double chi_position = 0.0, chi_follows = 0.0;
    const double expected = draws / static_cast<double>(n), pair = draws / static_cast<double>(n * (n - 1));
    for (std::size_t i = 0; i < cells * cells; ++i) {
      chi_position += (at_position[i] - expected) * (at_position[i] - expected) / expected;
      if (i / cells != i % cells) chi_follows += (follows[i] - pair) * (follows[i] - pair) / pair;
    }
    // Five deviations of a chi-squared distribution above its mean.
    const double freedom = static_cast<double>((n - 1) * (n - 1)), pairs = static_cast<double>(n * (n - 1) - 1);
    EXPECT_LT(chi_position, freedom + 5.0 * std::sqrt(2.0 * freedom)) << n << " rows";
    EXPECT_LT(chi_follows, pairs + 5.0 * std::sqrt(2.0 * pairs)) << n << " rows";
  }
}

}  // namespace
}  // namespace cugad::test
