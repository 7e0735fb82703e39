#pragma once

#include <cstdint>
#include <vector>

#include "cugad/device.hpp"
#include "cugad/export.h"
#include "cugad/ops.hpp"

/// Multi-layer perceptrons and convolutional networks as views into one flat parameter buffer per population.
namespace cugad {

struct LayerSpec {
  int out = 1;  ///< columns of the output: units, or height * width * channels of an image
  Activation activation = Activation::identity;
  float slope = 0.0f;    ///< of leaky_relu
  float dropout = 0.0f;  ///< after the activation, while training
  /// A convolution (ConvolutionForward) instead of a dense layer: `from` and `to` are images of as many columns as the
  /// layer has inputs and outputs. A dense layer whose output is read as an image may name its shape in `to`.
  bool convolves = false;
  ImageShape from = {}, to = {};
  Window window = {};
  /// Batch normalisation before the activation, of each channel of `to` over rows and pixels. Mlp's own passes have
  /// none: it belongs to the training of a network, and is folded into the weights afterwards.
  bool batch_norm = false;
  /// Layer normalisation (LayerNorm) of the output of the layer before, instead of a dense layer: as many outputs as
  /// inputs, which are an image with the shape `to` or, without one, plain columns. Its weight and bias are scale and
  /// shift, one for each channel, or column.
  bool layer_norm = false;
  /// What follows the layer's usual input in the channels of each pixel (JoinChannels): the output of the earlier layer
  /// of this number (a skip), or, of the first layer, the last so many columns of the network's input. These are an
  /// image of as many pixels, or one pixel that all get (a condition, whose gradient is not computed).
  int beside = -1, beside_columns = 0;
  bool rectifies = false;  ///< the output of `beside` passes through ReLU on its way
};

/// A layer description turned into views. Holds no memory: parameters, gradients and both Adam moments are flat buffers
/// [models, 1, parameters()] laid out weight 0, bias 0, weight 1, bias 1, ...
class CUGAD_API Mlp {
 public:
  /// Per-layer buffers of one batch: output[l] is the layer's output, gradient[l] the loss gradient with respect to it
  /// (after backward: with respect to the layer's pre-activation).
  struct Buffers {
    std::vector<StackView<float>> output, gradient;
    /// Inputs of layers that join two, and the gradients of these; null for others.
    std::vector<StackView<float>> joined, joined_gradient;
    /// The same buffers, rows [first, first + count) only.
    Buffers slice_rows(std::int64_t first, std::int64_t count) const;
    /// The same buffers, models [first, first + count) only.
    Buffers slice_models(std::int64_t first, std::int64_t count) const;
    StackView<float>& result() { return output.back(); }
    StackView<float>& result_gradient() { return gradient.back(); }
  };

  Mlp() = default;
  Mlp(int in, std::vector<LayerSpec> layers);

  int inputs() const { return in_; }
  int outputs() const { return layers_.empty() ? in_ : layers_.back().out; }
  int layers() const { return static_cast<int>(layers_.size()); }
  const LayerSpec& layer(int l) const { return layers_[l]; }
  std::int64_t parameters() const { return parameters_; }
  std::int64_t weight_offset(int l) const { return offset_[l]; }
  std::int64_t bias_offset(int l) const { return offset_[l] + static_cast<std::int64_t>(units(l)) * fan_in(l); }
  /// Columns of what the layer takes, both inputs together.
  int layer_inputs(int l) const;
  bool joins(int l) const { return layers_[l].beside >= 0 || layers_[l].beside_columns > 0; }
  /// Rows of a layer's weight: as many as it has outputs, or as the images of a convolution or normalisation have
  /// channels.
  int units(int l) const;
  /// Columns of a layer's weight: as many as it has inputs, or as a window has taps; of a normalisation 1.
  int fan_in(int l) const;
  bool is_dense() const;  ///< all layers are
  bool has_skips() const;
  /// The number of the layer, normalisations uncounted: they share the number of the layer before them.
  int place(int l) const;
  /// The weight of a layer as a tensor: {units, fan_in}, of a convolution {channels, height, width, channels from}.
  std::vector<std::int64_t> weight_shape(int l) const;

  /// Views [models, units, fan_in] and [models, 1, units] into a flat buffer.
  StackView<float> weight(int l, StackView<float> flat) const;
  StackView<const float> weight(int l, StackView<const float> flat) const;
  StackView<float> bias(int l, StackView<float> flat) const;
  StackView<const float> bias(int l, StackView<const float> flat) const;
  /// The network with frozen weights, as the latent search takes it. Throws Error{unsupported} beyond 8 layers, and for
  /// layers that are not dense.
  NetworkView view(StackView<const float> flat) const;

  /// Floats that buffers for `rows` rows and `models` models need, and their layout in that memory.
  std::int64_t buffer_floats(std::int64_t models, std::int64_t rows) const;
  Buffers carve(float* memory, std::int64_t models, std::int64_t rows) const;

  /// Glorot uniform weights (limit sqrt(6 / (in + out)), of a convolution the taps of its windows to and from one
  /// pixel), of normalisations ones, zero biases. Layer l draws from lane key.lane + place(l), from the ninth place on
  /// from + 42 + place(l).
  void initialise(Context& context, StackView<float> flat, RandomKey key) const;
  /// Fills output[0..]. Dropout is active when `dropout` is given; layer l draws from lane dropout->lane +
  /// place(l).
  void forward(Context& context, StackView<const float> flat, StackView<const float> x, const Buffers& buffers,
               const RandomKey* dropout = nullptr) const;
  struct BackwardOptions {
    bool dropout = false;     ///< the forward pass had dropout
    bool accumulate = false;  ///< add to the gradients
    int skipped = 0;  ///< final layers that the loss does not depend on (features); their gradients are not written
  };
  /// From the gradient of the last layer that is not skipped (d loss / d output) to parameter gradients (flat, null:
  /// none) and dx (null: none).
  void backward(Context& context, StackView<const float> flat, StackView<const float> x, const Buffers& buffers,
                StackView<float> flat_gradient, StackView<float> dx, BackwardOptions options) const;
  /// The R1 penalty (Mescheder 2018) of a one-output network of piecewise-linear layers (Error{unsupported} with
  /// normalisations): adds the parameter gradient of scale / 2 * sum over rows of |grad_x|^2 to flat_gradient by one
  /// tangent pass. `buffers` hold the forward pass of x; their gradients are overwritten. input_gradient [rows, in]
  /// receives grad_x; tangent is a second set of buffers whose outputs are used.
  void add_gradient_penalty(Context& context, StackView<const float> flat, const Buffers& buffers,
                            StackView<float> input_gradient, const Buffers& tangent, float scale, bool dropout,
                            StackView<float> flat_gradient) const;
  /// Its second half, for layers whose backward signals are in buffers.gradient: adds scale * delta_l (outer) t_(l-1)
  /// to each weight gradient, t_0 = `direction` pushed forward through the same masks into tangent.output (the last
  /// layer's only if `to_output`).
  void add_tangent_products(Context& context, StackView<const float> flat, const Buffers& buffers,
                            StackView<const float> direction, const Buffers& tangent, float scale, bool dropout,
                            StackView<float> flat_gradient, bool to_output) const;

 private:
  int in_ = 0;
  std::vector<LayerSpec> layers_;
  std::vector<std::int64_t> offset_;
  std::int64_t parameters_ = 0;
};

}  // namespace cugad
