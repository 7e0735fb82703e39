#pragma once

#include <cstdint>
#include <vector>

#include "host/cli/reproduce/protocol.hpp"

/// Isolation forest (Liu, Ting, Zhou 2008).
namespace cugad::cli {

/// 100 trees on 256 rows each, drawn without replacement, as deep as log2(256) at most. A node splits a random one of
/// the columns that vary in it, at a uniform place between the column's least and largest value.
class IsolationForest {
 public:
  /// `rows`: at least one; no NaN. The same seed gives the same forest.
  IsolationForest(const Matrix& rows, std::uint64_t seed);
  /// 2^(-E[h] / c(256)), in (0, 1]: h is the path length in a tree, the depth of the leaf + c(rows in the leaf).
  double score(const float* row) const;
  /// c(n): the mean path length of an unsuccessful search in a binary search tree of n rows.
  static double average_path_length(std::int64_t rows);

 private:
  struct Node {
    std::int32_t column = -1;  ///< -1: a leaf
    float split = 0;           ///< cells up to it go left
    std::int32_t left = 0, right = 0;
    double path_length = 0;  ///< of a leaf
  };
  class Builder;
  using Tree = std::vector<Node>;  ///< the root first

  std::vector<Tree> trees_;
  double usual_path_length_ = 0;
};

Baseline isolation_forest_baseline();

}  // namespace cugad::cli
