#pragma once

#include <algorithm>
#include <vector>

#include "cugad/network.hpp"

namespace cugad {

/// What a network is trained with beyond its layers. Scoring never sees it: see Network::plain.
struct Techniques {
  bool spectral_norm = false;    ///< of all dense layers but the network's last (Miyato 2018)
  bool batch_norm = false;       ///< between the data branch's dense layers and their activations (Ioffe 2015)
  int virtual_batch = 0;         ///< virtual batch normalisation of hidden layers: reference rows (Salimans 2016, 3.4)
  int minibatch_kernels = 0;     ///< minibatch discrimination before the last layer (ibid., 3.2): kernels
  int minibatch_dimensions = 1;  ///< and their dimensions
  std::int64_t part_rows = 0;  ///< a stacked batch has parts of so many rows (real, generated, ...), each with its own
                               ///< statistics; 0: one part
};

/// Parameters inside a network's flat buffer: `rows` times `columns` of them from `at` on.
template <class T>
StackView<T> parameters_at(StackView<T> flat, std::int64_t at, std::int64_t rows, std::int64_t columns) {
  if (!flat) return {};
  return {flat.data + at, flat.models, rows, columns, flat.model_stride, columns};
}

/// Takes views from one stretch of memory, each row on cache lines.
class Carver {
 public:
  explicit Carver(float* memory, std::int64_t models) : memory_(memory), models_(models) {}
  StackView<float> take(std::int64_t rows, std::int64_t columns) {
    const std::int64_t stride = (columns + 15) / 16 * 16;
    const StackView<float> view(memory_ == nullptr ? nullptr : memory_ + taken_, models_, rows, columns, rows * stride,
                                stride);
    taken_ += models_ * rows * stride;
    return view;
  }
  std::int64_t taken() const { return taken_; }

 private:
  float* memory_;
  std::int64_t models_, taken_ = 0;
};

/// Calls work(part, first, count) for each part of a stacked batch.
template <class Work>
void for_each_part(std::int64_t rows, std::int64_t part_rows, Work&& work) {
  const std::int64_t step = part_rows > 0 ? part_rows : rows;
  for (std::int64_t part = 0, first = 0; first < rows; ++part, first += step) {
    work(part, first, std::min(step, rows - first));
  }
}
inline std::int64_t parts_of(std::int64_t rows, std::int64_t part_rows) {
  return part_rows > 0 ? (rows + part_rows - 1) / part_rows : 1;
}

/// The passes of one Mlp of a network with spectral normalisation of its weights, or with normalisation over rows
/// between its dense layers and their activations. Its further parameters stand behind those of all parts.
class PartTechniques {
 public:
  enum class Rows { none, batch, reference };
  static constexpr float epsilon = 1e-3f;  ///< added to variances
  struct Layer {
    bool spectral = false, normalised = false;
    std::int64_t scale = 0, shift = 0, u = 0, moving_mean = 0, moving_variance = 0;  ///< places in the flat buffer
  };
  struct LayerMemory {
    StackView<float> u, left, v, sigma;        ///< spectral normalisation's
    StackView<float> input, input_gradient;    ///< of the normalisation over rows: what the dense layer gives
    StackView<float> mean, inverse_deviation;  ///< [parts of the batch, columns]
    StackView<float> moving_mean, moving_variance;
    std::int64_t reference_rows = 0;  ///< of input, before those of the batch
    LayerMemory slice_rows(std::int64_t first, std::int64_t count, std::int64_t part_rows) const;
  };
  struct Memory {
    StackView<float> effective, gradient;  ///< parameters with normalised weights, and a gradient of theirs
    std::vector<LayerMemory> layer;
    std::int64_t part_rows = 0;
    Memory slice_rows(std::int64_t first, std::int64_t count) const;
    Memory slice_models(std::int64_t first, std::int64_t count) const;
  };

  /// `last`: the part ends in the network's last layer, which no technique touches.
  PartTechniques(Mlp mlp, std::int64_t offset, bool last, Rows rows, const Techniques& techniques);

  bool active() const { return spectral_ || rows_ != Rows::none; }

  // Give places to parameters: those that an optimiser trains, constants, and those that passes move on.
  void place_trained(std::int64_t& at);
  void place_constants(std::int64_t& at);
  void place_kept(std::int64_t& at);

  /// Rows that an activation buffer holds before those of the batch.
  std::int64_t extra_rows() const { return rows_ == Rows::reference ? reference_rows_ : 0; }
  Memory carve(Carver& carver, std::int64_t rows) const;
  /// Ones for scales, zeros for shifts; power iterations start, and reference latents are drawn, from lane key.lane on.
  void initialise(Context& context, StackView<float> flat, RandomKey key) const;

  void forward(Context& context, StackView<const float> flat, StackView<const float> x, const Mlp::Buffers& buffers,
               const Memory& memory, const RandomKey* dropout) const;
  void backward(Context& context, StackView<const float> flat, StackView<const float> x, const Mlp::Buffers& buffers,
                const Memory& memory, StackView<float> flat_gradient, StackView<float> dx,
                const Mlp::BackwardOptions& options) const;
  /// As Mlp::add_tangent_products; not with normalisation over rows.
  void add_tangent_products(Context& context, StackView<const float> flat, const Mlp::Buffers& buffers,
                            const Memory& memory, StackView<const float> direction, const Mlp::Buffers& tangent,
                            float scale, bool dropout, StackView<float> flat_gradient, bool to_output) const;
  /// Writes what the last forward pass made of the kept parameters into the gradient's places.
  void hand_on(Context& context, const Memory& memory, StackView<float> flat_gradient) const;
  /// From trained parameters to those of the part alone, which score the same; one model's, on the host.
  void fold(const float* trained, float* plain) const;

 private:
  StackView<const float> weights(StackView<const float> flat, const Memory& memory) const;
  void normalise_weights(Context& context, StackView<const float> flat, const Memory& memory) const;
  void forward_dense(Context& context, int l, StackView<const float> flat, StackView<const float> x,
                     const Mlp::Buffers& buffers, const Memory& memory, const RandomKey* dropout) const;
  void normalise(Context& context, int l, StackView<const float> flat, const Mlp::Buffers& buffers,
                 const Memory& memory, const RandomKey* dropout) const;
  void backward_layers(Context& context, StackView<const float> flat, StackView<const float> x,
                       const Mlp::Buffers& buffers, const Memory& memory, StackView<float> part_gradient,
                       StackView<float> flat_gradient, StackView<float> dx, const Mlp::BackwardOptions& options) const;
  void backward_dense(Context& context, int l, StackView<const float> flat, StackView<const float> x,
                      const Mlp::Buffers& buffers, const Memory& memory, StackView<float> part_gradient,
                      StackView<float> dx, const Mlp::BackwardOptions& options) const;
  void backward_rows(Context& context, int l, StackView<const float> flat, const Mlp::Buffers& buffers,
                     const Memory& memory, StackView<float> flat_gradient, const Mlp::BackwardOptions& options) const;
  template <class Work>
  void through_spectral_norm(Context& context, const Memory& memory, StackView<float> flat_gradient, bool accumulate,
                             Work&& work) const;
  StackView<float> with_reference(StackView<float> rows) const;

  Mlp mlp_;
  std::int64_t offset_;
  Rows rows_;
  bool spectral_ = false;
  std::int64_t part_rows_, reference_rows_, reference_ = 0;
  std::vector<Layer> layers_;
};

}  // namespace cugad
