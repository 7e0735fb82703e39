#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "host/cli/reproduce/baseline_inputs.hpp"
#include "host/cli/reproduce/baselines.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad::cli {
namespace {

constexpr std::int64_t prototype_count = 1000;
constexpr std::uint32_t draw_seed = 1;

std::vector<float> minus_column(const Trial& data, const std::string& name) {
  const auto found = std::find(data.feature_names.begin(), data.feature_names.end(), name);
  const auto column = found - data.feature_names.begin();
  std::vector<float> scores;
  for (std::int64_t row = 0; row < data.test.rows; ++row) scores.push_back(-data.test.row(row)[column]);
  return scores;
}

/// The distinct rows that occur most often, the earlier one first on ties.
Matrix most_frequent_rows(const Matrix& matrix, std::int64_t count) {
  const std::size_t bytes = static_cast<std::size_t>(matrix.columns) * sizeof(float);
  const auto compare = [&](std::int64_t a, std::int64_t b) { return std::memcmp(matrix.row(a), matrix.row(b), bytes); };
  std::vector<std::int64_t> order(static_cast<std::size_t>(matrix.rows));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return compare(a, b) < 0; });
  struct Group {
    std::int64_t first, size;
  };
  std::vector<Group> groups;
  for (const std::int64_t row : order) {
    if (groups.empty() || compare(groups.back().first, row) != 0) groups.push_back({row, 0});
    ++groups.back().size;
  }
  std::sort(groups.begin(), groups.end(),
            [](const Group& a, const Group& b) { return a.size != b.size ? a.size > b.size : a.first < b.first; });
  std::vector<std::int64_t> rows;
  for (const Group& group : groups) {
    if (static_cast<std::int64_t>(rows.size()) < count) rows.push_back(group.first);
  }
  return take_rows(matrix, rows);
}

Matrix random_distinct_rows(const Matrix& matrix, std::int64_t count) {
  const std::vector<std::int64_t> distinct = distinct_rows(matrix);
  std::vector<std::int64_t> rows;
  for (const std::int64_t index : numpy_permutation(draw_seed, static_cast<std::int64_t>(distinct.size()))) {
    if (static_cast<std::int64_t>(rows.size()) < count) rows.push_back(distinct[static_cast<std::size_t>(index)]);
  }
  return take_rows(matrix, rows);
}

Matrix with_log1p(Matrix matrix, std::int64_t numeric) {
  for (std::int64_t row = 0; row < matrix.rows; ++row) {
    for (std::int64_t column = 0; column < numeric; ++column) {
      matrix.row(row)[column] = std::log1p(matrix.row(row)[column]);
    }
  }
  return matrix;
}

/// L1 distance of rows [first, last) to their nearest prototype. `transposed` holds the prototypes as columns, so that
/// the inner loop runs along them and needs no sum across vector lanes.
void nearest_distances(const Matrix& rows, const Matrix& transposed, std::int64_t first, std::int64_t last,
                       float* scores) {
  std::vector<float> distance(static_cast<std::size_t>(transposed.columns));
  for (std::int64_t row = first; row < last; ++row) {
    std::fill(distance.begin(), distance.end(), 0.0f);
    for (std::int64_t column = 0; column < rows.columns; ++column) {
      const float value = rows.row(row)[column];
      const float* prototype = transposed.row(column);
      for (std::size_t index = 0; index < distance.size(); ++index) {
        distance[index] += std::abs(value - prototype[index]);
      }
    }
    scores[row] = *std::min_element(distance.begin(), distance.end());
  }
}

std::vector<float> distance_to_nearest(const Matrix& rows, const Matrix& prototypes, int threads) {
  Matrix transposed(prototypes.columns, prototypes.rows);
  for (std::int64_t row = 0; row < prototypes.rows; ++row) {
    for (std::int64_t column = 0; column < prototypes.columns; ++column) {
      transposed.row(column)[row] = prototypes.row(row)[column];
    }
  }
  std::vector<float> scores(static_cast<std::size_t>(rows.rows));
  cpu::parallel_ranges(threads, rows.rows, [&](int, std::int64_t first, std::int64_t last) {
    nearest_distances(rows, transposed, first, last, scores.data());
  });
  return scores;
}

}  // namespace

std::vector<Baseline> kdd99_baselines() {
  const auto count = [](const BaselineInputs& inputs) { return minus_column(inputs.trial(), "count"); };
  const auto frequent = [](const BaselineInputs& inputs) {
    const Trial& trial = inputs.trial();
    return distance_to_nearest(trial.test, most_frequent_rows(trial.train, prototype_count), inputs.threads());
  };
  const auto distinct = [](const BaselineInputs& inputs) {
    const Trial& trial = inputs.trial();
    const Matrix prototypes = random_distinct_rows(trial.train, prototype_count);
    return distance_to_nearest(with_log1p(trial.test, trial.test.columns - trial.binary_features),
                               with_log1p(prototypes, trial.test.columns - trial.binary_features), inputs.threads());
  };
  return {random_baseline(),
          {"minus_count", "minus the column count", count},
          {"frequent_rows", "raw L1 to the nearest of the 1000 most frequent training rows", frequent},
          {"distinct_rows", "log1p L1 to the nearest of 1000 random distinct training rows", distinct},
          mean_baseline(),
          median_baseline()};
}

}  // namespace cugad::cli
