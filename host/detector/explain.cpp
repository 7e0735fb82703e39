#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <tuple>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"
#include "host/detector/held.hpp"
#include "host/detector/impl.hpp"
#include "host/detector/reasons.hpp"
#include "host/detector/stop_scoring.hpp"
#include "host/floating_point.hpp"

/// Why rows score as they do: what is missing or new, and which cells lower the score once they have the value that the
/// others of their row let expect. The whole score separates a wrong cell from its neighbours, whose predictions it
/// spoils, and is one unit for all methods of an ensemble.
namespace cugad {
namespace {

/// Places of a row that are tried, at least.
constexpr std::int64_t fewest_tried = 8;
constexpr std::int64_t trials_at_a_time = 4096, cells_at_a_time = 1 << 24;
constexpr float coverage = 0.9f;

/// A place of a row that is to be tried.
struct Trial {
  std::int64_t row;
  Reason* reason;
};

}  // namespace

void Detector::Impl::explain_novelty(MatrixView<const float> rows, std::vector<float>& residuals,
                                     std::vector<Finding>& findings) const {
  findings.assign(residuals.size(), Finding::residual);
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

Detector::Impl::Expectation Detector::Impl::expect(MatrixView<const float> rows) {
  Expectation expected{.value = Matrix(rows.rows, rows.columns), .low = {}, .high = {}, .has_range = bool(cells)};
  if (expected.has_range) {
    expected.low = expected.high = expected.value;
    fill(rows, expected.value.data, expected.low.data, expected.high.data, coverage);
    return expected;
  }
  Context host = Device::open("cpu", device.threads()).make_context();
  const Matrix rebuilt = model->member(0).rebuild(shown(host, rows));
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < rebuilt.columns; ++c) expected.value.row(r)[roles.order[c]] = rebuilt.row(r)[c];
  }
  transform.invert(expected.value);
  expected.low = expected.high = expected.value;
  return expected;
}

std::vector<Explanation> Detector::Impl::explain(MatrixView<const float> rows, const float* scores,
                                                 const float* residuals, const Finding* findings, std::int64_t count) {
  const std::vector<Place> places = places_of(novelty, roles);
  const std::int64_t columns = rows.columns, tried = std::max(count, fewest_tried);
  std::vector<std::vector<Reason>> reasons;
  std::vector<Trial> trials;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    reasons.push_back(reasons_of(places, rows.row(r), residuals + r * columns, findings + r * columns, tried));
    for (Reason& reason : reasons.back()) {
      if (std::isnan(scores[r])) {  // a row without any value
        if (std::isnan(rows.row(r)[places[reason.place].first])) reason.finding = Finding::missing;
        continue;
      }
      if (reason.is_tried) trials.push_back({r, &reason});
      if (!reason.is_given || reason.finding == Finding::residual) continue;
      // Not predicted, and what it adds to the score is known.
      reason.drop = std::isinf(scores[r]) ? 0.0f : reason.residual;
      const Place& place = places[reason.place];
      if (!place.is_category) {
        reason.expected.low = reason.expected.high = novelty.sources()[static_cast<std::size_t>(place.first)].constant;
      }
    }
  }
  Matrix changed(static_cast<std::int64_t>(trials.size()), columns);
  for (std::size_t t = 0; t < trials.size(); ++t) {
    float* row = changed.row(static_cast<std::int64_t>(t));
    std::copy_n(rows.row(trials[t].row), columns, row);
    hide(places[trials[t].reason->place], row);
  }
  const Expectation expected = trials.empty() ? Expectation() : expect(changed);
  for (std::size_t t = 0; t < trials.size(); ++t) {
    const auto [r, reason] = trials[t];
    const Place& place = places[reason->place];
    const auto at = static_cast<std::int64_t>(t);
    put(place, expected.value.row(at), changed.row(at));
    reason->expected =
        expected_at(place, expected.value.row(at), expected.low.row(at), expected.high.row(at), expected.has_range);
    if (place.is_category) continue;
    if (cells) std::tie(reason->expected.least, reason->expected.most) = cells.range(place.first);
    if (reason->finding != Finding::unseen) continue;
    const float constant = novelty.sources()[static_cast<std::size_t>(place.first)].constant;
    changed.row(at)[place.first] = reason->expected.low = reason->expected.high = constant;
  }
  for (std::size_t t = 0; t < trials.size(); ++t) {
    const auto [r, reason] = trials[t];
    if (!std::isinf(scores[r])) continue;
    // Several cells may each make it infinite: the others that are tried get their expected values.
    float* row = changed.row(static_cast<std::int64_t>(t));
    std::copy_n(rows.row(r), columns, row);
    for (const Reason& other : reasons[r]) {
      if (other.is_tried && other.place != reason->place) hide(places[other.place], row);
    }
  }
  std::vector<float> lowered(trials.size());
  if (!trials.empty()) score(changed, lowered.data(), nullptr);
  for (std::size_t t = 0; t < trials.size(); ++t) {
    const float score = scores[trials[t].row];
    // Cells that make a score infinite explain it in equal shares.
    trials[t].reason->drop = !std::isinf(score)       ? std::max(0.0f, score - lowered[t])
                             : std::isinf(lowered[t]) ? 1.0f
                                                      : 0.0f;
  }
  std::vector<Explanation> explanations;
  for (std::vector<Reason>& of_row : reasons) explanations.push_back(explanation_of(std::move(of_row), count));
  return explanations;
}

std::vector<float> Detector::explain(MatrixView<const float> rows, int count, std::vector<Explanation>& explanations) {
  const FloatingPointEnvironment environment;
  if (count < 1)
    throw Error(ErrorCode::invalid_argument, "explain: count is " + std::to_string(count) + ", expected at least 1");
  Impl& d = held(impl_);
  std::vector<float> scores(std::max<std::int64_t>(0, rows.rows)), residuals;
  d.score(rows, scores.data(), &residuals);
  std::vector<float> brought;
  rows = d.on_host(rows, brought);
  std::vector<Finding> findings;
  d.explain_novelty(rows, residuals, findings);
  explanations.clear();
  const std::int64_t trials = std::min(trials_at_a_time, cells_at_a_time / std::max<std::int64_t>(1, rows.columns));
  const std::int64_t some = std::max<std::int64_t>(1, trials / std::max<std::int64_t>(count, fewest_tried));
  for (std::int64_t first = 0; first < rows.rows; first += some) {
    stop_scoring_if(d.cancel);
    const MatrixView<const float> part(rows.row(first), std::min(some, rows.rows - first), rows.columns,
                                       rows.row_stride);
    for (Explanation& one : d.explain(part, scores.data() + first, residuals.data() + first * rows.columns,
                                      findings.data() + first * rows.columns, count)) {
      explanations.push_back(std::move(one));
    }
  }
  return scores;
}

}  // namespace cugad
