#include <fmt/format.h>

#include <bit>
#include <numeric>
#include <random>

#include "cugad/error.hpp"
#include "cugad/table.hpp"

namespace cugad {

std::vector<std::int64_t> numpy_permutation(std::uint32_t seed, std::int64_t n) {
  // numpy draws 64 bits at a time from here on; so many rows do not fit in memory.
  constexpr std::int64_t largest = std::int64_t{1} << 32;
  if (n < 0 || n > largest) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a permutation of {} was asked for, expected 0 to {}", n, largest));
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::mt19937 generator(seed);  // seeded by init_genrand, as RandomState(int) is
  for (std::int64_t last = n - 1; last > 0; --last) {
    const std::uint64_t mask = std::bit_ceil(static_cast<std::uint64_t>(last) + 1) - 1;
    std::uint64_t other = 0;
    do {
      other = generator() & mask;
    } while (other > static_cast<std::uint64_t>(last));
    std::swap(order[static_cast<std::size_t>(last)], order[other]);
  }
  return order;
}

}  // namespace cugad
