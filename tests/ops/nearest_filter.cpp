#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/common/device.hpp"
#include "tests/ops/parity.hpp"

/// Nearest rows of banks that are large enough for the filter on tensor cores, and for several blocks on the CPU:
/// distances and indices must be, bit for bit, those of the contract's chains in float32, despite the filter's rounding
/// and the blocks' first limit.
namespace cugad::test {
namespace {

enum class Rows {
  normal,
  far_apart,      ///< in two halves: distances are small beside norms, and the filter's bound is wide
  far_from_zero,  ///< centred, they are like normal ones
  clusters,       ///< most distances differ by less than tf32 shows: the filter gives up
  duplicates,     ///< integers of a small range: ties, and distances of 0
  equal,          ///< nothing is left of any row about their centre
  extreme,        ///< NaN, infinite cells, cells whose squares overflow or vanish: many bank rows, a query per block
  missing,        ///< a query of each block has missing cells
  all_missing,    ///< every query has: the filter gives up
};

struct FilterShape {
  Rows kind = Rows::normal;
  std::int64_t models = 1, rows = 70, bank = 2113, columns = 33;
  std::int32_t neighbours = 4;
  Distance metric = Distance::squared;
  bool shared_query = false, shared_bank = false;
  Layout layout = Layout::contiguous;
};

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(),
                infinite = std::numeric_limits<float>::infinity();

float cell(const FilterShape& s, Random& random, std::int64_t row, std::int64_t column, bool of_query) {
  const auto normal = static_cast<float>(random.normal());
  switch (s.kind) {
    case Rows::normal:
      return normal;
    case Rows::far_apart:
      return (row % 2 == 0 ? 5.0f : -5.0f) + normal;
    case Rows::far_from_zero:
      return 300.0f + normal;
    case Rows::clusters:
      return static_cast<float>(row % 3 * column) + 1e-4f * normal;
    case Rows::duplicates:
      return static_cast<float>(random.integer(0, column < 2 ? 1 : 0));
    case Rows::equal:
      return 1.5f;
    case Rows::extreme: {
      constexpr float values[] = {not_a_number, infinite, -infinite, 1e19f, -3e38f, 1e-25f};
      const std::int64_t kind = of_query ? (row % 64 == 5 ? row / 64 : -1) : row % 640;
      return kind >= 0 && kind < std::ssize(values) && column % 3 == 0 ? values[kind] : normal;
    }
    case Rows::missing:
      return of_query && row % 64 == 9 && column % 2 == 1 ? not_a_number : normal;
    case Rows::all_missing:
      return of_query && column == row % s.columns ? not_a_number : normal;
  }
  return normal;
}

/// The distance of the contract, before the root of l2: NaN counts as infinity.
float chain(const TypedTensor<float>& query, const TypedTensor<float>& bank, std::int64_t m, std::int64_t r,
            std::int64_t i) {
  float sum = 0.0f;
  for (std::int64_t c = 0; c < query.columns; ++c) {
    const float x = query.get(m, r, c), difference = std::isnan(x) ? 0.0f : x - bank.get(m, i, c);
    sum = std::fma(difference, difference, sum);
  }
  return sum < infinite ? sum : infinite;
}

/// On the emulator, on a chip of one multiprocessor, for which these sizes are large, in several orders of lanes; on
/// the CPU with all sets of instructions that fuse.
void check(const FilterShape& s) {
  Problem problem(17, s.layout);
  auto& query = problem.input("query", s.models, s.rows, s.columns, s.shared_query);
  auto& bank = problem.input("bank", s.models, s.bank, s.columns, s.shared_bank);
  for (auto* tensor : {&query, &bank}) {
    for (std::int64_t m = 0; m < (tensor->shared ? 1 : s.models); ++m)
      for (std::int64_t r = 0; r < tensor->rows; ++r)
        for (std::int64_t c = 0; c < s.columns; ++c)
          tensor->set(m, r, c, cell(s, problem.random, r, c, tensor == &query));
  }
  auto& distance = problem.output("distance", s.models, s.rows, s.neighbours);
  auto& index = problem.output<std::int32_t>("index", s.models, s.rows, s.neighbours);
  problem.call = [&, s](Call& call) {
    NearestRows args;
    args.query = query.view(call.slice);
    args.bank = bank.view(call.slice);
    args.neighbours = s.neighbours;
    args.metric = s.metric;
    args.distance = distance.view(call.slice);
    args.index = index.view(call.slice);
    call(args);
  };
  std::vector<std::pair<float, std::int32_t>> all(static_cast<std::size_t>(s.bank));
  for (std::int64_t m = 0; m < s.models; ++m)
    for (std::int64_t r = 0; r < s.rows; ++r) {
      for (std::int32_t i = 0; i < s.bank; ++i) all[static_cast<std::size_t>(i)] = {chain(query, bank, m, r, i), i};
      std::partial_sort(all.begin(), all.begin() + s.neighbours, all.end());
      for (std::int32_t i = 0; i < s.neighbours; ++i) {
        const auto [sum, row] = all[static_cast<std::size_t>(i)];
        distance.expect(m, r, i, s.metric == Distance::l2 ? std::sqrt(sum) : sum, 0.0);
        index.expect(m, r, i, row, 0.0);
      }
    }
  std::string refusal;
  for (const char* order : {"forward,deferred", "reverse,immediate", "seed=5,deferred"}) {
    if (is_emulated_program()) cugad_emulator_set_policy((std::string(order) + ",multiprocessors=1").c_str());
    double worst = 0.0;
    for (const NamedDevice& tested : devices()) {
      if (tested.name == "cpu:baseline") continue;
      const Results results = execute(problem, initial_images(problem), tested.device, 1, {{}}, &refusal);
      EXPECT_EQ(refusal, "");
      EXPECT_EQ(compare(problem, results, true, &worst), "") << tested.name << ' ' << order;
    }
    if (!has_emulated_lanes()) break;  // there is one order
  }
  if (is_emulated_program()) cugad_emulator_set_policy("forward,deferred");
}

TEST(nearest_filter, finds_what_the_chains_say) {
  check({.bank = 4097, .columns = 16, .neighbours = 1});
  check({.models = 2, .columns = 40, .metric = Distance::l2, .shared_query = true, .layout = Layout::strided});
  check({.models = 2, .rows = 129, .bank = 8192, .neighbours = 16, .shared_bank = true, .layout = Layout::misaligned});
}

TEST(nearest_filter, finds_it_on_a_large_chip) {
  if (device_name() == "cpu" || is_emulated_program()) GTEST_SKIP() << "needs a GPU";
  check({.rows = 1500, .bank = 40000, .columns = 20});
  check({.kind = Rows::far_apart, .rows = 1500, .bank = 40000, .columns = 20});
}

TEST(nearest_filter, keeps_what_rounding_may_hide) {
  check({.kind = Rows::far_apart, .bank = 4096, .columns = 16});
  check({.kind = Rows::far_apart, .bank = 4100, .columns = 100, .neighbours = 2});
  check({.kind = Rows::far_from_zero, .models = 2, .bank = 4096, .columns = 16});
  check({.kind = Rows::clusters});
  check({.kind = Rows::duplicates, .bank = 4100, .columns = 20});
  check({.kind = Rows::equal});
}

TEST(nearest_filter, finds_it_in_blocks_of_the_bank) {
  if (device_name() != "cpu") GTEST_SKIP() << "blocks are the CPU's";
  for (const std::int64_t rows : {1, 2, 3, 7, 50}) {
    for (const std::int32_t neighbours : {1, 5, 9, 40, 64}) {
      check({.rows = rows, .bank = 513, .columns = 7, .neighbours = neighbours});
      check({.kind = Rows::duplicates, .rows = rows, .bank = 1200, .columns = 3, .neighbours = neighbours});
      check({.kind = Rows::extreme, .rows = rows, .bank = 700, .columns = 9, .neighbours = neighbours});
      check({.kind = Rows::equal, .rows = rows, .bank = 1100, .columns = 2, .neighbours = neighbours});
    }
  }
}

TEST(nearest_filter, keeps_what_is_no_number) {
  check({.kind = Rows::extreme, .rows = 6 * 64, .bank = 4096, .columns = 17});
  check({.kind = Rows::missing, .bank = 4700, .neighbours = 9});
  check({.kind = Rows::all_missing, .columns = 32});
}

}  // namespace
}  // namespace cugad::test
