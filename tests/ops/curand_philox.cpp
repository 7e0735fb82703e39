#include <gtest/gtest.h>

#include "cugad/rng.hpp"

/// The words of rng.hpp are cuRAND's: compared if its headers are available. They are made for device code, and their
/// generator is plain arithmetic, which the host compiler takes as well.
#if __has_include(<curand_philox4x32_x.h>)
#include <cuda_runtime_api.h>
#include <vector_functions.h>

#include <random>

#define QUALIFIERS static inline
#include <curand_philox4x32_x.h>

namespace cugad {
namespace {

TEST(philox, gives_the_words_of_curand) {
  std::mt19937_64 engine(1);
  const auto word = [&] { return static_cast<std::uint32_t>(engine()); };
  for (int i = 0; i < 10'000; ++i) {
    const std::array<std::uint32_t, 4> counter = {word(), word(), word(), word()};
    const std::uint64_t key = engine();
    const uint4 theirs =
        curand_Philox4x32_10(make_uint4(counter[0], counter[1], counter[2], counter[3]),
                             make_uint2(static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)));
    ASSERT_EQ(philox4x32_10(counter, key), (std::array<std::uint32_t, 4>{theirs.x, theirs.y, theirs.z, theirs.w}));
  }
}

}  // namespace
}  // namespace cugad
#endif
