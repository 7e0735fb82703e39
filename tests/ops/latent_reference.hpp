#pragma once

#include <vector>

#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

/// The latent search in float64, one query and one start at a time, written from the contract in ops.hpp.
namespace cugad::test {

struct Layer64 {
  std::int64_t in = 0, out = 0;
  std::vector<double> weight, bias;  ///< [out, in]
  Activation activation = Activation::identity;
  double slope = 0.0;
};
using Network64 = std::vector<Layer64>;
using Row = std::vector<double>;

/// Rounding as a float32 search has it: every sum is moved by up to 4 eps of its terms. No generator: exact.
class Rounding {
 public:
  explicit Rounding(Random* random = nullptr) : random_(random) {}
  double operator()(double value, double magnitude) const {
    return random_ == nullptr ? value : value + random_->uniform(-4.0, 4.0) * eps * magnitude;
  }

 private:
  Random* random_;
};

struct SearchSettings {
  Distance residual_distance = Distance::l1;
  Discrimination discrimination = Discrimination::feature_l1;
  double lambda = 0.1, prior_weight = 0.0, latent_weight = 0.0, latent_clip = 0.0;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  StepSchedule rate;
  std::int64_t steps = 0;
};

/// What the search knows about one z.
struct Evaluation {
  double loss = 0.0, residual = 0.0, discrimination = 0.0;
  Row reconstruction;
  Row gradient;  ///< d loss / d z
};

/// Outputs of all layers.
std::vector<Row> forward(const Network64& network, const Row& input, const Rounding& rounding = Rounding());

Evaluation evaluate(const Network64& generator, const Network64& discriminator, const SearchSettings& settings,
                    const Row& x, const Row& z, const Rounding& rounding = Rounding());

struct Found {
  Row z;
  Evaluation at_end;
};
Found search(const Network64& generator, const Network64& discriminator, const SearchSettings& settings, const Row& x,
             const Row& start, const Rounding& rounding = Rounding());

}  // namespace cugad::test
