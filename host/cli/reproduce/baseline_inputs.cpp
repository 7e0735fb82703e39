#include "host/cli/reproduce/baseline_inputs.hpp"

#include <algorithm>
#include <cmath>

#include "cugad/ops.hpp"
#include "host/detector/transform.hpp"

namespace cugad::cli {
namespace {

/// Baselines run on the host: they are figures to compare with, not methods of the library.
Context host_context(int threads) { return Device::open("cpu", threads).make_context(); }

Matrix transformed(Context& context, const FeatureTransform& transform, const Matrix& rows) {
  Matrix scaled(rows.rows, rows.columns);
  transform.apply(context, rows.view(), scaled.view());
  std::replace_if(
      scaled.data.begin(), scaled.data.end(), [](float cell) { return std::isnan(cell); }, 0.0f);
  return scaled;
}

ScaledRows scale_rows(const Trial& trial, const Units& units, int threads) {
  DetectorOptions options;
  options.log1p = {units.log1p};
  options.scale = units.scale;
  std::vector<std::string> names;
  for (std::int64_t c = 0; c < trial.train.columns; ++c) names.push_back(std::to_string(c));
  Context context = host_context(threads);
  FeatureTransform transform;
  transform.fit(context, trial.train.view(), options, names, trial.train.columns, {});
  return {transformed(context, transform, trial.train), transformed(context, transform, trial.test)};
}

NeighbourDistances nearest_rows(const Matrix& query, const Matrix& bank, std::int64_t most, int threads) {
  NeighbourDistances found;
  found.rows = query.rows;
  found.neighbours = static_cast<std::int32_t>(std::min(most, bank.rows));
  found.distance.resize(found.rows * found.neighbours);
  Context context = host_context(threads);
  run(context, NearestRows{.query = {query.data.data(), 1, query.rows, query.columns},
                           .bank = {bank.data.data(), 1, bank.rows, bank.columns},
                           .neighbours = found.neighbours,
                           .distance = {found.distance.data(), 1, found.rows, found.neighbours},
                           .index = {}});
  return found;
}

/// A row is its own nearest row at distance 0, exactly; what is left are the distances to the others.
NeighbourDistances without_nearest(const NeighbourDistances& all) {
  NeighbourDistances others = {.rows = all.rows, .neighbours = all.neighbours - 1, .distance = {}};
  for (std::int64_t row = 0; row < all.rows; ++row) {
    const auto first = all.distance.begin() + row * all.neighbours;
    others.distance.insert(others.distance.end(), first + 1, first + all.neighbours);
  }
  return others;
}

}  // namespace

float NeighbourDistances::mean(std::int64_t row) const {
  float mean = 0;
  for (std::int32_t i = 0; i < neighbours; ++i) mean += at(row, i) / static_cast<float>(neighbours);
  return mean;
}

const ScaledRows& BaselineInputs::scaled(const Units& units) {
  return use(forms_[units].scaled, [&] { return scale_rows(trial_, units, threads_); });
}

const NeighbourDistances& BaselineInputs::nearest(const Units& units) {
  const ScaledRows& rows = scaled(units);
  return use(forms_[units].nearest, [&] { return nearest_rows(rows.test, rows.train, most_neighbours, threads_); });
}

const NeighbourDistances& BaselineInputs::nearest_others(const Units& units) {
  const ScaledRows& rows = scaled(units);
  return use(forms_[units].nearest_others,
             [&] { return without_nearest(nearest_rows(rows.train, rows.train, most_neighbours + 1, threads_)); });
}

BaselineInputs::Scored BaselineInputs::score(const Baseline& baseline) {
  ++user_;
  reused_seconds_ = 0;
  const Stopwatch scoring;
  Scored scored = {.scores = baseline.score(*this)};
  scored.seconds = scoring.seconds() + reused_seconds_;
  return scored;
}

}  // namespace cugad::cli
