#include "host/fleet/pooled_sample.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "host/fleet/keys.hpp"

namespace cugad {
namespace {

/// Equal rows have equal hashes: there is one missing value and one zero.
std::uint64_t hash_of(const float* row, std::int64_t columns) {
  std::uint64_t hash = 1469598103934665603ull;
  for (std::int64_t c = 0; c < columns; ++c) {
    const std::uint32_t word = std::isnan(row[c]) ? 0x7fc00000u
                               : row[c] == 0.0f   ? 0u
                                                  : std::bit_cast<std::uint32_t>(row[c]);
    hash = (hash ^ word) * 1099511628211ull;
  }
  return mixed(hash);
}

}  // namespace

std::vector<std::int64_t> sample_by_content(MatrixView<const float> rows, std::int64_t most, std::uint64_t seed) {
  std::vector<std::pair<std::uint64_t, std::int64_t>> keys(static_cast<std::size_t>(rows.rows));
  for (std::int64_t r = 0; r < rows.rows; ++r) keys[r] = {hash_of(rows.row(r), rows.columns), r};
  std::sort(keys.begin(), keys.end());
  std::uint64_t content = 0, copies = 0;
  for (auto& [key, row] : keys) {
    copies = key == content ? copies + 1 : 0;
    content = key;
    key = mixed((content + copies) ^ mixed(seed));
  }
  const auto chosen = keys.begin() + std::min(most, rows.rows);
  std::nth_element(keys.begin(), chosen, keys.end());
  std::sort(keys.begin(), chosen);
  std::vector<std::int64_t> sample;
  for (auto one = keys.begin(); one != chosen; ++one) sample.push_back(one->second);
  return sample;
}

}  // namespace cugad
