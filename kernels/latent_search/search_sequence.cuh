#pragma once

#include "kernels/latent_search/search_memory.cuh"

/// The order of products of the general search, with the inputs and outputs of each.
namespace cugad::device {

/// A step: generator, (with missing cells) the discriminator on the filled query, the discriminator on G(z), then back.
/// Before the first step, at positions below 0: the encoder, and the query's features if no cell is missing. Products
/// are packed in this order too, the discriminator's forward ones once.
struct SearchSequence {
  SearchLayers layers;
  bool refilled = false;   ///< the query's features change with G(z)
  bool backwards = false;  ///< there are steps

  __device__ int in_step() const { return refilled ? layers.features : 0; }
  __device__ int before() const { return refilled ? 0 : layers.features; }
  __device__ int start() const { return -before() - layers.encoder; }
  __device__ int forward_end() const { return layers.generator + in_step() + layers.judged; }
  __device__ int end() const { return forward_end() + (backwards ? layers.judged + layers.generator : 0); }
  __device__ int next(int position) const { return position + 1 == end() ? 0 : position + 1; }
  __device__ int product_at(int position) const {
    if (position < -before()) return position - start();
    if (position < 0) return layers.encoder + layers.generator + before() + position;
    return layers.encoder + (position < layers.generator + in_step() ? position : position - in_step());
  }
};

/// What becomes of the sums of a product.
enum class Ending {
  activation,          ///< bias and activation of a hidden layer
  reconstruction,      ///< the same for the generator's last layer; missing cells of the query take it
  logit,               ///< the discriminator's last layer; within a step replaced by its gradient
  hidden_gradient,     ///< times the derivative of the output that it overwrites
  feature_gradient,    ///< the same, the gradient of the feature distance added before
  generated_gradient,  ///< the same with the gradient of the residual
  latent_gradient,     ///< an Adam step on z
};

/// One product of the sequence: its input, its output, and the layer of its activation.
struct Role {
  const float* input;
  int input_stride;
  Ending ending;
  float* out;
  int out_stride;
  const float* bias;  ///< null: sums start from 0
  Activation activation;
  float slope;
};

/// Tells the role of every position.
class SearchRoles {
 public:
  __device__ SearchRoles(const cuda::SearchArguments& args, const SearchMemory& memory)
      : args_(args), memory_(memory) {}

  __device__ Role role_of(const SearchSequence& sequence, int position) const {
    const int generator = args_.layers.generator, features = args_.layers.features, judges = args_.layers.judged;
    if (position < -sequence.before()) return encoder_role(position - sequence.start());
    if (position < 0) return query_role(position + features);
    if (position < generator) return generator_role(position);
    position -= generator;
    if (position < sequence.in_step()) return query_role(position);
    position -= sequence.in_step();
    if (position < judges) return judge_role(position);
    position -= judges;
    if (position < judges) return judge_gradient_role(judges - 1 - position);
    return generator_gradient_role(generator - 1 - (position - judges));
  }

 private:
  __device__ float* generated(int layer) const { return memory_.activations + args_.generated[layer].offset; }
  __device__ float* judged(int layer) const { return memory_.activations + args_.judged[layer].offset; }

  __device__ Role forward_role(const LayerView& layer, const cuda::LayerPlace& place, const float* input, int stride,
                               Ending ending) const {
    return {input,
            stride,
            ending,
            memory_.activations + place.offset,
            place.stride,
            memory_.biases + place.bias,
            layer.activation,
            layer.slope};
  }
  /// The encoder on the query whose missing cells are 0; its last layer leaves z.
  __device__ Role encoder_role(int l) const {
    Role role = forward_role(args_.encoder.layer[l], args_.encoded[l],
                             l == 0 ? memory_.x : memory_.activations + args_.encoded[l - 1].offset,
                             l == 0 ? args_.query_stride : args_.encoded[l - 1].stride, Ending::activation);
    if (l + 1 == args_.layers.encoder) {
      role.out = memory_.z;
      role.out_stride = args_.latent_stride;
    }
    return role;
  }
  __device__ Role generator_role(int l) const {
    return forward_role(args_.search.generator.layer[l], args_.generated[l], l == 0 ? memory_.z : generated(l - 1),
                        l == 0 ? args_.latent_stride : args_.generated[l - 1].stride,
                        l + 1 == args_.layers.generator ? Ending::reconstruction : Ending::activation);
  }
  __device__ Role judge_role(int l) const {
    return forward_role(args_.search.discriminator.layer[l], args_.judged[l],
                        l == 0 ? generated(args_.layers.generator - 1) : judged(l - 1),
                        l == 0 ? args_.generated[args_.layers.generator - 1].stride : args_.judged[l - 1].stride,
                        l + 1 == args_.search.discriminator.layers ? Ending::logit : Ending::activation);
  }
  /// The discriminator on the query: its features to their own place, the layers before through those of G(z).
  __device__ Role query_role(int l) const {
    Role role = judge_role(l);
    if (l == 0) {
      role.input = memory_.x;
      role.input_stride = args_.query_stride;
    }
    if (l + 1 == args_.layers.features) {
      role.out = memory_.wanted;
      role.out_stride = args_.wanted_stride;
    }
    return role;
  }
  __device__ Role gradient_role(const cuda::LayerPlace& from, const cuda::LayerPlace& to, const LayerView& layer,
                                Ending ending) const {
    return {memory_.activations + from.offset,
            from.stride,
            ending,
            memory_.activations + to.offset,
            to.stride,
            nullptr,
            layer.activation,
            layer.slope};
  }
  __device__ Role judge_gradient_role(int l) const {
    const int last = args_.layers.generator - 1;
    if (l == 0) {
      return gradient_role(args_.judged[0], args_.generated[last], args_.search.generator.layer[last],
                           Ending::generated_gradient);
    }
    const bool is_feature = args_.layers.features > 0 && l == args_.layers.features;
    return gradient_role(args_.judged[l], args_.judged[l - 1], args_.search.discriminator.layer[l - 1],
                         is_feature ? Ending::feature_gradient : Ending::hidden_gradient);
  }
  __device__ Role generator_gradient_role(int l) const {
    if (l > 0) {
      return gradient_role(args_.generated[l], args_.generated[l - 1], args_.search.generator.layer[l - 1],
                           Ending::hidden_gradient);
    }
    Role role =
        gradient_role(args_.generated[0], args_.generated[0], args_.search.generator.layer[0], Ending::latent_gradient);
    role.out = memory_.z;
    role.out_stride = args_.latent_stride;
    return role;
  }

  const cuda::SearchArguments& args_;
  const SearchMemory memory_;
};

}  // namespace cugad::device
