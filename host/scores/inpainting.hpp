#pragma once

#include <atomic>

#include "cugad/detector.hpp"
#include "host/scores/anomaly_model.hpp"
#include "host/scores/latent_descent.hpp"

namespace cugad {

/// The search for generated images behind the visible pixels of rows (Yeh 2017), of at most so many rows at a time.
/// Rows are transformed and on the host, missing cells are NaN; the model has a generator with a prior and no
/// conditions. Batch-invariant.
class Inpainter {
 public:
  Inpainter(AnomalyModel& model, std::int64_t rows, const Inpainting& how);
  /// Takes rows, and starts their searches at the nearest of a pool of drawn latents.
  void start(MatrixView<const float> rows);
  /// Where the searches are: [models, rows, latent].
  StackView<float> latents() const { return some(latent_); }
  /// `cancel`: as Detector::cancel_by.
  void search(const std::atomic<bool>* cancel = nullptr);
  /// Writes each row's image: of the models' ones that with the least loss, of equal ones the first. Waits.
  void choose(MatrixView<float> images);

 private:
  Context& context() const { return model_.context(); }
  template <class T>
  StackView<T> some(StackView<T> view) const {
    return view.slice_rows(0, known_.rows);
  }
  StackView<const float> shared(StackView<float> one) const {
    return shared_by(model_.population(), MatrixView<const float>(some(one).model(0)));
  }
  bool has_prior() const { return how_.prior > 0.0f; }
  Network::Buffers generator_buffers() const;
  void forward();
  void backward();

  AnomalyModel& model_;
  const Inpainting how_;
  const Network &generator_, &judge_;
  Arena arena_;
  Matrix known_, weight_of_known_;  ///< of the rows: visible pixels, and their weights
  LatentDescent descent_;
  StackView<float> query_, seen_, weight_, latent_;
  StackView<float> generated_, gradient_, prior_, pool_, images_of_pool_, distance_;
  StackView<std::int32_t> nearest_;
  Network::Buffers buffers_, judged_;
};

/// For each row the image that an Inpainter finds.
Matrix inpainted(AnomalyModel& model, MatrixView<const float> rows, const Inpainting& how,
                 const std::atomic<bool>* cancel = nullptr);

/// The weight of each visible pixel of a mask of height x width: the share of missing ones in the window around it,
/// clipped at the border; of missing pixels 0 (Yeh 2017).
std::vector<float> context_weights(const std::vector<bool>& visible, std::int64_t height, std::int64_t width,
                                   int window);

}  // namespace cugad
