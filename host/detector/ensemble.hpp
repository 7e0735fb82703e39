#pragma once

#include <memory>
#include <vector>

#include "host/scores/anomaly_model.hpp"

namespace cugad {

/// What a detector scores with: the model of one method, or those of several. Each gives one score or some, the parts;
/// where there are several, each is standardised on the training rows, and they are averaged. Distances to training
/// rows grow without bound: beside them all parts are compressed by the option `compress`. All members work on one
/// stream.
class Ensemble {
 public:
  /// Members must be prepared; `device` is theirs.
  Ensemble(const Device& device, std::vector<std::unique_ptr<AnomalyModel>> members);

  /// Another one on the same weights, prepared and calibrated as this one is.
  std::unique_ptr<Ensemble> share(const Device& device);

  std::size_t methods() const { return members_.size(); }
  AnomalyModel& member(std::size_t i) const { return *members_[i]; }
  std::int64_t parts() const { return parts_; }
  /// Standardises the parts; of one part they are not used.
  void set_statistics(const std::vector<ScoreStatistics>& statistics);
  const std::vector<ScoreStatistics>& statistics() const { return statistics_; }
  /// Calibrates each member, then the average; returns the final scores of the rows. `absent`: of each method, as
  /// AnomalyModel::calibrate takes it.
  std::vector<float> calibrate(MatrixView<const float> rows, const std::vector<std::int64_t>& fold_begin,
                               const std::vector<std::vector<float>>& absent);

  std::int64_t chunk_rows() const;
  /// As AnomalyModel::reserve, for all members.
  void reserve(std::int64_t rows);
  Context& context() const { return members_.front()->context(); }
  void use_stream(void* stream);
  /// Final scores of at most chunk_rows() rows, as AnomalyModel::score. feature_residual: of several methods the mean
  /// of each one's shares in the row's sum; part_scores (optional, rows x parts() on the host): each part, then it
  /// waits. `beside.absent` has one model per method.
  void score(MatrixView<const float> rows, StackView<float> scores, const AnomalyModel::Beside& beside,
             float* feature_residual, float* part_scores);

 private:
  /// Adds a row's residuals of one of several methods as shares of their sum, over methods().
  void add_shares(const float* residual, std::int64_t columns, float* shares) const;
  void score_members(MatrixView<const float> rows, StackView<const float> absent, float* feature_residual);

  std::vector<std::unique_ptr<AnomalyModel>> members_;
  std::int64_t parts_ = 0;
  bool compresses_ = false;
  std::vector<ScoreStatistics> statistics_;
  Arena arena_, working_;
  std::int64_t working_rows_ = 0;
  StackView<float> part_scores_, constants_;
};

}  // namespace cugad
