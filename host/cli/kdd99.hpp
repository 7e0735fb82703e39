#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cugad/table.hpp"

/// KDD99 (10 percent) after the protocol of EGBAD's data/kdd.py: the attacks are the training class and normal traffic
/// is the anomaly; half of the rows train, the rest test; features are raw.
namespace cugad::cli {

struct Kdd99 {
  Matrix train;
  Matrix test;
  std::vector<std::uint8_t> label;  ///< of the test rows; 1: normal traffic, the anomaly here
  std::vector<std::string> feature_names;
  std::int64_t numeric_features = 0;
  std::int64_t all_test_rows = 0;  ///< before sampling
};

/// `data` is the file, or a folder that holds it or a folder kdd99 with it. `test_rows` > 0 keeps a fixed random sample
/// of so many test rows. Throws Error{format} unless the file has the rows that the protocol's authors saw.
Kdd99 load_kdd99(const std::string& data, std::int64_t test_rows);

/// A score that takes no training worth the name, to see what a figure is worth.
struct Baseline {
  std::string name;
  std::vector<float> score;
};
std::vector<Baseline> kdd99_baselines(const Kdd99& data, int threads);

/// A row of a paper's table.
struct PublishedResult {
  std::string name;
  double precision = 0, recall = 0, f1 = 0;
};
const std::vector<PublishedResult>& kdd99_published();

}  // namespace cugad::cli
