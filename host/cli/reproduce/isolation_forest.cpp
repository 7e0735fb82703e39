#include "host/cli/reproduce/isolation_forest.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <span>

#include "cugad/rng.hpp"
#include "host/cli/reproduce/baseline_inputs.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad::cli {
namespace {

constexpr int tree_count = 100;
constexpr std::int64_t rows_per_tree = 256;
constexpr std::uint64_t forest_seed = 1;
constexpr std::uint32_t forest_lane = 2;

/// Numbers of one tree, one after another.
class TreeStream {
 public:
  TreeStream(std::uint64_t seed, std::uint32_t tree) : seed_(seed), tree_(tree) {}

  /// Uniform in [0, 1), a multiple of 2^-24.
  float uniform() {
    if (used_ == words_.size()) {
      constexpr std::uint32_t purpose = static_cast<std::uint32_t>(RandomPurpose::evaluation) + 256 * forest_lane;
      words_ = philox4x32_10({block_++, 0, tree_, purpose}, seed_);
      used_ = 0;
    }
    return static_cast<float>(words_[used_++] >> 8) * 0x1p-24f;
  }

  /// Uniform in [0, count).
  std::int64_t below(std::int64_t count) {
    return static_cast<std::int64_t>(static_cast<double>(uniform()) * static_cast<double>(count));
  }

 private:
  std::uint64_t seed_;
  std::uint32_t tree_, block_ = 0;
  std::array<std::uint32_t, 4> words_{};
  std::size_t used_ = 4;
};

}  // namespace

/// Grows one tree.
class IsolationForest::Builder {
 public:
  Builder(const Matrix& rows, int deepest, TreeStream& random) : rows_(rows), deepest_(deepest), random_(random) {}

  Tree grow(std::span<std::int64_t> sample) {
    add_node(sample, 0);
    return std::move(tree_);
  }

 private:
  struct Range {
    std::int64_t column;
    float least, largest;
  };

  std::int32_t add_node(std::span<std::int64_t> sample, int depth) {
    const auto at = static_cast<std::int32_t>(tree_.size());
    tree_.push_back({.path_length = depth + average_path_length(std::ssize(sample))});
    if (depth >= deepest_ || sample.size() <= 1) return at;
    const std::vector<Range> varying = varying_columns(sample);
    if (varying.empty()) return at;
    const Range& range = varying[random_.below(std::ssize(varying))];
    float split = range.least + random_.uniform() * (range.largest - range.least);
    if (!(split < range.largest)) split = range.least;  // by rounding: each side keeps a row
    const auto middle = std::partition(sample.begin(), sample.end(),
                                       [&](std::int64_t row) { return rows_.row(row)[range.column] <= split; });
    const auto count = static_cast<std::size_t>(middle - sample.begin());
    const std::int32_t left = add_node(sample.first(count), depth + 1);
    const std::int32_t right = add_node(sample.subspan(count), depth + 1);
    tree_[at] = {.column = static_cast<std::int32_t>(range.column), .split = split, .left = left, .right = right};
    return at;
  }

  std::vector<Range> varying_columns(std::span<const std::int64_t> sample) const {
    std::vector<Range> varying;
    for (std::int64_t column = 0; column < rows_.columns; ++column) {
      Range range = {column, rows_.row(sample[0])[column], rows_.row(sample[0])[column]};
      for (const std::int64_t row : sample) {
        range.least = std::min(range.least, rows_.row(row)[column]);
        range.largest = std::max(range.largest, rows_.row(row)[column]);
      }
      if (range.least < range.largest) varying.push_back(range);
    }
    return varying;
  }

  const Matrix& rows_;
  int deepest_;
  TreeStream& random_;
  Tree tree_;
};

IsolationForest::IsolationForest(const Matrix& rows, std::uint64_t seed) {
  const std::int64_t count = std::min(rows_per_tree, rows.rows);
  const int deepest = static_cast<int>(std::ceil(std::log2(static_cast<double>(count))));
  usual_path_length_ = average_path_length(count);
  std::vector<std::int64_t> order(static_cast<std::size_t>(rows.rows));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::uint32_t tree = 0; tree < tree_count; ++tree) {
    TreeStream random(seed, tree);
    for (std::int64_t i = 0; i < count; ++i) std::swap(order[i], order[i + random.below(rows.rows - i)]);
    trees_.push_back(Builder(rows, deepest, random).grow(std::span(order).first(static_cast<std::size_t>(count))));
  }
}

double IsolationForest::score(const float* row) const {
  if (usual_path_length_ == 0) return 0.5;  // trees of one row isolate nothing
  double sum = 0;
  for (const Tree& tree : trees_) {
    const Node* node = tree.data();
    while (node->column >= 0) node = &tree[row[node->column] <= node->split ? node->left : node->right];
    sum += node->path_length;
  }
  return std::exp2(-sum / (static_cast<double>(trees_.size()) * usual_path_length_));
}

/// 2 H(n - 1) - 2 (n - 1) / n with the harmonic numbers H(i) = log(i) + Euler's constant, as in the paper; 1 for 2 rows
/// and 0 for fewer.
double IsolationForest::average_path_length(std::int64_t rows) {
  if (rows <= 1) return 0;
  if (rows == 2) return 1;
  const auto n = static_cast<double>(rows);
  return 2 * (std::log(n - 1) + std::numbers::egamma) - 2 * (n - 1) / n;
}

Baseline isolation_forest_baseline() {
  const auto score = [](BaselineInputs& inputs) {
    const ScaledRows& rows = inputs.scaled();
    const IsolationForest forest(rows.train, forest_seed);
    std::vector<float> scores(static_cast<std::size_t>(rows.test.rows));
    cpu::parallel_ranges(inputs.threads(), rows.test.rows, [&](int, std::int64_t first, std::int64_t last) {
      for (std::int64_t r = first; r < last; ++r) scores[r] = static_cast<float>(forest.score(rows.test.row(r)));
    });
    return scores;
  };
  return {"isolation_forest", "isolation forest", score};
}

}  // namespace cugad::cli
