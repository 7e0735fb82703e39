#include "host/detector/ensemble.hpp"

#include <algorithm>
#include <utility>

#include "host/backend/transfer.hpp"

namespace cugad {

Ensemble::Ensemble(const Device& device, std::vector<std::unique_ptr<AnomalyModel>> members)
    : members_(std::move(members)), statistics_(members_.size()), arena_(device.backend()), working_(device.backend()) {
  for (std::size_t i = 1; i < methods(); ++i) member(i).context().use_stream(context().stream());
  const auto count = static_cast<std::int64_t>(methods());
  constants_ = arena_.stack("score statistics of the methods", count, 1, 4);
  if (device.backend().runs_models_together()) reserve(chunk_rows());
}

void Ensemble::reserve(std::int64_t rows) {
  for (const auto& member : members_) member->reserve(rows);
  if (rows <= working_rows_) return;
  const std::int64_t wanted = rows_to_reserve(rows, working_rows_, chunk_rows());
  working_rows_ = 0;  // if memory ends
  working_ = Arena(context().backend());
  member_scores_ = working_.stack("scores of the methods", static_cast<std::int64_t>(methods()), wanted, 1);
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
  if (methods() == 1) return member(0).calibrate(rows, fold_begin, absent[0]);
  std::vector<ScoreStatistics> statistics;
  std::vector<std::vector<float>> scores;
  for (std::size_t i = 0; i < methods(); ++i) {
    scores.push_back(member(i).calibrate(rows, fold_begin, absent[i]));
    statistics.push_back(statistics_of(context(), scores.back()));
  }
  set_statistics(statistics);
  std::vector<float> total(scores.front().size());
  for (std::size_t r = 0; r < total.size(); ++r) {
    double sum = 0.0;
    for (std::size_t i = 0; i < methods(); ++i) {
      sum += (double{scores[i][r]} - double{statistics[i].median}) / double{statistics[i].spread};
    }
    total[r] = static_cast<float>(sum / static_cast<double>(methods()));
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
  for (std::size_t i = 0; i < methods(); ++i) {
    const StackView<float> scores(member_scores_.model(static_cast<std::int64_t>(i)).data, 1, rows.rows, 1);
    AnomalyModel::Beside beside;
    if (absent) beside.absent = absent.slice_models(static_cast<std::int64_t>(i), 1);
    member(i).score(rows, scores, beside, feature_residual == nullptr ? nullptr : residual.data());
    if (feature_residual == nullptr) continue;
    for (std::int64_t c = 0; c < cells; ++c) feature_residual[c] += residual[c] / static_cast<float>(methods());
  }
}

void Ensemble::score(MatrixView<const float> rows, StackView<float> scores, const AnomalyModel::Beside& beside,
                     float* feature_residual, float* method_scores) {
  if (rows.rows == 0) return;
  if (methods() == 1) {
    member(0).score(rows, scores, beside, feature_residual);
  } else {
    reserve(rows.rows);
    score_members(rows, beside.absent, feature_residual);
    run(context(), CombineScores{.residual = member_scores_.slice_rows(0, rows.rows),
                                 .logit = {},
                                 .statistics = constants_,
                                 .compress = false,
                                 .discriminator_weight = 0.0f,
                                 .score = scores,
                                 .surprise = beside.surprise});
  }
  if (method_scores == nullptr) return;
  const auto count = static_cast<std::int64_t>(methods());
  for (std::int64_t i = 0; i < count; ++i) {
    const MatrixView<float> from = count == 1 ? scores.model(0) : member_scores_.model(i);
    const std::vector<float> values = download(context(), from.data, rows.rows);
    for (std::int64_t r = 0; r < rows.rows; ++r) method_scores[r * count + i] = values[r];
  }
}

}  // namespace cugad
