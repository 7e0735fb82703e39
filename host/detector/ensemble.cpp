#include "host/detector/ensemble.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/backend/transfer.hpp"
#include "kernels/combine_scores/combine.hpp"

namespace cugad {

Ensemble::Ensemble(const Device& device, std::vector<std::unique_ptr<AnomalyModel>> members)
    : members_(std::move(members)), arena_(device.backend()), working_(device.backend()) {
  for (std::size_t i = 1; i < methods(); ++i) member(i).context().use_stream(context().stream());
  for (const auto& member : members_) {
    parts_ += member->parts();
    compresses_ = compresses_ || (member->measures_training_rows() && member->options().compress);
  }
  statistics_.resize(static_cast<std::size_t>(parts_));
  constants_ = arena_.stack("score statistics of the parts", parts_, 1, 4);
  if (device.backend().runs_models_together()) reserve(chunk_rows());
}

void Ensemble::reserve(std::int64_t rows) {
  for (const auto& member : members_) member->reserve(rows);
  if (rows <= working_rows_) return;
  const std::int64_t wanted = rows_to_reserve(rows, working_rows_, chunk_rows());
  working_rows_ = 0;  // if memory ends
  working_ = Arena(context().backend());
  part_scores_ = working_.stack("scores of the parts", parts_, wanted, 1);
  working_rows_ = wanted;
}

std::unique_ptr<Ensemble> Ensemble::share(const Device& device) {
  std::vector<std::unique_ptr<AnomalyModel>> members;
  for (const auto& member : members_) members.push_back(member->share());
  auto other = std::make_unique<Ensemble>(device, std::move(members));
  other->set_statistics(statistics_);
  return other;
}

void Ensemble::set_statistics(const std::vector<ScoreStatistics>& statistics) {
  statistics_ = statistics;
  std::vector<float> values;
  for (const ScoreStatistics& one : statistics) values.insert(values.end(), {one.median, one.spread, 0.0f, 1.0f});
  context().backend().copy(constants_.data, values.data(), sizeof(float) * values.size(), context().stream());
  context().synchronize();
}

std::int64_t Ensemble::chunk_rows() const {
  std::int64_t rows = members_.front()->chunk_rows();
  for (const auto& member : members_) rows = std::min(rows, member->chunk_rows());
  return rows;
}

void Ensemble::use_stream(void* stream) {
  context().use_stream(stream);
  for (std::size_t i = 1; i < methods(); ++i) member(i).context().use_stream(context().stream());
}

std::vector<float> Ensemble::calibrate(MatrixView<const float> rows, const std::vector<std::int64_t>& fold_begin,
                                       const std::vector<std::vector<float>>& absent) {
  std::vector<std::vector<float>> scores;
  for (std::size_t i = 0; i < methods(); ++i) {
    for (std::vector<float>& part : member(i).calibrate(rows, fold_begin, absent[i])) scores.push_back(std::move(part));
  }
  if (parts_ == 1) return std::move(scores.front());
  std::vector<ScoreStatistics> statistics;
  for (const std::vector<float>& part : scores) statistics.push_back(statistics_of(context(), part));
  set_statistics(statistics);
  std::vector<float> total(scores.front().size());
  for (std::size_t r = 0; r < total.size(); ++r) {
    double sum = 0.0;
    for (std::size_t p = 0; p < scores.size(); ++p) {
      const float constants[] = {statistics[p].median, statistics[p].spread};
      sum += standardised(scores[p][r], constants, compresses_);
    }
    total[r] = static_cast<float>(sum / static_cast<double>(parts_));
  }
  return total;
}

void Ensemble::score_members(MatrixView<const float> rows, StackView<const float> absent, float* feature_residual) {
  const std::int64_t cells = rows.rows * rows.columns;
  std::vector<float> residual;
  if (feature_residual != nullptr) {
    residual.resize(static_cast<std::size_t>(cells));
    std::fill_n(feature_residual, cells, 0.0f);
  }
  std::int64_t first = 0;
  for (std::size_t i = 0; i < methods(); first += member(i).parts(), ++i) {
    const StackView<float> scores = part_scores_.slice_models(first, member(i).parts()).slice_rows(0, rows.rows);
    AnomalyModel::Beside beside;
    if (absent) beside.absent = absent.slice_models(static_cast<std::int64_t>(i), 1);
    member(i).score(rows, scores, beside, feature_residual == nullptr ? nullptr : residual.data());
    if (feature_residual == nullptr) continue;
    for (std::int64_t r = 0; r < rows.rows; ++r)
      add_shares(&residual[r * rows.columns], rows.columns, &feature_residual[r * rows.columns]);
  }
}

void Ensemble::add_shares(const float* residual, std::int64_t columns, float* shares) const {
  double sum = 0.0;
  for (std::int64_t c = 0; c < columns; ++c) sum += double{residual[c]};
  if (methods() == 1) sum = 1.0;
  if (!(sum > 0.0)) return;
  for (std::int64_t c = 0; c < columns; ++c) {
    shares[c] += static_cast<float>(double{residual[c]} / (sum * static_cast<double>(methods())));
  }
}

void Ensemble::score(MatrixView<const float> rows, StackView<float> scores, const AnomalyModel::Beside& beside,
                     float* feature_residual, float* part_scores) {
  if (rows.rows == 0) return;
  if (parts_ == 1) {
    member(0).score(rows, scores, beside, feature_residual);
  } else {
    reserve(rows.rows);
    score_members(rows, beside.absent, feature_residual);
    run(context(), CombineScores{.residual = part_scores_.slice_rows(0, rows.rows),
                                 .logit = {},
                                 .statistics = constants_,
                                 .compress = compresses_,
                                 .discriminator_weight = 0.0f,
                                 .score = scores,
                                 .surprise = beside.surprise});
  }
  if (part_scores == nullptr) return;
  const std::vector<float> whole = download(context(), scores.data, rows.rows);  // NaN for a row without any value
  for (std::int64_t p = 0; p < parts_; ++p) {
    const MatrixView<float> from = parts_ == 1 ? scores.model(0) : part_scores_.model(p);
    const std::vector<float> values = download(context(), from.data, rows.rows);
    for (std::int64_t r = 0; r < rows.rows; ++r)
      part_scores[r * parts_ + p] = std::isnan(whole[r]) ? whole[r] : values[r];
  }
}

}  // namespace cugad
