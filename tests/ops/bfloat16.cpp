#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "cugad/error.hpp"
#include "host/backend/backend.hpp"
#include "tests/ops/parity.hpp"

/// Products in bf16 on the CPU: on every instruction set, one chain of fused multiply-adds over operands that are
/// rounded to bfloat16, whether an instruction adds two terms at a time or not.
namespace cugad::test {
namespace {

std::vector<const NamedDevice*> instruction_sets() {
  std::vector<const NamedDevice*> found;
  for (const NamedDevice& named : devices()) {
    if (named.device.backend().is_host_memory()) found.push_back(&named);
  }
  return found;
}

/// To nearest, ties to even; subnormal numbers become 0 with their sign.
float round_to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return value;
  if ((bits & 0x7f800000u) == 0) return std::copysign(0.0f, value);
  const std::uint32_t below = bits & 0xffffu, kept = bits & 0xffff0000u;
  const bool up = below > 0x8000u || (below == 0x8000u && (bits & 0x10000u) != 0);
  return std::bit_cast<float>(up ? kept + 0x10000u : kept);
}

float flush(float value) { return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0f, value) : value; }

/// The output of a layer whose sums the CPU keeps in one chain; subnormal numbers count as 0.
float chain(float bias, const float* x, const float* weight, std::int64_t in) {
  float sum = flush(bias);
  for (std::int64_t k = 0; k < in; ++k) {
    sum = flush(std::fma(round_to_bfloat16(x[k]), round_to_bfloat16(weight[k]), sum));
  }
  return sum;
}

std::uint32_t bits_of(float value) { return std::isnan(value) ? 0x7fc00000u : std::bit_cast<std::uint32_t>(value); }

struct Layer {
  std::int64_t rows, in, out;
  std::vector<float> x, weight, bias;

  Layer(std::int64_t rows_, std::int64_t in_, std::int64_t out_)
      : rows(rows_),
        in(in_),
        out(out_),
        x(static_cast<std::size_t>(rows * in)),
        weight(static_cast<std::size_t>(out * in)),
        bias(static_cast<std::size_t>(out)) {}
  void fill(const std::function<float()>& value) {
    for (std::vector<float>* all : {&x, &weight, &bias}) {
      for (float& one : *all) one = value();
    }
  }
  std::vector<float> forward(Context& context) const {
    std::vector<float> y(static_cast<std::size_t>(rows * out));
    run(context, DenseForward{.x = {x.data(), 1, rows, in, 0, in},
                              .weight = {weight.data(), 1, out, in, 0, in},
                              .bias = {bias.data(), 1, 1, out, 0, out},
                              .y = {y.data(), 1, rows, out, 0, out},
                              .dropout = {},
                              .derivative_of = {}});
    return y;
  }
};

Context context_in(const Device& device, Precision precision, int threads = 1) {
  return device.with_precision(precision).make_context(threads);
}

const std::int64_t depths[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 34, 63, 65, 121};

void expect_chains(const Layer& layer, const Device& device) {
  Context context = context_in(device, Precision::bf16);
  const std::vector<float> y = layer.forward(context);
  for (std::int64_t r = 0; r < layer.rows; ++r) {
    for (std::int64_t o = 0; o < layer.out; ++o) {
      const float expected = chain(layer.bias[static_cast<std::size_t>(o)], layer.x.data() + r * layer.in,
                                   layer.weight.data() + o * layer.in, layer.in);
      ASSERT_EQ(bits_of(y[static_cast<std::size_t>(r * layer.out + o)]), bits_of(expected))
          << "row " << r << ", output " << o << " of " << layer.in << " inputs";
    }
  }
}

TEST(bfloat16, every_set_computes_one_chain_of_rounded_operands) {
  Random random(1);
  for (const NamedDevice* named : instruction_sets()) {
    SCOPED_TRACE(named->name);
    for (const std::int64_t in : depths) {
      Layer layer(13, in, 37);
      layer.fill([&] { return static_cast<float>(random.normal()); });
      expect_chains(layer, named->device);
    }
  }
}

