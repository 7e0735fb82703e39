#pragma once

#include <bit>
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

Network64 random_network(Random& random, const std::vector<std::int64_t>& widths, Activation hidden, Activation last);

/// A network in one flat buffer, layer after layer, weight before bias: as the op sees it.
NetworkView network_view(const float* data, std::int64_t model_stride, const Network64& network);

/// Rounding as a search has it: every sum is moved by up to 4 eps of its terms (no generator: exact sums), and the
/// operands of products are rounded as tensor cores take them.
class Rounding {
 public:
  explicit Rounding(Random* random = nullptr, Precision precision = Precision::fp32)
      : random_(random), precision_(precision) {}
  /// The same for a layer that dense kernels compute, which leave layers of at most 4 outputs in float32.
  Rounding of_dense_layer(std::int64_t outputs) const {
    Rounding other = *this;
    if (outputs <= 4) other.precision_ = Precision::fp32;
    return other;
  }
  /// A search that runs layer by layer, on the dense kernels.
  Rounding by_layers() const {
    Rounding other = *this;
    other.by_layers_ = true;
    return other;
  }
  Rounding disturbed(Random& random) const {
    Rounding other = *this;
    other.random_ = &random;
    return other;
  }
  Rounding of_layer(std::int64_t outputs) const { return by_layers_ ? of_dense_layer(outputs) : *this; }
  double operator()(double value, double magnitude) const {
    return random_ == nullptr ? value : value + random_->uniform(-4.0, 4.0) * eps * magnitude;
  }
  /// bfloat16: nearest, ties to even; tf32: nearest, ties away from zero.
  double operand(double value) const {
    if (precision_ == Precision::fp32) return value;
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
    const std::uint32_t rounded =
        precision_ == Precision::tf32 ? (bits + 0x1000u) & ~0x1fffu : (bits + 0x7fffu + (bits >> 16 & 1u)) & ~0xffffu;
    return static_cast<double>(std::bit_cast<float>(rounded));
  }

 private:
  Random* random_;
  Precision precision_;
  bool by_layers_ = false;
};

struct SearchSettings {
  Distance residual_distance = Distance::l1;
  Discrimination discrimination = Discrimination::feature_l1;
  double lambda = 0.1, prior_weight = 0.0, latent_weight = 0.0, latent_clip = 0.0;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  StepSchedule rate;
  std::int64_t steps = 0;
  std::size_t fixed_columns = 0;
  Row column_scale;    ///< of the residual; empty: ones
  double limit = 0.0;  ///< of a cell in the residual; 0: none
};

/// The state of the search for one z.
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
