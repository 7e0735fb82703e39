#pragma once

#include <vector>

#include "host/training/gan_training.hpp"

namespace cugad {

/// Location and spread of one model's raw scores on training rows.
struct ScoreStatistics {
  float median = 0.0f, spread = 1.0f;
};

/// AnoGAN (Schlegl 2017): a GAN of normal rows; a query is scored by how badly the best G(z) explains it, found by the
/// latent search or among a bank of generated rows, and by the discriminator's view.
/// Works on transformed rows in device memory.
class AnoGan {
 public:
  AnoGan(const Device& device, const DetectorOptions& resolved_options, std::int64_t columns);

  /// Takes over the scoring weights of a finished training.
  void take_weights(const GanTraining& training);
  const GanNetworks& networks() const { return networks_; }
  StackView<float> generator() const { return generator_; }
  StackView<float> discriminator() const { return discriminator_; }
  /// Must be called once the weights are in place: draws the bank of generated rows.
  void prepare();

  /// Learns the score statistics on rows that stand for training, and returns their scores.
  std::vector<float> calibrate(MatrixView<const float> rows);
  std::vector<ScoreStatistics>& residual_statistics() { return residual_statistics_; }
  std::vector<ScoreStatistics>& discriminator_statistics() { return discriminator_statistics_; }

  /// Final scores; feature_residual (optional, rows x columns on the host) receives the mean |x - G(z)| per column.
  void score(MatrixView<const float> rows, float* scores, float* feature_residual = nullptr);
  /// Generated rows in transformed units: row i comes from model i % population.
  void sample(std::int64_t count, std::uint64_t seed, float* rows);

 private:
  struct RawScores {
    std::vector<float> residual, discriminator;  // [models][rows]
  };
  std::int64_t population() const { return options_.population; }
  bool needs_bank() const { return options_.score == ScoreRule::bank || options_.search_start == SearchStart::bank; }
  bool needs_discriminator() const { return options_.discriminator_weight > 0.0f; }
  std::int64_t chunk_rows() const;
  void raw_scores(MatrixView<const float> rows, RawScores& raw, float* feature_residual);
  void find_nearest(StackView<const float> query, std::int64_t neighbours);
  void start_search(MatrixView<const float> rows);
  void search(StackView<const float> query, bool with_residuals);
  void judge(MatrixView<const float> rows, std::vector<float>& discriminator);
  std::vector<float> combine(const RawScores& raw, std::int64_t rows) const;

  Device device_;
  DetectorOptions options_;
  GanNetworks networks_;
  Context context_;
  Arena arena_;
  StackView<float> generator_, discriminator_, bank_, bank_latent_;
  std::vector<ScoreStatistics> residual_statistics_, discriminator_statistics_;

  // Working memory for one chunk of rows.
  StackView<float> distance_, latent_, loss_, filled_, reconstruction_, feature_residual_;
  StackView<std::int32_t> nearest_, start_;
  Mlp::Buffers judge_buffers_;
  std::int64_t nearest_count_ = 0;
};

}  // namespace cugad
