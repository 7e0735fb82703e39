#include "host/network/layer_pass.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "tests/network/population.hpp"

/// Layers whose techniques differ from layer to layer.
namespace cugad::test {
namespace {

constexpr std::int64_t models = 2, rows = 10;
constexpr int columns = 6;

/// Spectral and batch normalisation, none, batch normalisation, spectral normalisation, minibatch discrimination.
Part mixed_layers() {
  const LayerSpec leaky{7, Activation::leaky_relu, 0.3f}, relu{5, Activation::relu};
  Part part{.name = "", .mlp = Mlp(columns, {leaky, relu, leaky, relu, {1}})};
  part.techniques.part_rows = 5;
  part.techniques.spectral = true;
  std::vector<LayerTechniques>& layer = part.techniques.layer;
  layer.resize(5);
  layer[0].spectral = layer[3].spectral = true;
  layer[0].rows = layer[2].rows = LayerTechniques::Rows::batch;
  layer[4].kernels = 3;
  layer[4].dimensions = 2;
  return part;
}

/// Layer l as a part of its own, on the same parameters.
Part single_layer(const Part& part, int l) {
  Part one{.name = "", .mlp = Mlp(part.mlp.layer_inputs(l), {part.mlp.layer(l)})};
  one.offset = part.mlp.weight_offset(l);
  one.techniques.part_rows = part.techniques.part_rows;
  one.techniques.layer = {part.techniques.layer[static_cast<std::size_t>(l)]};
  one.techniques.spectral = one.techniques.layer[0].spectral;
  return one;
}

/// A part with the memory of its passes.
struct Bound {
  explicit Bound(Part part_) : part(std::move(part_)) {
    Carver counting(nullptr, models);
    part.carve(counting, rows);
    activations.assign(static_cast<std::size_t>(part.mlp.buffer_floats(models, rows)), -7.0f);
    kept.assign(static_cast<std::size_t>(counting.taken()), -7.0f);
    buffers = part.mlp.carve(activations.data(), models, rows);
    Carver carver(kept.data(), models);
    memory = part.carve(carver, rows);
  }
  LayerPass pass(Context& context, StackView<const float> flat, StackView<const float> x) const {
    return {context, part.mlp, part.techniques, part.offset, flat, x, buffers, memory};
  }
  void backward(Context& context, StackView<const float> flat, StackView<const float> x, StackView<float> gradient,
                StackView<float> dx) const {
    pass(context, flat, x).backward(gradient, dx, {});
    part.write_kept(context, memory, gradient);
  }
  Part part;
  std::vector<float> activations, kept;
  Mlp::Buffers buffers;
  PartMemory memory;
};

TEST(LayerPass, MixedLayersComputeWhatEachComputesAlone) {
  Context context = Device::open("cpu", 1).make_context();
  Part part = mixed_layers();
  std::int64_t count = part.mlp.parameters();
  part.place_trained(count);
  part.place_kept(count);
  const auto size = static_cast<std::size_t>(models * count);
  std::vector<float> parameters(size), gradients(size), gradients_alone(size);
  const StackView<float> flat(parameters.data(), models, 1, count);
  part.initialise(context, flat, {.seed = 8, .purpose = RandomPurpose::initial_weights});
  std::vector<float> x = Population::random(models * rows * columns, 3), dx(x.size()), dx_alone(x.size());
  std::vector<float> loss = Population::random(models * rows, 5);
  const StackView<float> in(x.data(), models, rows, columns), loss_gradient(loss.data(), models, rows, 1);

  Bound all(part);
  all.pass(context, flat, in).forward(nullptr);
  std::vector<Bound> alone;
  for (int l = 0; l < part.mlp.layers(); ++l) {
    const StackView<float> from = l == 0 ? in : alone.back().buffers.result();
    alone.emplace_back(single_layer(part, l)).pass(context, flat, from).forward(nullptr);
    EXPECT_TRUE(same_bits(dense(all.buffers.output[l]), dense(alone.back().buffers.result()))) << "layer " << l;
  }

  all.buffers.result_gradient() = loss_gradient;
  all.backward(context, flat, in, {gradients.data(), models, 1, count}, {dx.data(), models, rows, columns});
  std::vector<float> again = Population::random(models * rows, 5);
  alone.back().buffers.result_gradient() = {again.data(), models, rows, 1};
  for (int l = part.mlp.layers() - 1; l >= 0; --l) {
    const StackView<float> from = l == 0 ? in : alone[l - 1].buffers.result();
    alone[l].backward(
        context, flat, from, {gradients_alone.data(), models, 1, count},
        l == 0 ? StackView<float>(dx_alone.data(), models, rows, columns) : alone[l - 1].buffers.result_gradient());
  }
  EXPECT_TRUE(same_bits(gradients, gradients_alone));
  EXPECT_TRUE(same_bits(dx, dx_alone));
  // The passes reached all layers: hardly any parameter is without a gradient.
  EXPECT_LT(std::count(gradients.begin(), gradients.end(), 0.0f), models * count / 50);
}

}  // namespace
}  // namespace cugad::test
