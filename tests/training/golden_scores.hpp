#pragma once

#include "host/scores/anomaly_model.hpp"
#include "tests/training/golden_values.hpp"

/// Scores of golden queries by golden weights.
namespace cugad::test {

inline void place_weights(AnomalyModel& model, Role role, const std::vector<float>& weights) {
  Context& context = model.context();
  context.backend().copy(model.weights(role).data, weights.data(), sizeof(float) * weights.size(), context.stream());
  context.synchronize();
}

/// Raw scores, as of `standardise = false`.
inline std::vector<float> score_rows(AnomalyModel& model, const Array& x) {
  model.set_statistics(std::vector<ScoreStatistics>(1), std::vector<ScoreStatistics>(1));
  model.prepare();
  const std::int64_t rows = x.shape[0], columns = x.shape[1];
  Context& context = model.context();
  Arena arena(context.backend());
  const StackView<float> query = arena.stack("query", 1, rows, columns), scores = arena.stack("scores", 1, rows, 1);
  fill(context, query, x);
  model.score(query.model(0), scores);
  return download_rows(context, scores.model(0));
}

}  // namespace cugad::test
