#include <algorithm>

#include "host/backend/transfer.hpp"
#include "host/scores/cell_prediction.hpp"

namespace cugad {

Matrix AnomalyModel::rebuild(MatrixView<const float> rows) {
  if (definition_of(options_.method).judges_cells) return predict_cells(*this, weights(Role::generator), rows).mean;
  Matrix rebuilt(rows.rows, rows.columns);
  const auto models = static_cast<float>(population());
  reserve(std::min(chunk_rows(), rows.rows));
  context_.freeze_weights();
  for (std::int64_t first = 0; first < rows.rows; first += chunk_rows()) {
    const std::int64_t count = std::min(chunk_rows(), rows.rows - first);
    const ResidentRows resident(context_, {rows.row(first), count, rows.columns, rows.row_stride});
    rule_->raw_scores(resident.view(), true);
    rule_->explain(resident.view());
    for (std::int64_t m = 0; m < population(); ++m) {
      const std::vector<float> of_model = download_rows(context_, reconstruction(count).model(m));
      float* row = rebuilt.row(first);
      for (std::size_t i = 0; i < of_model.size(); ++i) row[i] += of_model[i] / models;
    }
  }
  return rebuilt;
}

}  // namespace cugad
