#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>

#include "tests/ops/parity.hpp"

/// Tests of the harness: each mutation of a correct result is reported, and the unmutated result is not.
namespace cugad::test {
namespace {

struct Sample {
  Problem problem{1, Layout::misaligned};
  TypedTensor<float>& input = problem.input("input", 2, 3, 5).fill([] { return 1.5; });
  TypedTensor<float>& output = problem.output("output", 2, 3, 5);
  TypedTensor<float>& state = problem.state("state", 2, 3, 5).fill([] { return 2.0; });
  TypedTensor<std::int32_t>& index = problem.output<std::int32_t>("index", 2, 3, 1);
  Results results;

  Sample() {
    for (std::int64_t m = 0; m < 2; ++m)
      for (std::int64_t r = 0; r < 3; ++r) {
        index.expect(m, r, 0, static_cast<double>(r), 0.0);
        for (std::int64_t c = 0; c < 5; ++c) {
          output.expect(m, r, c, 3.0, 1e-6);
          state.expect(m, r, c, 4.0, 1e-6);
        }
      }
    results = initial_images(problem);
    put(2, state, 4.0f);
    put(1, output, 3.0f);
    for (std::int64_t m = 0; m < 2; ++m)
      for (std::int64_t r = 0; r < 3; ++r) {
        const auto value = static_cast<std::int32_t>(r);
        std::memcpy(results[3].data() + index.offset(m, r, 0), &value, sizeof value);
      }
  }
  void put(std::size_t image, const Tensor& tensor, float value) {
    for (std::int64_t m = 0; m < 2; ++m)
      for (std::int64_t r = 0; r < 3; ++r)
        for (std::int64_t c = 0; c < 5; ++c) set(image, tensor.offset(m, r, c), value);
  }
  void set(std::size_t image, std::size_t offset, float value) {
    std::memcpy(results[image].data() + offset, &value, sizeof value);
  }
  std::string verdict(bool exact = false) const {
    double worst = 0.0;
    return compare(problem, results, exact, &worst);
  }
};

TEST(harness, accepts_a_right_result) {
  Sample sample;
  EXPECT_EQ(sample.verdict(), "");
  EXPECT_EQ(sample.verdict(true), "");
  sample.set(1, sample.output.offset(1, 2, 4), 3.0f + 0x1p-21f);  // half a bound
  EXPECT_EQ(sample.verdict(), "");
}

TEST(harness, reports_every_mutation) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const auto last = [](const Tensor& tensor) { return tensor.offset(1, 2, 4); };
  const std::vector<std::pair<const char*, std::function<void(Sample&)>>> mutations = {
      {"ten bounds off", [&](Sample& s) { s.set(1, last(s.output), 3.00001f); }},
      {"two bounds off", [&](Sample& s) { s.set(1, last(s.output), 3.000002f); }},
      {"NaN", [&](Sample& s) { s.set(1, last(s.output), nan); }},
      {"infinity", [&](Sample& s) { s.set(1, last(s.output), inf); }},
      {"sign", [&](Sample& s) { s.set(1, last(s.output), -3.0f); }},
      {"state off", [&](Sample& s) { s.set(2, last(s.state), 4.00001f); }},
      {"state not updated", [&](Sample& s) { s.put(2, s.state, 2.0f); }},
      {"output untouched", [&](Sample& s) { s.results[1] = s.output.initial; }},
      {"one output untouched",
       [&](Sample& s) {
         std::memcpy(s.results[1].data() + last(s.output), s.output.initial.data() + last(s.output), 4);
       }},
      {"index untouched", [&](Sample& s) { s.results[3] = s.index.initial; }},
      {"input changed", [&](Sample& s) { s.set(0, last(s.input), 1.6f); }},
      {"input's padding changed", [&](Sample& s) { s.set(0, s.input.offset(0, 0, 5), 0.0f); }},
      {"byte before the first element", [&](Sample& s) { s.results[1][s.output.first_element - 1] ^= std::byte{1}; }},
      {"first guard byte", [&](Sample& s) { s.results[1][0] ^= std::byte{1}; }},
      {"byte behind the last element", [&](Sample& s) { s.results[1][s.output.end_element] ^= std::byte{1}; }},
      {"last guard byte", [&](Sample& s) { s.results[2].back() ^= std::byte{128}; }},
      {"padding of a row", [&](Sample& s) { s.set(1, s.output.offset(1, 1, 5), 3.0f); }},
      {"padding of a model", [&](Sample& s) { s.set(1, s.output.offset(0, 2, 9), 3.0f); }},
  };
  for (const auto& [name, mutate] : mutations) {
    Sample sample;
    mutate(sample);
    EXPECT_NE(sample.verdict(), "") << name << " was not noticed";
    EXPECT_NE(sample.verdict(true), "") << name << " was not noticed in exact mode";
    EXPECT_NE(compare_bits(sample.problem, sample.results, Sample().results), "") << name;
  }
  Sample sample;
  sample.set(1, last(sample.output), std::nextafter(3.0f, 4.0f));
  EXPECT_EQ(sample.verdict(), "");
  EXPECT_NE(sample.verdict(true), "") << "exact mode must see one unit in the last place";
}

TEST(harness, an_element_without_expectation_fails) {
  Problem problem(1, Layout::contiguous);
  problem.output("output", 1, 1, 2);
  Results results = initial_images(problem);
  const float zero = 0.0f;
  for (std::int64_t c = 0; c < 2; ++c)
    std::memcpy(results[0].data() + problem.tensors[0]->offset(0, 0, c), &zero, sizeof zero);
  double worst = 0.0;
  EXPECT_NE(compare(problem, results, false, &worst), "");
}

TEST(harness, sees_the_sign_of_zero_and_wanted_nan) {
  Problem problem(1, Layout::contiguous);
  auto& output = problem.output("output", 1, 1, 2);
  output.negative_zero_matters = true;
  const auto verdict = [&](float a, float b) {
    Results results = initial_images(problem);
    std::memcpy(results[0].data() + output.offset(0, 0, 0), &a, sizeof a);
    std::memcpy(results[0].data() + output.offset(0, 0, 1), &b, sizeof b);
    double worst = 0.0;
    return compare(problem, results, false, &worst);
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  output.expect(0, 0, 0, -0.0, 0.0);
  output.expect(0, 0, 1, std::nan(""), 1.0);
  EXPECT_EQ(verdict(-0.0f, nan), "");
  EXPECT_NE(verdict(0.0f, nan), "");
  EXPECT_NE(verdict(-0.0f, 1.0f), "");
  output.expect(0, 0, 1, 1e-9, 1e-6);
  EXPECT_EQ(verdict(-0.0f, 0.0f), "");
  EXPECT_NE(verdict(-0.0f, -0.0f), "") << "a kept unit stored as dropped";
}

/// A wrong op run through the whole chain: upload, call, download, comparison, and the invariance of its parts.
TEST(harness, a_broken_op_is_reported) {
  for (const NamedDevice& named : devices()) {
    Problem problem(1, Layout::strided);
    auto& source = problem.input("source", 1, 4, 3).fill([&] { return problem.random.normal(); });
    auto& index = problem.input<std::int32_t>("index", 1, 2, 1).fill([] { return 1; });
    auto& out = problem.output("out", 1, 2, 3);
    for (std::int64_t r = 0; r < 2; ++r)
      for (std::int64_t c = 0; c < 3; ++c) out.expect(0, r, c, source.get(0, 1, c), 0.0);
    std::int64_t rows_called = 2;
    problem.call = [&](Call& call) {
      GatherRows args;
      args.source = source.view();
      args.index = index.view().slice_rows(0, rows_called);
      args.out = out.view().slice_rows(0, rows_called);
      call(args);
    };
    std::string refusal;
    double worst = 0.0;
    const auto run_it = [&] {
      return compare(problem, execute(problem, initial_images(problem), named.device, 1, {{}}, &refusal), true, &worst);
    };
    EXPECT_EQ(run_it(), "");
    EXPECT_EQ(refusal, "");
    rows_called = 1;  // the tail is forgotten
    EXPECT_NE(run_it(), "");
    rows_called = 2;
    index.set(0, 1, 0, 2);  // the wrong row
    EXPECT_NE(run_it(), "");
  }
}

}  // namespace
}  // namespace cugad::test
