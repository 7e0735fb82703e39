#pragma once

#include <algorithm>
#include <vector>

#include "cugad/tensor.hpp"

namespace cugad {

/// Parameters inside a network's flat buffer: a matrix of `rows` times `columns` of them from `at` on.
template <class T>
StackView<T> parameters_at(StackView<T> flat, std::int64_t at, std::int64_t rows, std::int64_t columns) {
  if (!flat) return {};
  return {flat.data + at, flat.models, rows, columns, flat.model_stride, columns};
}

/// Takes matrices from one stretch of memory, or counts its floats if there is none yet.
class Carver {
 public:
  Carver(float* memory, std::int64_t models) : memory_(memory), models_(models) {}
  StackView<float> take(std::int64_t rows, std::int64_t columns) {
    return take(rows, columns, (columns + 15) / 16 * 16);  // rows start on cache lines
  }
  /// Rows that follow each other without gaps.
  StackView<float> take_images(std::int64_t rows, std::int64_t columns) { return take(rows, columns, columns); }
  std::int64_t taken() const { return taken_; }

 private:
  StackView<float> take(std::int64_t rows, std::int64_t columns, std::int64_t stride) {
    const StackView<float> view(memory_ == nullptr ? nullptr : memory_ + taken_, models_, rows, columns, rows * stride,
                                stride);
    taken_ += (models_ * rows * stride + 15) / 16 * 16;
    return view;
  }

  float* memory_;
  std::int64_t models_, taken_ = 0;
};

/// Calls work(part, first, count) for each part of a stacked batch (real rows, generated rows, ...).
template <class Work>
void for_each_batch_part(std::int64_t rows, std::int64_t part_rows, Work&& work) {
  const std::int64_t step = part_rows > 0 ? part_rows : rows;
  for (std::int64_t part = 0, first = 0; first < rows; ++part, first += step) {
    work(part, first, std::min(step, rows - first));
  }
}
inline std::int64_t parts_of(std::int64_t rows, std::int64_t part_rows) {
  return part_rows > 0 ? (rows + part_rows - 1) / part_rows : 1;
}

/// What the passes of one layer with techniques keep from each other; null without the technique.
struct LayerMemory {
  StackView<float> u, left, v, sigma;             ///< of spectral normalisation, as in SpectralNorm
  StackView<float> sums, sums_gradient;           ///< of the normalisation over rows: its input, reference rows first
  StackView<float> images, images_gradient;       ///< its output, where that of the layer has gaps between images
  StackView<float> mean, inverse_deviation;       ///< [parts of the batch, columns, or channels of images]
  StackView<float> moving_mean, moving_variance;  ///< their next values
  StackView<float> projection, projection_gradient;  ///< of minibatch discrimination: [rows, kernels * dimensions]
  StackView<float> nearness, nearness_gradient;      ///< [rows, kernels]
  StackView<float> share, features_gradient;         ///< what is added to the layer's sums, and to its input's gradient
  StackView<float> nearness_mean, nearness_deviation;  ///< [1, kernels]
  StackView<float> moving_nearness;
};

/// What the passes of one part of a network keep from each other.
struct PartMemory {
  StackView<float> effective, gradient;  ///< parameters with spectrally normalised weights, and a gradient of theirs
  std::vector<LayerMemory> layer;
  std::int64_t part_rows = 0, reference_rows = 0;  ///< as in PartTechniques
  PartMemory slice_rows(std::int64_t first, std::int64_t count) const;
  PartMemory slice_models(std::int64_t first, std::int64_t count) const;
};

}  // namespace cugad
