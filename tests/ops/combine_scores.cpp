#include <cmath>
#include <limits>

#include "tests/ops/parity.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1;
  bool logit = true, compress = true, unbounded = false;
  double weight = 0.5;
  enum class Absent { none, added, squared } absent = Absent::none;
  bool surprise = false;
  Layout layout = Layout::contiguous;
};

double standardised(double value, double median, double spread, bool compress) {
  const double u = (value - median) / spread;
  return compress ? std::copysign(std::log1p(std::abs(u)), u) : u;
}

void build(Problem& problem, const Shape& shape) {
  Random& random = problem.random;
  const auto number = [&] { return shape.unbounded && random.chance(0.3) ? infinity : random.normal(); };
  auto& residual = problem.input("residual", shape.models, shape.rows, 1).by_item().fill(number);
  auto& logit = problem.input("logit", shape.models, shape.rows, 1).by_item().fill(number);
  auto& statistics = problem.input("statistics", shape.models, 1, 4).fill([&] { return random.uniform(0.1, 2.0); });
  auto& absent = problem.input("absent", 1, shape.rows, 1).by_item().fill([&] { return random.uniform(0.0, 2.0); });
  auto& surprise = problem.input("surprise", 1, shape.rows, 1).by_item().fill([&] {
    return random.chance(0.1) ? std::numeric_limits<double>::quiet_NaN() : random.uniform(0.0, 4.0);
  });
  auto& score = problem.output("score", 1, shape.rows, 1).by_item();
  constexpr double absent_weight = 0.75;
  for (std::int64_t r = 0; r < shape.rows; ++r) {
    double far = 0.0, doubted = 0.0;
    for (std::int64_t m = 0; m < shape.models; ++m) {
      double own = residual.get(m, r, 0);
      const double more = absent_weight * static_cast<double>(absent.get(0, r, 0));
      if (shape.absent == Shape::Absent::added) own = static_cast<float>(own + more);
      if (shape.absent == Shape::Absent::squared) own = static_cast<float>(std::sqrt(own * own + more));
      far += standardised(own, statistics.get(m, 0, 0), statistics.get(m, 0, 1), shape.compress);
      doubted += standardised(-logit.get(m, r, 0), statistics.get(m, 0, 2), statistics.get(m, 0, 3), shape.compress);
    }
    const auto models = static_cast<double>(shape.models),
               weight = static_cast<double>(static_cast<float>(shape.weight));
    double value = far / models;
    if (shape.logit) value += weight * (doubted / models < 0.0 ? 0.0 : doubted / models);
    if (std::isnan(value)) value = infinity;
    double bound = 2.0 * eps * std::abs(value);
    if (shape.surprise) {
      value += static_cast<double>(surprise.get(0, r, 0));
      bound += 2.0 * eps * static_cast<double>(surprise.get(0, r, 0));
    }
    score.expect(0, r, 0, value, std::isfinite(value) ? bound : 0.0);
  }
  problem.models_are_independent = false;
  problem.call = [&, shape](Call& call) {
    CombineScores args;
    args.residual = residual.view(call.slice);
    if (shape.logit) args.logit = logit.view(call.slice);
    args.statistics = statistics.view(call.slice);
    args.compress = shape.compress;
    args.discriminator_weight = static_cast<float>(shape.weight);
    args.score = score.view(call.slice);
    if (shape.absent != Shape::Absent::none) args.absent = absent.view(call.slice);
    args.absent_weight = static_cast<float>(absent_weight);
    args.absent_squared = shape.absent == Shape::Absent::squared;
    if (shape.surprise) args.surprise = surprise.view(call.slice);
    call(args);
  };
}

std::vector<Case> combine_scores_cases() {
  std::vector<Case> cases;
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    for (const Shape& shape :
         {Shape{.rows = 5}, Shape{.models = 3, .rows = 50},
          Shape{.models = 3, .rows = 50, .logit = false, .compress = false},
          Shape{.models = 2, .rows = 30, .unbounded = true}, Shape{.models = 2, .rows = 0},
          Shape{.rows = 131, .weight = 0.0}, Shape{.models = 3, .rows = 40, .absent = Shape::Absent::added},
          Shape{.models = 2, .rows = 40, .absent = Shape::Absent::squared, .surprise = true},
          Shape{.models = 2, .rows = 40, .unbounded = true, .surprise = true}}) {
      Case one;
      one.parameters =
          parameters("models", shape.models, "rows", shape.rows, "logit", shape.logit, "compress", shape.compress,
                     "unbounded", shape.unbounded, "weight", shape.weight, "absent", static_cast<int>(shape.absent),
                     "surprise", shape.surprise, "layout", name_of(layout));
      one.layout = layout;
      one.build = [shape](Problem& problem) { build(problem, shape); };
      cases.push_back(one);
    }
  }
  return cases;
}

const bool registered = register_op("combine_scores", combine_scores_cases());

}  // namespace
}  // namespace cugad::test
