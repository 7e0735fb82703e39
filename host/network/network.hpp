#pragma once

#include <vector>

#include "host/network/layer_pass.hpp"

namespace cugad {

/// A network of a method in training: layers in a row, or two branches whose joined outputs are the input of a trunk,
/// as in a discriminator of pairs (x, z) (Donahue 2017, Dumoulin 2017). Holds no memory. All parameters are one flat
/// buffer: the layers of the data branch, the latent branch and the trunk; then what techniques train (scales and
/// shifts, the projection and the share of minibatch discrimination); then what no optimiser changes: reference latents
/// and, from kept() on, what passes change (power iterations, moving statistics).
class Network {
 public:
  using Part = cugad::Part;
  /// z belongs to the latent branch.
  struct Input {
    StackView<const float> x = {}, z = {};
  };
  struct InputGradient {
    StackView<float> x = {}, z = {};
  };
  struct Buffers {
    std::vector<Mlp::Buffers> part;            ///< as parts()
    StackView<float> joined, joined_gradient;  ///< the branches' outputs side by side
    std::vector<PartMemory> memory;            ///< as parts()
    Buffers slice_rows(std::int64_t first, std::int64_t count) const;
    Buffers slice_models(std::int64_t first, std::int64_t count) const;
    const Mlp::Buffers& trunk() const { return part.back(); }
    Mlp::Buffers& trunk() { return part.back(); }
    StackView<float> result() const { return trunk().output.back(); }
    StackView<float> result_gradient() const { return trunk().gradient.back(); }
    /// The last hidden layer's output, which feature matching compares.
    StackView<float> features() const { return trunk().output[trunk().output.size() - 2]; }
    StackView<float> features_gradient() const { return trunk().gradient[trunk().gradient.size() - 2]; }
  };

  Network() = default;
  explicit Network(Mlp trunk, const Techniques& techniques = {});
  /// The trunk takes the outputs of the data branch, then those of the latent branch; each branch has 1 to 4 layers.
  Network(Mlp data_branch, Mlp latent_branch, Mlp trunk, const Techniques& techniques = {});

  explicit operator bool() const { return !parts_.empty(); }
  bool is_joint() const { return parts_.size() > 1; }
  const std::vector<Part>& parts() const { return parts_; }
  const Mlp& trunk() const { return parts_.back().mlp; }
  std::int64_t parameters() const { return parameters_; }
  /// The number of parameters that an optimiser trains: the first ones.
  std::int64_t trained() const { return trained_; }
  /// Parameters from here on change with each pass: backward() writes their next values into the gradient.
  std::int64_t kept() const { return kept_; }
  bool has_techniques() const { return parameters_ > plain_; }
  /// The layers alone, which score, and their parameters from the trained ones of one model on the host: weights
  /// divided by their largest singular value, moving statistics or those of the reference rows merged into weights and
  /// biases, the mean nearness of real rows into the last bias.
  Network plain() const;
  /// The plain network without its last layer, for scores of features. It takes the parameters of the whole.
  Network hidden() const;
  std::vector<float> fold(const std::vector<float>& trained) const;
  int inputs() const { return parts_.front().mlp.inputs(); }
  int latent_inputs() const { return is_joint() ? parts_[1].mlp.inputs() : 0; }
  int outputs() const { return trunk().outputs(); }
  bool has_dropout() const;
  /// Batch normalisation: in passes rows see each other, which those of the plain network do not.
  bool has_moving_statistics() const;

  /// The parameters of one part inside those of the network.
  StackView<float> flat_of(const Part& part, StackView<float> flat) const;
  StackView<const float> flat_of(const Part& part, StackView<const float> flat) const;

  std::int64_t buffer_floats(std::int64_t models, std::int64_t rows) const;
  Buffers carve(float* memory, std::int64_t models, std::int64_t rows) const;

  /// Layer l of the trunk draws from lane key.lane + l, of the data branch from + 16 + l, of the latent branch from
  /// + 32 + l.
  void initialise(Context& context, StackView<float> flat, RandomKey key) const;
  /// Dropout as in Mlp; with branches, the data branch draws from lanes + 0, the latent branch from + 4, the trunk from
  /// + 8 on.
  void forward(Context& context, StackView<const float> flat, const Input& in, const Buffers& buffers,
               const RandomKey* dropout = nullptr) const;
  /// As Mlp::backward; options.skipped counts layers of the trunk.
  void backward(Context& context, StackView<const float> flat, const Input& in, const Buffers& buffers,
                StackView<float> flat_gradient, const InputGradient& gradient, Mlp::BackwardOptions options) const;

  /// A penalty on the gradient g of the one output with respect to all inputs, per row.
  struct Penalty {
    float scale = 0.0f;  ///< R1: the loss is scale / 2 * sum over rows of |g|^2 (Mescheder 2018)
    float target =
        0.0f;  ///< > 0, networks without branches: scale * sum over rows of (|g| - target)^2 (Gulrajani 2017)
    bool dropout = false;
  };
  /// Adds its parameter gradient, by one tangent pass and, with layer normalisation, one more backward pass; all
  /// activations must be piecewise linear. `buffers` hold the forward pass of `in`; their gradients are overwritten.
  /// input_gradient receives g (with a target: its derivative of the loss), tangent is a second set of buffers.
  void add_gradient_penalty(Context& context, StackView<const float> flat, const Input& in, const Buffers& buffers,
                            const InputGradient& input_gradient, const Buffers& tangent, const Penalty& penalty,
                            StackView<float> flat_gradient) const;

 private:
  void add_part(std::string name, Mlp mlp);
  void add_techniques(const Techniques& techniques);
  bool sees_other_rows() const;
  LayerPass pass(Context& context, std::size_t p, StackView<const float> flat, const Input& in,
                 const Buffers& buffers) const;

  std::vector<Part> parts_;
  /// Ends of what plain layers have, of what an optimiser trains, of what never changes, and of all parameters.
  std::int64_t plain_ = 0, trained_ = 0, kept_ = 0, parameters_ = 0;
};

}  // namespace cugad
