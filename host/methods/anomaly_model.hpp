#pragma once

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "host/training/gan_training.hpp"

namespace cugad {

/// Location and spread of one model's raw scores on training rows.
struct ScoreStatistics {
  float median = 0.0f, spread = 1.0f;
};

/// The median of values, and a spread that is 1 for a unit normal: from the 5th to the 95th percentile.
ScoreStatistics statistics_of(Context& context, const std::vector<float>& values);

/// The trained networks of a population and how they score a row: the base of all methods. Works on transformed rows
/// (data columns, then condition columns) in device memory.
///
/// What scoring reads (weights, bank, statistics) is written before the first score and never after; copies for other
/// threads share it, and what the CPU's ops keep of it. What scoring writes (activations, distances, a stream) each of
/// them has for itself: on the CPU for as many rows as it has scored at a time, so that many handles on few rows cost
/// little; on a device for a whole chunk, so that captured scores stay where they are.
class AnomalyModel {
 public:
  AnomalyModel(const Device& device, const DetectorOptions& resolved_options, const MethodNetworks& networks);
  virtual ~AnomalyModel();
  AnomalyModel& operator=(const AnomalyModel&) = delete;

  /// Takes over the scoring weights of a finished training: those of as many of its models as this one has, from
  /// `first`.
  void take_weights(const GanTraining& training, std::int64_t first = 0);
  const MethodNetworks& networks() const { return networks_; }
  StackView<float> weights(Role role) const { return weights_[static_cast<std::size_t>(role)]; }
  /// Must be called once the weights are in place: draws what scoring needs.
  void prepare();
  /// Another model, prepared as this one is, on the same weights.
  std::unique_ptr<AnomalyModel> share();

  /// What missing cells stand for in the method's residual: the share of each column in it, and how it is added.
  struct AbsentForm {
    float weight = 0.0f;   ///< 0: the residual is not a sum over columns
    bool squared = false;  ///< the columns' squares are added, under a root if `root`
    bool root = false;
  };
  virtual AbsentForm absent_form() const { return {}; }
  /// Of each column, on average over calibration rows that are new to the models; empty if there is none.
  std::vector<double> column_residuals(MatrixView<const float> rows, const std::vector<std::int64_t>& fold_begin);

  /// Learns the score statistics on rows that stand for new ones, and returns their scores. The rows come fold after
  /// fold, which begin at `fold_begin`, and each is scored by the models that left its fold out; in a single fold, all
  /// models score all rows. `absent`: per row, what its missing cells stand for; empty if no row has any.
  std::vector<float> calibrate(MatrixView<const float> rows, const std::vector<std::int64_t>& fold_begin,
                               const std::vector<float>& absent = {});
  const std::vector<ScoreStatistics>& residual_statistics() const { return residual_statistics_; }
  const std::vector<ScoreStatistics>& discriminator_statistics() const { return discriminator_statistics_; }
  void set_statistics(std::vector<ScoreStatistics> residual, std::vector<ScoreStatistics> discriminator);

  /// What raw scores learnt of the training rows, [models, 1, columns]; null where they learn nothing. Part of the
  /// model file.
  StackView<float> column_scale() const { return column_scale_; }

  /// Keeps working memory small where few rows are scored; before prepare(). No score depends on it.
  void limit_chunk(std::int64_t rows) { chunk_limit_ = rows; }
  /// The most rows that score() takes at a time.
  std::int64_t chunk_rows() const;
  /// Final scores [rows, 1] of at most chunk_rows() rows, both in device memory. Asynchronous on context(), and
  /// allocates nothing after a first call with as many rows. feature_residual (optional, rows x columns on the host)
  /// receives the mean |x - G(z)| per column; then it waits. `beside`: of the rows' cells that are absent or new.
  struct Beside {
    StackView<const float> absent, surprise;  ///< as CombineScores
  };
  void score(MatrixView<const float> rows, StackView<float> scores, const Beside& beside = {},
             float* feature_residual = nullptr);
  /// Takes the working memory for so many rows at a time, at most chunk_rows(), which score() does where it is too
  /// small.
  void reserve(std::int64_t rows);
  Context& context() { return context_; }
  /// How the latent search of a full chunk runs on this device; empty where there is one way, or no search.
  virtual std::string search_path() const { return ""; }
  /// Generated rows in transformed units, on the host: row i comes from model i % population. Throws
  /// Error{unsupported} where the method has no prior to draw from.
  void sample(std::int64_t count, std::uint64_t seed, float* rows);

