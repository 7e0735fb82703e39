#pragma once

#include "host/network/part_techniques.hpp"

namespace cugad {

/// Minibatch discrimination (Salimans 2016, 3.2) beside a network's last layer: that layer also sees, for each kernel,
/// how near the other rows of the same part of the batch are in a learnt projection of the features.
class MinibatchLayer {
 public:
  struct Memory {
    StackView<float> projection, projection_gradient;  ///< [rows, kernels * dimensions]
    StackView<float> nearness, nearness_gradient;      ///< [rows, kernels]
    StackView<float> share;                            ///< what they add to the last layer
    StackView<float> features_gradient;
    StackView<float> mean, inverse_deviation, moving_nearness;  ///< [1, kernels]
    Memory slice_rows(std::int64_t first, std::int64_t count) const;
    Memory slice_models(std::int64_t first, std::int64_t count) const;
  };

  MinibatchLayer() = default;
  MinibatchLayer(int features, int outputs, const Techniques& techniques)
      : features_(features),
        outputs_(outputs),
        kernels_(techniques.minibatch_kernels),
        dimensions_(techniques.minibatch_dimensions),
        part_rows_(techniques.part_rows) {}
  explicit operator bool() const { return kernels_ > 0; }

  void place_trained(std::int64_t& at);
  void place_kept(std::int64_t& at);
  Memory carve(Carver& carver, std::int64_t rows) const;
  /// Glorot uniform, the projection from lane key.lane, the share of the last layer from the next.
  void initialise(Context& context, StackView<float> flat, RandomKey key) const;

  /// Adds to `result`, the last layer's output for these features.
  void forward(Context& context, StackView<const float> flat, StackView<const float> features, StackView<float> result,
               const Memory& memory) const;
  /// From the gradient of the result: the layer's own parameters', and memory.features_gradient.
  void backward(Context& context, StackView<const float> flat, StackView<const float> features,
                StackView<float> result_gradient, const Memory& memory, StackView<float> flat_gradient,
                bool accumulate) const;
  void hand_on(Context& context, const Memory& memory, StackView<float> flat_gradient) const;
  /// What to add to the last layer's biases instead: the share of the nearness that real rows have on average.
  void fold(const float* trained, float* bias) const;

 private:
  template <class T>
  StackView<T> projection_of(StackView<T> flat) const {
    return parameters_at(flat, projection_, std::int64_t{kernels_} * dimensions_, features_);
  }
  template <class T>
  StackView<T> share_of(StackView<T> flat) const {
    return parameters_at(flat, share_, outputs_, kernels_);
  }

  int features_ = 0, outputs_ = 0, kernels_ = 0, dimensions_ = 1;
  std::int64_t part_rows_ = 0, projection_ = 0, share_ = 0, moving_ = 0;
};

}  // namespace cugad
