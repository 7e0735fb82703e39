#include "tests/ops/refusals.hpp"

/// The refusals of the ops that normalise or compare a batch, one list of changes per op.
namespace cugad::test {
namespace {

TEST(contract, batch_norm) {
  BatchNorm good;
  good.x = matrix<const float>(numbers, 5, 3);
  good.scale = matrix<const float>(numbers + 20, 1, 3);
  good.shift = matrix<const float>(numbers + 30, 1, 3);
  good.y = matrix(numbers + 40, 5, 3);
  good.mean = matrix(numbers + 60, 1, 3);
  good.inverse_deviation = matrix(numbers + 70, 1, 3);
  expect_refusals<BatchNorm>("batch_norm", good,
                             {{"x", [](auto& a) { a.x.columns = 2; }},
                              {"x", [](auto& a) { a.x.rows = a.y.rows = 0; }},
                              {"scale", [](auto& a) { a.scale.data = nullptr; }},
                              {"shift", [](auto& a) { a.shift.columns = 2; }},
                              {"y", [](auto& a) { a.y.data = nullptr; }},
                              {"mean", [](auto& a) { a.mean.data = nullptr; }},
                              {"inverse_deviation", [](auto& a) { a.inverse_deviation.rows = 5; }},
                              {"moving_mean", [](auto& a) { a.moving_mean = matrix(numbers, 5, 3); }},
                              {"moving_variance", [](auto& a) { a.moving_variance = matrix(numbers, 1, 2); }},
                              {"epsilon", [](auto& a) { a.epsilon = 0.0f; }},
                              {"epsilon", [](auto& a) { a.epsilon = not_a_number; }},
                              {"reference_rows", [](auto& a) { a.reference_rows = 6; }},
                              {"reference_rows", [](auto& a) { a.reference_rows = -1; }},
                              {"momentum", [](auto& a) { a.momentum = 1.5f; }},
                              {"slope", [](auto& a) { a.activation = Activation::leaky_relu; }},
                              {"activation", [](auto& a) { a.activation = static_cast<Activation>(9); }},
                              {"rate", [](auto& a) { a.dropout.rate = 1.0f; }}});
  BatchNormBackward backward;
  backward.x = matrix<const float>(numbers, 5, 3);
  backward.scale = matrix<const float>(numbers + 20, 1, 3);
  backward.mean = matrix<const float>(numbers + 30, 1, 3);
  backward.inverse_deviation = matrix<const float>(numbers + 40, 1, 3);
  backward.dy = matrix(numbers + 60, 5, 3);
  backward.dx = matrix(numbers + 80, 5, 3);
  expect_refusals<BatchNormBackward>("batch_norm_backward", backward,
                                     {{"x", [](auto& a) { a.x.data = nullptr; }},
                                      {"scale", [](auto& a) { a.scale.columns = 2; }},
                                      {"y", [](auto& a) { a.activation = Activation::relu; }},
                                      {"y", [](auto& a) { a.dropout_rate = 0.5f; }},
                                      {"mean", [](auto& a) { a.mean.data = nullptr; }},
                                      {"inverse_deviation", [](auto& a) { a.inverse_deviation.columns = 4; }},
                                      {"dy", [](auto& a) { a.dy.data = nullptr; }},
                                      {"dx", [](auto& a) { a.dx.rows = 4; }},
                                      {"dscale", [](auto& a) { a.dscale = matrix(numbers, 1, 2); }},
                                      {"dshift", [](auto& a) { a.dshift = matrix(numbers, 5, 3); }},
                                      {"epsilon", [](auto& a) { a.epsilon = -1.0f; }},
                                      {"reference_rows", [](auto& a) { a.reference_rows = 6; }},
                                      {"rate", [](auto& a) { a.dropout_rate = -0.1f; }}});
}

TEST(contract, layer_norm) {
  LayerNorm good;
  good.x = matrix<const float>(numbers, 5, 6);
  good.scale = matrix<const float>(numbers + 40, 1, 3);
  good.shift = matrix<const float>(numbers + 50, 1, 3);
  good.y = matrix(numbers + 60, 5, 6);
  expect_refusals<LayerNorm>("layer_norm", good,
                             {{"x", [](auto& a) { a.x.columns = 3; }},
                              {"scale", [](auto& a) { a.scale.data = nullptr; }},
                              {"scale", [](auto& a) { a.scale.columns = a.shift.columns = 4; }},
                              {"scale", [](auto& a) { a.scale.columns = a.shift.columns = 0; }},
                              {"shift", [](auto& a) { a.shift.columns = 6; }},
                              {"y", [](auto& a) { a.y.rows = 4; }},
                              {"tangent", [](auto& a) { a.tangent = a.x; }},
                              {"derivative_of", [](auto& a) { a.derivative_of = a.x; }},
                              {"epsilon", [](auto& a) { a.epsilon = not_a_number; }},
                              {"slope", [](auto& a) { a.activation = Activation::leaky_relu; }},
                              {"activation", [](auto& a) { a.activation = static_cast<Activation>(9); }},
                              {"rate", [](auto& a) { a.dropout.rate = 1.0f; }}});
  LayerNormBackward backward;
  backward.x = matrix<const float>(numbers, 5, 6);
  backward.scale = matrix<const float>(numbers + 40, 1, 3);
  backward.dy = matrix(numbers + 60, 5, 6);
  backward.dx = matrix(numbers + 100, 5, 6);
  expect_refusals<LayerNormBackward>("layer_norm_backward", backward,
                                     {{"x", [](auto& a) { a.x.data = nullptr; }},
                                      {"scale", [](auto& a) { a.scale.columns = 4; }},
                                      {"y", [](auto& a) { a.activation = Activation::relu; }},
                                      {"y", [](auto& a) { a.dropout_rate = 0.5f; }},
                                      {"dy", [](auto& a) { a.dy.data = nullptr; }},
                                      {"dx", [](auto& a) { a.dx.data = nullptr; }},
                                      {"dscale", [](auto& a) { a.dscale = matrix(numbers, 1, 6); }},
                                      {"dshift", [](auto& a) { a.dshift = matrix(numbers, 5, 3); }},
                                      {"tangent", [](auto& a) { a.tangent = a.x; }},
                                      {"signal", [](auto& a) { a.signal = a.x; }},
                                      {"epsilon", [](auto& a) { a.epsilon = -1.0f; }},
                                      {"rate", [](auto& a) { a.dropout_rate = -0.1f; }}});
}

TEST(contract, spectral_norm) {
  SpectralNorm good;
  good.weight = matrix<const float>(numbers, 5, 3);
  good.u = matrix(numbers + 20, 1, 5);
  good.v = matrix(numbers + 30, 1, 3);
  good.sigma = matrix(numbers + 40, 1, 1);
  good.normalised = matrix(numbers + 50, 5, 3);
  good.left = matrix(numbers + 70, 1, 5);
  expect_refusals<SpectralNorm>("spectral_norm", good,
                                {{"weight", [](auto& a) { a.weight.columns = 2; }},
                                 {"u", [](auto& a) { a.u.columns = 3; }},
                                 {"u", [](auto& a) { a.u.data = nullptr, a.update = false; }},
                                 {"v", [](auto& a) { a.v.data = nullptr; }},
                                 {"sigma", [](auto& a) { a.sigma.columns = 5; }},
                                 {"normalised", [](auto& a) { a.normalised.data = nullptr; }},
                                 {"left", [](auto& a) { a.left.columns = 3; }},
                                 {"iterations", [](auto& a) { a.iterations = 0; }}});
  SpectralNormBackward backward;
  backward.normalised = matrix<const float>(numbers, 5, 3);
  backward.left = matrix<const float>(numbers + 20, 1, 5);
  backward.v = matrix<const float>(numbers + 30, 1, 3);
  backward.sigma = matrix<const float>(numbers + 40, 1, 1);
  backward.gradient = matrix(numbers + 50, 5, 3);
  expect_refusals<SpectralNormBackward>("spectral_norm_backward", backward,
                                        {{"normalised", [](auto& a) { a.normalised.rows = 4; }},
                                         {"left", [](auto& a) { a.left.data = nullptr; }},
                                         {"v", [](auto& a) { a.v.columns = 5; }},
                                         {"sigma", [](auto& a) { a.sigma.data = nullptr; }},
                                         {"gradient", [](auto& a) { a.gradient.data = nullptr; }}});
}

TEST(contract, minibatch_discrimination) {
  MinibatchDiscrimination good;
  good.projection = matrix<const float>(numbers, 5, 6);
  good.kernels = 2;
  good.out = matrix(numbers + 40, 5, 2);
  expect_refusals<MinibatchDiscrimination>("minibatch_discrimination", good,
                                           {{"projection", [](auto& a) { a.projection.data = nullptr; }},
                                            {"projection", [](auto& a) { a.projection.columns = 5; }},
                                            {"kernels", [](auto& a) { a.kernels = 0; }},
                                            {"out", [](auto& a) { a.out.columns = 3; }}});
  MinibatchDiscriminationBackward backward;
  backward.projection = matrix<const float>(numbers, 5, 6);
  backward.out_gradient = matrix<const float>(numbers + 40, 5, 2);
  backward.kernels = 2;
  backward.projection_gradient = matrix(numbers + 60, 5, 6);
  expect_refusals<MinibatchDiscriminationBackward>(
      "minibatch_discrimination_backward", backward,
      {{"projection", [](auto& a) { a.projection.rows = 4; }},
       {"out_gradient", [](auto& a) { a.out_gradient.columns = 1; }},
       {"kernels", [](auto& a) { a.kernels = 4; }},
       {"projection_gradient", [](auto& a) { a.projection_gradient.data = nullptr; }}});
}

}  // namespace
}  // namespace cugad::test
