#include "host/fleet/pooled_sample.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

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
  std::vector<std::uint64_t> key(static_cast<std::size_t>(rows.rows));
  for (std::int64_t r = 0; r < rows.rows; ++r) key[r] = hash_of(rows.row(r), rows.columns);
  std::vector<std::int64_t> order(key.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto by_key = [&](std::int64_t a, std::int64_t b) { return key[a] != key[b] ? key[a] < key[b] : a < b; };
  std::sort(order.begin(), order.end(), by_key);
  std::uint64_t content = 0, copies = 0;
  for (const std::int64_t r : order) {
    copies = key[r] == content ? copies + 1 : 0;
    content = key[r];
    key[r] = mixed((content + copies) ^ mixed(seed));
  }
  std::sort(order.begin(), order.end(), by_key);
  order.resize(static_cast<std::size_t>(std::min(most, rows.rows)));
  return order;
}

}  // namespace cugad
