#include "host/cli/reproduce/image_baselines.hpp"

#include <cmath>

#include "cugad/ops.hpp"
#include "host/cli/reproduce/neighbour_baselines.hpp"
#include "host/cli/reproduce/principal_components.hpp"

namespace cugad::cli {
namespace {

constexpr std::int64_t components = 32;

/// Less the mean of the training images, in units of pixels.
const Units pixels = {Scale::none, "none"};

std::vector<float> lengths(const Matrix& rows) {
  std::vector<float> lengths;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    double sum = 0;
    for (std::int64_t c = 0; c < rows.columns; ++c) sum += double{rows.row(r)[c]} * rows.row(r)[c];
    lengths.push_back(static_cast<float>(std::sqrt(sum)));
  }
  return lengths;
}

std::vector<float> magnitudes(std::vector<float> values) {
  for (float& value : values) value = std::abs(value);
  return values;
}

Matrix rebuilding_residuals(BaselineInputs& inputs) {
  const ScaledRows& rows = inputs.scaled(pixels);
  return PrincipalComponents(rows.train, components, inputs.threads()).residuals(rows.test);
}

std::vector<float> differences_from_neighbours(BaselineInputs& inputs) {
  const ScaledRows& rows = inputs.scaled(pixels);
  const auto& [train, test] = rows;
  const auto neighbours =
      static_cast<std::int32_t>(std::min<std::int64_t>(BaselineInputs::most_neighbours, train.rows));
  std::vector<float> distance(static_cast<std::size_t>(test.rows * neighbours));
  std::vector<std::int32_t> index(distance.size());
  Context context = Device::open("cpu", inputs.threads()).make_context();
  NearestRows search;
  search.query = {test.data.data(), 1, test.rows, test.columns};
  search.bank = {train.data.data(), 1, train.rows, train.columns};
  search.neighbours = neighbours;
  search.distance = {distance.data(), 1, test.rows, neighbours};
  search.index = {index.data(), 1, test.rows, neighbours};
  run(context, search);
  Matrix differences(test.rows, test.columns);
  for (std::size_t at = 0; at < index.size(); ++at) {
    const auto row = static_cast<std::int64_t>(at) / neighbours;
    for (std::int64_t c = 0; c < test.columns; ++c) {
      const float difference = std::abs(test.row(row)[c] - train.row(index[at])[c]);
      differences.row(row)[c] += difference / static_cast<float>(neighbours);
    }
  }
  return differences.data;
}

}  // namespace

Baseline pixel_neighbour_baseline() {
  Baseline baseline = mean_neighbour_baseline("knn", "pixel kNN", pixels);
  baseline.residuals = differences_from_neighbours;
  return baseline;
}

Baseline principal_component_baseline() {
  return {"pca", "PCA of 32", [](BaselineInputs& inputs) { return lengths(rebuilding_residuals(inputs)); },
          [](BaselineInputs& inputs) { return magnitudes(rebuilding_residuals(inputs).data); }};
}

Baseline mean_image_baseline() {
  return {"mean", "distance to the mean", [](BaselineInputs& inputs) { return lengths(inputs.scaled(pixels).test); },
          [](BaselineInputs& inputs) { return magnitudes(inputs.scaled(pixels).test.data); }};
}

}  // namespace cugad::cli