 protected:
  /// For share(): what is written while scoring is yet to be taken.
  AnomalyModel(const AnomalyModel& other);
  virtual std::unique_ptr<AnomalyModel> copy() const = 0;
  /// Makes what scoring reads besides the weights, in `*kept_`.
  virtual void draw() {}
  /// Takes the memory that scoring so many rows at a time writes, in `arena_`.
  virtual void take_memory(std::int64_t rows);

  /// Per model and row: the method's score, and D's logit where it is needed. Device memory, until the next call.
  struct RawScores {
    StackView<const float> residual, logit;
  };
  /// Scores of one chunk. with_residuals: feature_residual_ must be filled then or by explain().
  virtual RawScores raw_scores(MatrixView<const float> rows, bool with_residuals) = 0;
  /// Whether residuals count in units of their columns' spread: in reconstructions alone.
  bool scores_in_column_scales() const {
    return static_cast<bool>(column_scale_) && options_.score == ScoreRule::reconstruction;
  }
  /// No column of a scaled residual counts for more.
  virtual float largest_scaled_residual() const { return std::numeric_limits<float>::infinity(); }
  /// Fills feature_residual_ where raw_scores has not.
  virtual void explain(MatrixView<const float>) {}
  /// The same with what the score itself rests on, whatever explanations do beyond it.
  virtual void find_column_residuals(MatrixView<const float> rows) { explain(rows); }
  struct RowRange {
    std::int64_t begin, end;
    bool contains(std::int64_t row) const { return row >= begin && row < end; }
  };
  /// The calibration rows that are new to a model.
  RowRange new_rows(std::int64_t model, const std::vector<std::int64_t>& fold_begin) const;
  /// Learns on calibration rows what raw scores need, before their statistics are taken.
  virtual void learn_scales(MatrixView<const float>, const std::vector<std::int64_t>&) {}

  std::int64_t population() const { return options_.population; }
  bool needs_discriminator() const { return options_.discriminator_weight > 0.0f; }
  StackView<const float> weight(Role role) const { return weights(role); }
  Network::Buffers carve(const char* name, const Network& network, std::int64_t rows);
  /// The generator's rows for latents [models, rows, inputs of G], in parts that keep the activations small; of a
  /// Gaussian generator the means.
  void generate(StackView<const float> latent, StackView<float> out);

  Device device_;
  DetectorOptions options_;
  MethodNetworks networks_;
  Context context_;
  std::shared_ptr<Arena> kept_;  ///< what copies share
  Arena arena_;
  StackView<float> column_scale_;
  StackView<float> feature_residual_;  ///< [models, rows at a time, columns]

 private:
  void add_feature_residual(MatrixView<const float> rows, float* feature_residual);
  void fold_weights(const Network& network, StackView<const float> from, StackView<float> to);
  void combine(const RawScores& raw, StackView<const float> statistics, const Beside& beside, StackView<float> scores);
  std::vector<ScoreStatistics> statistics_of_new_rows(StackView<const float> values, float sign,
                                                      const std::vector<float>& absent,
                                                      const std::vector<std::int64_t>& fold_begin);

  std::array<StackView<float>, role_count> weights_;
  std::vector<ScoreStatistics> residual_statistics_, discriminator_statistics_;
  std::int64_t chunk_limit_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t working_rows_ = 0;  ///< that the memory of take_memory() holds
  StackView<float> statistics_;    ///< [models, 1, 4], as combine_scores takes them
};

/// For MethodDefinition::model.
template <class Model>
std::unique_ptr<AnomalyModel> make_scorer(const Device& device, const DetectorOptions& options,
                                          const MethodNetworks& networks) {
  return std::make_unique<Model>(device, options, networks);
}

/// The model of the options' method, for rows of `columns` columns of which the last `condition` are conditions.
std::unique_ptr<AnomalyModel> make_model(const Device& device, const DetectorOptions& resolved_options,
                                         std::int64_t columns, std::int64_t condition);

}  // namespace cugad
