#include <algorithm>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"
#include "host/detector/held.hpp"
#include "host/detector/impl.hpp"
#include "host/floating_point.hpp"

/// Why rows score as they do: their largest residuals, and what is missing or new.
namespace cugad {

void Detector::Impl::explain_novelty(MatrixView<const float> rows, std::vector<float>& residuals,
                                     std::vector<Finding>& findings) const {
  findings.assign(residuals.size(), Finding::residual);
  if (!novelty) return;
  std::vector<float> brought;
  if (!device.backend().is_host_memory() && device.backend().is_device_pointer(rows.data)) {
    Context context = device.make_context();
    brought = download_rows(context, rows);
    rows = {brought.data(), rows.rows, rows.columns};
  }
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    float* residual = residuals.data() + r * rows.columns;
    for (const Novelty::Source& source : novelty.sources()) {
      const CellState state = source.state(rows.row(r));
      const float rise = state == CellState::usual     ? 0.0f
                         : state == CellState::missing ? source.missing
                                                       : source.unseen;
      if (state == CellState::usual || (state == CellState::missing && rise == 0.0f)) continue;
      std::fill_n(residual + source.first, source.columns, 0.0f);
      residual[source.first] = rise;
      findings[r * rows.columns + source.first] = state == CellState::missing ? Finding::missing : Finding::unseen;
    }
  }
}

std::vector<float> Detector::explain(MatrixView<const float> rows, int count, std::vector<Explanation>& explanations) {
  const FloatingPointEnvironment environment;
  if (count < 1)
    throw Error(ErrorCode::invalid_argument,
                "explain was asked for " + std::to_string(count) + " columns, expected at least 1");
  std::vector<float> scores(std::max<std::int64_t>(0, rows.rows)), residuals;
  held(impl_).score(rows, scores.data(), &residuals);
  std::vector<Finding> findings;
  held(impl_).explain_novelty(rows, residuals, findings);
  const auto kept = static_cast<std::size_t>(std::min<std::int64_t>(count, rows.columns));
  explanations.assign(scores.size(), {});
  std::vector<int> order(rows.columns);
  for (std::size_t r = 0; r < scores.size(); ++r) {
    const float* residual = residuals.data() + static_cast<std::int64_t>(r) * rows.columns;
    for (int c = 0; c < rows.columns; ++c) order[c] = c;
    const Finding* finding = findings.data() + static_cast<std::int64_t>(r) * rows.columns;
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      const bool first = finding[a] != Finding::residual, second = finding[b] != Finding::residual;
      return first != second ? first : residual[a] > residual[b];
    });
    for (std::size_t k = 0; k < kept; ++k) {
      explanations[r].column.push_back(order[k]);
      explanations[r].residual.push_back(residual[order[k]]);
      explanations[r].finding.push_back(finding[order[k]]);
    }
  }
  return scores;
}

}  // namespace cugad
