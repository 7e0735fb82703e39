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
  const std::vector<ScoreStatistics>& residual_statistics() const { return residual_statistics_; }
  const std::vector<ScoreStatistics>& discriminator_statistics() const { return discriminator_statistics_; }
  void set_statistics(std::vector<ScoreStatistics> residual, std::vector<ScoreStatistics> discriminator);

  /// The most rows that score() takes at a time.
  std::int64_t chunk_rows() const;
  /// Final scores [rows, 1] of at most chunk_rows() rows, both in device memory. Asynchronous on context(), and
  /// allocates nothing after the first call. feature_residual (optional, rows x columns on the host) receives the mean
  /// |x - G(z)| per column; then it waits.
  void score(MatrixView<const float> rows, StackView<float> scores, float* feature_residual = nullptr);
  Context& context() { return context_; }
  /// How the latent search of a full chunk runs on this device; empty where there is one way, or no search.
  std::string search_path() const;
  /// Generated rows in transformed units, on the host: row i comes from model i % population.
  void sample(std::int64_t count, std::uint64_t seed, float* rows);

 private:
  /// Per model and row: the residual score, and D's logit where it is needed. Device memory, until the next call.
  struct RawScores {
    StackView<const float> residual, logit;
  };
  std::int64_t population() const { return options_.population; }
  bool needs_bank() const { return options_.score == ScoreRule::bank || options_.search_start == SearchStart::bank; }
  bool needs_discriminator() const { return options_.discriminator_weight > 0.0f; }
  RawScores raw_scores(MatrixView<const float> rows, bool with_residuals);
  void add_feature_residual(MatrixView<const float> rows, float* feature_residual);
  void find_nearest(StackView<const float> query, std::int64_t neighbours);
  void start_search(MatrixView<const float> rows);
  StackView<const std::int32_t> repeat_last(std::int64_t rows, std::int64_t known);
  LatentSearch search_arguments(StackView<const float> query, bool with_residuals) const;
  StackView<const float> judge(MatrixView<const float> rows);
  void combine(Context& context, const RawScores& raw, StackView<float> scores) const;

  Device device_;
  DetectorOptions options_;
  GanNetworks networks_;
  Context context_;
  Arena arena_;
  StackView<float> generator_, discriminator_, bank_, bank_latent_;
  std::vector<ScoreStatistics> residual_statistics_, discriminator_statistics_;

  // Working memory for one chunk of rows.
  StackView<float> distance_, latent_, loss_, filled_, reconstruction_, feature_residual_;
  StackView<float> statistics_;  ///< [models, 1, 4], as combine_scores takes them
  StackView<std::int32_t> nearest_, start_;
  Mlp::Buffers judge_buffers_;
  std::int64_t nearest_count_ = 0;
};

}  // namespace cugad