/// Ties, the numbers beside them, numbers that round to infinity or count as 0, infinities, NaN.
TEST(bfloat16, rounds_every_kind_of_number_alike) {
  constexpr float infinity = std::numeric_limits<float>::infinity(), least = std::numeric_limits<float>::min();
  const float kinds[] = {0.0f,
                         -0.0f,
                         1.0f,
                         -1.0f,
                         std::bit_cast<float>(0x3f807fffu),
                         std::bit_cast<float>(0x3f808000u),
                         std::bit_cast<float>(0x3f808001u),
                         std::bit_cast<float>(0xbf818000u),
                         std::bit_cast<float>(0x3fffffffu),
                         std::numeric_limits<float>::max(),
                         least,
                         std::bit_cast<float>(0x007fffffu),
                         std::bit_cast<float>(0x80400000u),
                         std::numeric_limits<float>::denorm_min()};
  Random random(2);
  for (const NamedDevice* named : instruction_sets()) {
    SCOPED_TRACE(named->name);
    for (const std::int64_t in : depths) {
      for (const float rare : {1.5f, infinity, -infinity, std::numeric_limits<float>::quiet_NaN()}) {
        Layer layer(9, in, 21);
        layer.fill([&] { return random.chance(0.02) ? rare : kinds[random.integer(0, std::ssize(kinds) - 1)]; });
        expect_chains(layer, named->device);
      }
    }
  }
}

/// A term beyond the last would add +0, which makes a sum of -0 positive.
TEST(bfloat16, an_odd_number_of_terms_adds_nothing) {
  for (const NamedDevice* named : instruction_sets()) {
    SCOPED_TRACE(named->name);
    for (const std::int64_t in : depths) {
      Layer layer(3, in, 18);
      layer.fill([] { return -0.0f; });
      for (float& weight : layer.weight) weight = 1.0f;
      expect_chains(layer, named->device);
    }
  }
}

/// dX and dW from operands that need no rounding are those of fp32.
TEST(bfloat16, gradients_of_rounded_operands_have_the_bits_of_fp32) {
  Random random(3);
  const auto number = [&] { return round_to_bfloat16(static_cast<float>(random.normal())); };
  for (const NamedDevice* named : instruction_sets()) {
    for (const std::int64_t rows : {1, 7, 33, 300}) {
      for (const std::int64_t out : {5, 16, 47}) {
        SCOPED_TRACE(parameters("device", named->name, "rows", rows, "out", out));
        constexpr std::int64_t in = 35;
        Layer layer(rows, in, out);
        layer.fill(number);
        std::vector<float> dy(static_cast<std::size_t>(rows * out));
        for (float& one : dy) one = number();
        for (std::int64_t r = 0; r < rows; r += 3) std::fill_n(dy.begin() + r * out, out, 0.0f);
        std::vector<float> results[2];
        for (const Precision precision : {Precision::fp32, Precision::bf16}) {
          Context context = context_in(named->device, precision);
          std::vector<float> changed = dy, dx(layer.x.size(), 7.0f), dweight(layer.weight.size(), 7.0f);
          run(context, DenseBackward{.x = {layer.x.data(), 1, rows, in, 0, in},
                                     .weight = {layer.weight.data(), 1, out, in, 0, in},
                                     .y = {},
                                     .dy = {changed.data(), 1, rows, out, 0, out},
                                     .dx = {dx.data(), 1, rows, in, 0, in},
                                     .dweight = {dweight.data(), 1, out, in, 0, in},
                                     .dbias = {}});
          std::vector<float>& all = results[precision == Precision::bf16];
          all = dx;
          all.insert(all.end(), dweight.begin(), dweight.end());
        }
        EXPECT_EQ(results[0], results[1]);
      }
    }
  }
}

/// Weights that a context keeps are kept apart for each precision.
TEST(bfloat16, a_context_changes_its_precision) {
  Random random(4);
  for (const NamedDevice* named : instruction_sets()) {
    SCOPED_TRACE(named->name);
    Layer layer(20, 33, 17);
    layer.fill([&] { return static_cast<float>(random.normal()); });
    Context fresh = context_in(named->device, Precision::bf16);
    const std::vector<float> rounded = layer.forward(fresh);
    Context kept = context_in(named->device, Precision::fp32);
    kept.freeze_weights();
    const std::vector<float> exact = layer.forward(kept);
    EXPECT_NE(exact, rounded);
    kept.use_precision(Precision::bf16);
    EXPECT_EQ(layer.forward(kept), rounded);
    kept.use_precision(Precision::fp32);
    EXPECT_EQ(layer.forward(kept), exact);
  }
}

TEST(bfloat16, the_cpu_refuses_tf32) {
  for (const NamedDevice* named : instruction_sets()) {
    EXPECT_THROW(named->device.with_precision(Precision::tf32), Error);
    EXPECT_EQ(named->device.with_precision(Precision::bf16).precision(), Precision::bf16);
  }
}

}  // namespace
}  // namespace cugad::test
