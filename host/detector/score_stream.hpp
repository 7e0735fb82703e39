#pragma once

#include <atomic>

#include "host/detector/ensemble.hpp"
#include "host/detector/novelty.hpp"
#include "host/detector/transform.hpp"

namespace cugad {

/// Scores any number of rows in the units of the training data, chunk by chunk. Rows and scores may each be host or
/// device memory. Rows on the host of a GPU go through two buffers, in pinned memory unless they are there already:
/// while one chunk is scored, the next is on its way. On a device all memory is taken on construction; on the CPU, for
/// as many rows as are scored at a time.
class ScoreStream {
 public:
  ScoreStream(const Device& device, const FeatureTransform& transform, const Novelty& novelty, Ensemble& model);
  ~ScoreStream();
  ScoreStream(const ScoreStream&) = delete;
  ScoreStream& operator=(const ScoreStream&) = delete;

  /// Takes the memory, the model's too, for so many rows at a time, which score() does where it is too small.
  void reserve(std::int64_t rows);
  /// `residuals` (optional): rows x columns on the host, the mean |x - G(z)| of the population in transformed units,
  /// columns in the networks' order.
  /// part_scores (optional): rows x parts on the host, each part of the score. Scores on the host are there on
  /// return; scores on the device follow in the order of context().stream().
  struct Manner {
    const std::atomic<bool>* cancel = nullptr;  ///< see Detector::cancel_by
    /// False: scores in pinned host memory follow in the order of context().stream(), too, and rows there may be read
    /// until then.
    bool waits = true;
  };
  void score(MatrixView<const float> rows, float* scores, float* residuals, float* part_scores) {
    score(rows, scores, residuals, part_scores, Manner());
  }
  void score(MatrixView<const float> rows, float* scores, float* residuals, float* part_scores, const Manner& manner);

 private:
  /// Rows on their way to the device.
  struct Stage {
    float* pinned = nullptr;
    float* device = nullptr;
    void* copied = nullptr;    ///< the mark behind the copy, on the stream that uploads
    void* consumed = nullptr;  ///< the mark behind what reads `device`, on the model's stream
  };
  /// `pinned`: the rows are in such memory, and are not copied on the host.
  void stage(const Stage& stage, MatrixView<const float> rows, bool pinned);
  AnomalyModel::Beside look_at_cells(Context& context, MatrixView<const float> rows);

  const FeatureTransform& transform_;
  Ensemble& model_;
  Backend& backend_;
  Context upload_;
  Arena arena_, working_;
  bool has_novelty_;
  std::int64_t chunk_, working_rows_ = 0;
  FeatureTransform::Constants constants_;
  Novelty::Tables novelty_;
  StackView<float> absent_, surprise_;  ///< one model per method
  MatrixView<float> transformed_;
  StackView<float> scores_;
  Stage stages_[2];
};

}  // namespace cugad
