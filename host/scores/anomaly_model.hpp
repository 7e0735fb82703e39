#pragma once

#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cugad/table.hpp"
#include "host/methods/methods.hpp"
#include "host/scores/scoring_rule.hpp"
#include "host/training/gan_training.hpp"

namespace cugad {

/// Location and spread of one model's raw scores on training rows.
struct ScoreStatistics {
  float median = 0.0f, spread = 1.0f;
};

/// The median of values, and a spread that is 1 for a unit normal: from the 5th to the 95th percentile.
ScoreStatistics statistics_of(Context& context, const std::vector<float>& values);

/// The trained networks of a population with a scoring rule, calibrated. On the CPU a copy takes memory for as many
/// rows as it has scored at a time, so that many handles on few rows cost little; on a device for a whole chunk, so
/// that captured scores stay where they are.
class AnomalyModel : public ScoringNetworks {
 public:
  using AbsentForm = ScoringRule::AbsentForm;

  AnomalyModel(const Device& device, const DetectorOptions& resolved_options, const MethodNetworks& networks);

  /// Takes over the scoring weights of a finished training: those of as many of its models as this one has, from
  /// `first`.
  void take_weights(const GanTraining& training, std::int64_t first = 0);
  /// The weights of all models by network, one model after the other, and back: on the host, as they score.
  std::map<Role, std::vector<float>> take_out_weights();
  void set_weights(const std::map<Role, std::vector<float>>& given);
  /// Must be called once the weights are in place: draws what scoring needs.
  void prepare();
  /// Another model, prepared as this one is, on the same weights.
  std::unique_ptr<AnomalyModel> share();

  AbsentForm absent_form() const { return rule_->absent_form(); }
  /// Scores that each row has, which an ensemble combines: 1, or one per distance.
  std::int64_t parts() const { return rule_->has_parts() ? population() : 1; }
  bool measures_training_rows() const { return !definition_of(options_.method).trains(); }
  ScoringRule::ColumnTable column_table() const { return rule_->column_table(); }
  /// The calibration rows, fold by fold, with the models that left the fold out; with one fold all models.
  std::vector<ScoringRule::HeldOutRows> held_out_rows(const std::vector<std::int64_t>& fold_begin) const;
  /// The residual of each column, on average over calibration rows that are new to the models; empty if there is none.
  std::vector<double> column_residuals(MatrixView<const float> rows, const std::vector<std::int64_t>& fold_begin);

  /// Learns the score statistics on held-out rows, and returns their scores, part by part. The rows come
  /// fold after fold, which begin at `fold_begin`, and each is scored by the models that left its fold out; in a single
  /// fold, all models score all rows. A rule that can leave a row itself out needs no folds. `absent`: per row, what
  /// its missing cells add; empty if no row has any.
  std::vector<std::vector<float>> calibrate(MatrixView<const float> rows, const std::vector<std::int64_t>& fold_begin,
                                            const std::vector<float>& absent = {});
  const std::vector<ScoreStatistics>& residual_statistics() const { return residual_statistics_; }
  const std::vector<ScoreStatistics>& discriminator_statistics() const { return discriminator_statistics_; }
  void set_statistics(std::vector<ScoreStatistics> residual, std::vector<ScoreStatistics> discriminator);

  /// Keeps working memory small where few rows are scored; before prepare(). No score depends on it.
  void limit_chunk(std::int64_t rows) { chunk_limit_ = rows; }
  /// The most rows that score() takes at a time.
  std::int64_t chunk_rows() const;
  /// Scores [rows, 1], one stack per part, of at most chunk_rows() rows, both in device memory. Asynchronous on
  /// context(), and allocates nothing after a first call with as many rows. feature_residual (optional, rows x columns
  /// on the host) receives the mean |x - G(z)| per column; then it waits. `beside`: of the rows' cells that are absent
  /// or new.
  struct Beside {
    StackView<const float> absent, surprise;  ///< as CombineScores
  };
  void score(MatrixView<const float> rows, StackView<float> scores, const Beside& beside = {},
             float* feature_residual = nullptr);
  /// Rows as the models see them, on average: G(z), of gain the means of G, the nearest reference row; the columns'
  /// centres if a method has nothing of the kind. For a missing cell (NaN) it is what the others of its row let expect.
  /// On the host, transformed, in the networks' order, and so is the result. Waits.
  Matrix rebuild(MatrixView<const float> rows);
  /// Takes the working memory for so many rows at a time, at most chunk_rows(), which score() does where it is too
  /// small.
  void reserve(std::int64_t rows);
  /// How the latent search of a full chunk runs on this device; empty if there is one way, or no search.
  std::string search_path() const { return rule_->search_path(chunk_rows()); }
  /// Generated rows in transformed units, on the host, in the networks' order: row i comes from model i % population.
  /// `condition`: the values of the condition columns, likewise; none without conditions. Throws Error{unsupported} if
  /// the method has no prior to draw from, or a condition is missing.
  void sample(std::int64_t count, std::uint64_t seed, std::span<const float> condition, float* rows);
  bool can_be_sampled() const { return definition_of(options_.method).has_prior; }

 private:
  using RawScores = ScoringRule::RawScores;
  /// Parts are standardised by what combines them.
  bool is_standardised() const { return options_.standardise && !rule_->has_parts(); }

  /// For share(): what is written while scoring is yet to be taken.
  AnomalyModel(const AnomalyModel& other);
  /// The calibration rows that are new to a model.
  struct RowRange {
    std::int64_t begin, end;
    bool contains(std::int64_t row) const { return row >= begin && row < end; }
  };
  RowRange new_rows(std::int64_t model, const std::vector<std::int64_t>& fold_begin) const;
  /// Learns column_scale(), which raw scores are measured in, before their statistics are taken.
  void learn_scales(MatrixView<const float> rows, const std::vector<std::int64_t>& fold_begin);
  void add_feature_residual(MatrixView<const float> rows, float* feature_residual);
  void fold_weights(const Network& network, StackView<const float> from, StackView<float> to);
  void combine(const RawScores& raw, StackView<const float> statistics, const Beside& beside, StackView<float> scores);
  std::vector<ScoreStatistics> statistics_of_new_rows(StackView<const float> values, float sign,
                                                      const std::vector<float>& absent,
                                                      const std::vector<std::int64_t>& fold_begin);

  std::unique_ptr<ScoringRule> rule_;
  std::vector<ScoreStatistics> residual_statistics_, discriminator_statistics_;
  std::int64_t chunk_limit_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t working_rows_ = 0;  ///< that the working memory holds
  StackView<float> statistics_;    ///< [models, 1, 4], as combine_scores takes them
};

/// The model of the options' method, for rows of `columns` columns of which the last `condition` are conditions.
/// `group`: MethodNetworks::group.
std::unique_ptr<AnomalyModel> make_model(const Device& device, const DetectorOptions& resolved_options,
                                         std::int64_t columns, std::int64_t condition,
                                         std::vector<std::int32_t> group = {});

}  // namespace cugad
