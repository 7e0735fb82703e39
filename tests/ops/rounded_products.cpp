#include <gtest/gtest.h>

#include "host/backend/backend.hpp"
#include "tests/ops/latent_reference.hpp"
#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

/// Dense layers of rounded operands: the exact products of operands that are rounded once, to nearest. The
/// remaining error is the rounding of sums, far below that of any other rounding of an operand, which the bounds of the
/// op's own cases could not detect. Sizes are those at which launchers take large tiles.
namespace cugad::test {
namespace {

struct ProductShape {
  std::int64_t models = 1, rows = 1, in = 1, out = 1;
  Precision precision = Precision::fp32;
};

/// How far sums of `terms` products may lie from the exact one, beside `magnitude`, the sum of their sizes.
double bound(std::int64_t terms, double magnitude) { return 4.0 * static_cast<double>(terms + 4) * eps * magnitude; }

void expect_within_bounds(const Problem& problem, const Device& device) {
  std::string refusal;
  double worst = 0.0;
  const Results results = execute(problem, initial_images(problem), device, 1, {{}}, &refusal);
  EXPECT_EQ(refusal, "");
  EXPECT_EQ(compare(problem, results, false, &worst), "");
}

void build_forward(Problem& problem, const ProductShape& s) {
  const auto number = [&] { return problem.random.normal(); };
  auto& x = problem.input("x", s.models, s.rows, s.in).fill(number);
  auto& weight = problem.input("weight", s.models, s.out, s.in).fill(number);
  auto& bias = problem.input("bias", s.models, 1, s.out).fill(number);
  auto& y = problem.output("y", s.models, s.rows, s.out);
  const Rounding rounding = Rounding(nullptr, s.precision).of_dense_layer(s.out);
  for (std::int64_t m = 0; m < s.models; ++m)
    for (std::int64_t r = 0; r < s.rows; ++r)
      for (std::int64_t o = 0; o < s.out; ++o) {
        double sum = bias.get(m, 0, o), magnitude = std::abs(sum);
        for (std::int64_t k = 0; k < s.in; ++k) {
          const double term = rounding.operand(x.get(m, r, k)) * rounding.operand(weight.get(m, o, k));
          sum += term;
          magnitude += std::abs(term);
        }
        y.expect(m, r, o, sum, bound(s.in + 1, magnitude));
      }
  problem.call = [&, s](Call& call) {
    call.context.use_precision(s.precision);
    DenseForward args;
    args.x = x.view(call.slice);
    args.weight = weight.view(call.slice);
    args.bias = bias.view(call.slice);
    args.y = y.view(call.slice);
    call(args);
  };
}

void build_backward(Problem& problem, const ProductShape& s) {
  const auto number = [&] { return problem.random.normal(); };
  auto& x = problem.input("x", s.models, s.rows, s.in).fill(number);
  auto& weight = problem.input("weight", s.models, s.out, s.in).fill(number);
  auto& dy = problem.state("dy", s.models, s.rows, s.out).fill(number);
  auto& dx = problem.output("dx", s.models, s.rows, s.in);
  auto& dweight = problem.output("dweight", s.models, s.out, s.in);
  dy.expect_unchanged();
  const Rounding rounding = Rounding(nullptr, s.precision).of_dense_layer(s.out);
  for (std::int64_t m = 0; m < s.models; ++m) {
    for (std::int64_t r = 0; r < s.rows; ++r)
      for (std::int64_t k = 0; k < s.in; ++k) {
        double sum = 0.0, magnitude = 0.0;
        for (std::int64_t o = 0; o < s.out; ++o) {
          const double term = rounding.operand(dy.get(m, r, o)) * rounding.operand(weight.get(m, o, k));
          sum += term;
          magnitude += std::abs(term);
        }
        dx.expect(m, r, k, sum, bound(s.out, magnitude));
      }
    for (std::int64_t o = 0; o < s.out; ++o)
      for (std::int64_t k = 0; k < s.in; ++k) {
        double sum = 0.0, magnitude = 0.0;
        for (std::int64_t r = 0; r < s.rows; ++r) {
          const double term = rounding.operand(dy.get(m, r, o)) * rounding.operand(x.get(m, r, k));
          sum += term;
          magnitude += std::abs(term);
        }
        dweight.expect(m, o, k, sum, bound(s.rows, magnitude));
      }
  }
  problem.call = [&, s](Call& call) {
    call.context.use_precision(s.precision);
    DenseBackward args;
    args.x = x.view(call.slice);
    args.weight = weight.view(call.slice);
    args.dy = dy.view(call.slice);
    args.dx = dx.view(call.slice);
    args.dweight = dweight.view(call.slice);
    call(args);
  };
}

void check_products(void (*build)(Problem&, const ProductShape&), const char* seed) {
  for (const NamedDevice& named : devices()) {
    for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
      if (precision == Precision::tf32 && named.device.backend().is_host_memory()) continue;
      for (const std::int64_t in : {1, 33, 96, 131}) {
        for (const Layout layout : {Layout::contiguous, Layout::misaligned}) {
          const std::int64_t rows = in == 96 ? 512 : in == 131 ? 270 : 20;
          const ProductShape shape{in == 33 ? 2 : 1, rows, in, in == 96 ? 320 : in, precision};
          SCOPED_TRACE(parameters("device", named.name, "precision", cugad::name_of(precision), "rows", rows, "in", in,
                                  "layout", name_of(layout)));
          Problem problem(hash(seed), layout);
          build(problem, shape);
          expect_within_bounds(problem, named.device);
        }
      }
    }
  }
}

TEST(rounded_products, dense_forward) { check_products(&build_forward, "rounded forward"); }
TEST(rounded_products, dense_backward) { check_products(&build_backward, "rounded backward"); }

}  // namespace
}  // namespace cugad::test
