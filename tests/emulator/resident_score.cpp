#include <gtest/gtest.h>

#include <random>

#include "kernels/score/score_launch.cuh"
#include "tests/emulator/fixture.hpp"

/// The score in registers: in float32 against the CPU's, in bfloat16 the independence of rows.
namespace cugad {
namespace {

using cuda::Bfloat16Element;
using cuda::Float32Element;
using Small = cuda::ScoreNetworks<32, 64, 16, 32, 64, 128, 32, 16>;
using Values = std::vector<float>;
using Widths = std::vector<std::int32_t>;
using Score = void (*)(Context&, const ReconstructionScore&);

class ResidentScore : public emulator_test::Emulated {};

/// A network of every model in one buffer.
struct Stack {
  Widths widths;
  Values values;
  std::int64_t size = 0;  ///< of one model

  Stack(const Widths& all, std::int64_t models, std::mt19937& engine) : widths(all) {
    std::normal_distribution<float> normal;
    for (std::size_t l = 1; l < widths.size(); ++l) size += (widths[l - 1] + 1) * widths[l];
    for (std::int64_t i = 0; i < size * models; ++i) values.push_back(0.25f * normal(engine));
  }
  NetworkView view(const float* data) const {
    NetworkView view;
    view.layers = static_cast<std::int32_t>(widths.size()) - 1;
    for (int l = 0; l < view.layers; ++l) {
      LayerView& layer = view.layer[l];
      layer.in = widths[static_cast<std::size_t>(l)];
      layer.out = widths[static_cast<std::size_t>(l) + 1];
      layer.weight = data;
      layer.bias = data + layer.in * layer.out;
      layer.model_stride = size;
      layer.activation = l + 1 < view.layers ? Activation::leaky_relu : Activation::identity;
      layer.slope = 0.1f;
      data += (layer.in + 1) * layer.out;
    }
    return view;
  }
};

struct Rows {
  std::int64_t models = 2, rows = 70;
  Distance residual = Distance::l1;
  Discrimination discrimination = Discrimination::feature_l1;
  Widths encoder = {27, 30, 50, 13}, generator = {13, 30, 60, 27}, discriminator = {27, 100, 31, 15, 1};
};

/// loss, residual, discrimination, latent, feature residual, reconstruction of rows [first, first + count).
std::vector<Values> scored(const char* device_name, const Rows& o, Score run, std::int64_t first, std::int64_t count) {
  std::mt19937 engine(5);
  std::normal_distribution<float> normal;
  const Stack stacks[3] = {
      {o.encoder, o.models, engine}, {o.generator, o.models, engine}, {o.discriminator, o.models, engine}};
  const std::int64_t columns = o.encoder.front(), latent = o.encoder.back();
  Values x;
  for (std::int64_t i = 0; i < o.models * o.rows * columns; ++i)
    x.push_back(engine() % 5 == 0 ? std::nanf("") : normal(engine));
  const Device device = Device::open(device_name, 1);
  const bool on_host = std::string(device_name) == "cpu";
  Context context = device.make_context();
  if (!on_host) context.use_precision(Precision::bf16);
  const emulator_test::OnDevice<float> copies[4] = {
      emulator_test::OnDevice<float>(stacks[0].values), emulator_test::OnDevice<float>(stacks[1].values),
      emulator_test::OnDevice<float>(stacks[2].values), emulator_test::OnDevice<float>(x)};
  const auto place = [&](int i, const Values& values) { return on_host ? values.data() : copies[i].data(); };
  ReconstructionScore args;
  args.encoder = stacks[0].view(place(0, stacks[0].values));
  args.generator = stacks[1].view(place(1, stacks[1].values));
  args.discriminator = stacks[2].view(place(2, stacks[2].values));
  args.x = StackView<const float>(place(3, x), o.models, o.rows, columns).slice_rows(first, count);
  args.residual_distance = o.residual;
  args.discrimination_kind = o.discrimination;
  args.lambda = 0.3f;
  const std::int64_t widths[] = {1, 1, 1, latent, columns, columns};
  std::vector<Values> found;
  std::vector<std::unique_ptr<emulator_test::OnDevice<float>>> outputs;
  for (const std::int64_t width : widths) {
    found.emplace_back(static_cast<std::size_t>(o.models * count * width), -1.0f);
    outputs.push_back(std::make_unique<emulator_test::OnDevice<float>>(found.back()));
  }
  int i = 0;
  for (StackView<float>* view :
       {&args.loss, &args.residual, &args.discrimination, &args.latent, &args.feature_residual, &args.reconstruction}) {
    const auto at = static_cast<std::size_t>(i);
    *view = {on_host ? found[at].data() : outputs[at]->data(), o.models, count, widths[i]};
    ++i;
  }
  run(context, args);
  context.synchronize();
  for (std::size_t at = 0; at < found.size() && !on_host; ++at) found[at] = outputs[at]->values();
  return found;
}

void run_on_cpu(Context& context, const ReconstructionScore& args) { cugad::run(context, args); }

/// Products add in the CPU's order, and so z and G(z) have its bits; norms and losses are summed in another order.
TEST_F(ResidentScore, InFloat32IsTheScoreOfTheCpu) {
  int variant = 0;
  for (const Distance residual : {Distance::l1, Distance::l2, Distance::squared})
    for (const Discrimination discrimination :
         {Discrimination::none, Discrimination::cross_entropy, Discrimination::feature_l1, Discrimination::feature_l2,
          Discrimination::feature_squared}) {
      use(variant++ % 2 == 0 ? "reverse,immediate,multiprocessors=1" : "seed=7,deferred");
      Rows o;
      o.residual = residual;
      o.discrimination = discrimination;
      if (variant % 3 == 0) o.encoder = {27, 50, 13}, o.generator = {13, 60, 27}, o.discriminator = {27, 31, 15, 1};
      SCOPED_TRACE("variant " + std::to_string(variant));
      const std::vector<Values> cpu = scored("cpu", o, run_on_cpu, 0, o.rows);
      const std::vector<Values> here =
          scored("emulated", o, cuda::run_resident_score<Float32Element, Small>, 0, o.rows);
      for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t r = 0; r < cpu[i].size(); ++r)
          ASSERT_NEAR(here[i][r], cpu[i][r], 1e-5f + 1e-5f * cpu[i][r]) << i;
      for (std::size_t i = 3; i < 6; ++i) EXPECT_EQ(here[i], cpu[i]) << i;
    }
}

TEST_F(ResidentScore, KnowsNothingOfOtherRows) {
  const Rows o;
  const Score run = cuda::run_resident_score<Bfloat16Element, Small>;
  const std::vector<Values> all = scored("emulated", o, run, 0, o.rows);
  use("reverse,immediate,multiprocessors=1");
  for (const auto& [first, count] : {std::pair{0L, 70L}, std::pair{69L, 1L}, std::pair{17L, 40L}}) {
    const std::vector<Values> part = scored("emulated", o, run, first, count);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto width = static_cast<std::int64_t>(all[i].size()) / (o.models * o.rows);
      for (std::int64_t m = 0; m < o.models; ++m) {
        const auto at = all[i].begin() + (m * o.rows + first) * width, to = part[i].begin() + m * count * width;
        EXPECT_EQ(Values(at, at + count * width), Values(to, to + count * width)) << i << " of " << first;
      }
    }
  }
}

}  // namespace
}  // namespace cugad
