#include "host/detector/trim.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/backend/arena.hpp"
#include "host/detector/fitting.hpp"
#include "host/detector/transform.hpp"

namespace cugad {
namespace {

/// The neighbour that counts is the 20 % nearest: anomalies that are fewer than that do not hide each other.
constexpr std::int64_t sample_rows = 5 * (NearestRows::max_neighbours - 1), share_nearer = 5;
constexpr std::int64_t chunk_rows = 4096;
constexpr double trim_fence = 3.0;
constexpr std::uint32_t trim_lane = 4;  ///< of RandomPurpose::calibration

/// Each row's distance to the neighbour that counts; a row of the sample does not count itself. No seed enters: models
/// of a population and the same ones alone learn from the same rows.
std::vector<float> surprise_of(Context& context, const Matrix& rows) {
  const std::vector<std::int64_t> drawn = sample_of(context, rows.rows, sample_rows, 0, trim_lane);
  const Matrix sample = take_rows(rows, drawn);
  std::vector<std::int64_t> skipped(static_cast<std::size_t>(rows.rows), 0);
  for (const std::int64_t row : drawn) skipped[row] = 1;
  const std::int64_t nearer = (sample.rows + share_nearer - 1) / share_nearer,
                     found = std::min(nearer + 1, sample.rows);
  Arena arena(context.backend());
  const auto distance = arena.stack("distances", 1, std::min(chunk_rows, rows.rows), found);
  std::vector<float> surprise;
  for (std::int64_t first = 0; first < rows.rows; first += chunk_rows) {
    const std::int64_t count = std::min(chunk_rows, rows.rows - first);
    const StackView<float> part = distance.slice_rows(0, count);
    run(context, NearestRows{.query = shared_by(1, MatrixView<const float>(rows.row(first), count, rows.columns)),
                             .bank = shared_by(1, sample.view()),
                             .neighbours = static_cast<std::int32_t>(found),
                             .distance = part,
                             .index = {}});
    for (std::int64_t r = 0; r < count; ++r) {
      surprise.push_back(part.model(0).row(r)[std::min(nearer - 1 + skipped[first + r], found - 1)]);
    }
  }
  return surprise;
}

/// Tukey's outer fence of the logarithms; no end if they have no spread, or a quarter of the distances is 0.
float fence_of(std::vector<float> surprise) {
  std::sort(surprise.begin(), surprise.end());
  const double low = std::log(double{surprise[surprise.size() / 4]});
  const double high = std::log(double{surprise[surprise.size() * 3 / 4]});
  const double fence = std::exp(high + trim_fence * (high - low));
  return high > low && std::isfinite(fence) ? static_cast<float>(fence) : std::numeric_limits<float>::infinity();
}

/// The surprise that at most that share of the rows exceeds.
float limit_of(std::vector<float> surprise, float share) {
  const auto most = static_cast<std::int64_t>(std::floor(double{share} * static_cast<double>(surprise.size()) + 1e-6));
  const auto at = surprise.end() - 1 - most;
  std::nth_element(surprise.begin(), at, surprise.end());
  return *at;
}

/// Rows in the units of the networks, without missing cells.
Matrix scaled(Context& context, MatrixView<const float> rows, const DetectorOptions& options,
              const std::vector<std::string>& names, std::int64_t numeric_columns) {
  FeatureTransform transform;
  transform.fit(context, rows, options, names, numeric_columns, {});
  Matrix scaled(rows.rows, rows.columns);
  transform.apply(context, rows, scaled.view());
  fill_missing_with_means(scaled.view());
  return scaled;
}

/// A column without any value cannot be learnt: rows that hold its only ones stay.
void keep_a_value_per_column(MatrixView<const float> rows, std::vector<bool>& is_kept) {
  for (std::int64_t c = 0; c < rows.columns; ++c) {
    std::int64_t r = 0;
    while (r < rows.rows && (!is_kept[r] || std::isnan(rows.row(r)[c]))) ++r;
    if (r < rows.rows) continue;
    for (r = 0; r < rows.rows; ++r) {
      if (!std::isnan(rows.row(r)[c])) is_kept[r] = true;
    }
  }
}

}  // namespace

std::vector<std::int64_t> rows_after_trim(Context& context, MatrixView<const float> rows,
                                          const DetectorOptions& options, const std::vector<std::string>& names,
                                          std::int64_t numeric_columns) {
  const std::vector<float> surprise = surprise_of(context, scaled(context, rows, options, names, numeric_columns));
  const float limit = options.trim < 0.0f ? fence_of(surprise) : limit_of(surprise, options.trim);
  std::vector<bool> is_kept;
  for (const float one : surprise) is_kept.push_back(!(one > limit));
  keep_a_value_per_column(rows, is_kept);
  std::vector<std::int64_t> kept;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    if (is_kept[r]) kept.push_back(r);
  }
  return kept;
}

}  // namespace cugad
