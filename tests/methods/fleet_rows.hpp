#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cugad/fleet.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"

namespace cugad::test {

/// Rows with the group of each.
struct FleetRows {
  Matrix rows;
  std::vector<std::string> groups;
};

/// Rows of groups of the given sizes, interleaved; group g lies at an offset of its own.
inline FleetRows fleet_rows(const std::vector<std::pair<std::string, std::int64_t>>& sizes, std::uint64_t seed) {
  std::int64_t total = 0;
  for (const auto& [name, rows] : sizes) total += rows;
  FleetRows all{normal_rows(total, seed), {}};
  RandomNumbers numbers(seed + 1);
  std::vector<std::string> groups;
  for (const auto& [name, rows] : sizes) groups.insert(groups.end(), static_cast<std::size_t>(rows), name);
  for (std::size_t i = groups.size(); i > 1; --i) std::swap(groups[i - 1], groups[numbers.below(i)]);
  for (std::size_t r = 0; r < groups.size(); ++r) {
    const auto place =
        std::find_if(sizes.begin(), sizes.end(), [&](const auto& one) { return one.first == groups[r]; });
    const auto number = static_cast<float>(place - sizes.begin());
    for (std::int64_t c = 0; c < all.rows.columns; ++c) {
      all.rows.row(static_cast<std::int64_t>(r))[c] += 40.0f * number;
    }
    if (r % 17 == 3) all.rows.row(static_cast<std::int64_t>(r))[r % 6] = missing;
  }
  all.groups = std::move(groups);
  return all;
}

inline FleetRows rows_of(const FleetRows& all, const std::string& group) {
  std::vector<std::int64_t> numbers;
  for (std::size_t r = 0; r < all.groups.size(); ++r) {
    if (all.groups[r] == group) numbers.push_back(static_cast<std::int64_t>(r));
  }
  return {take_rows(all.rows, numbers), std::vector<std::string>(numbers.size(), group)};
}

inline const std::vector<std::pair<std::string, std::int64_t>> fleet_sizes = {{"b", 60},  {"a", 300}, {"small", 9},
                                                                              {"c", 700}, {"d", 50},  {"", 20}};

inline Fleet fitted_fleet(const FleetRows& training, const DetectorOptions& options = quick_options(), int threads = 1,
                          FleetOptions fleet_options = {}) {
  Fleet fleet(test_device(threads), options, fleet_options);
  fleet.fit(training.rows.view(), training.groups);
  return fleet;
}

template <class Model>
std::string saved(const Model& model, const std::string& path) {
  model.save(path);
  const std::vector<std::byte> bytes = model.save();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), read_text(path));
  return read_text(path);
}

}  // namespace cugad::test
