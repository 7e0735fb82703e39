#pragma once

#include <algorithm>

#include "tests/ptx/fixture.hpp"

/// One word of each lane in, one out.
namespace ptx::test {

inline std::string text_of(std::uint64_t value) { return std::to_string(value); }

/// Runs `body`, which computes %r9 from %r8 in each lane %r0: one u32 of each lane in, one out.
inline std::vector<std::uint32_t> run_lanes(const std::string& form, const std::string& body,
                                            const std::vector<std::uint32_t>& in, unsigned threads = 32,
                                            std::size_t shared_bytes = 0) {
  tested_forms().insert(form);
  Memory from(4 * in.size()), to(4 * threads);
  std::copy(in.begin(), in.end(), from.as<std::uint32_t>());
  const std::string failure = run(kernel("  mul.wide.u32 %rd1, %r0, 4;\n  add.u64 %rd2, %in, %rd1;\n  add.u64 %rd3, "
                                         "%out, %rd1;\n  ld.global.u32 %r8, [%rd2];\n" +
                                         body + "\n  st.global.u32 [%rd3], %r9;\n"),
                                  from, to, {1, threads, shared_bytes});
  EXPECT_EQ(failure, "") << form;
  return {to.as<std::uint32_t>(), to.as<std::uint32_t>() + threads};
}
inline std::vector<std::uint32_t> some_words(std::size_t count = 32, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<std::uint32_t> words(count);
  for (auto& w : words) w = random();
  return words;
}

}  // namespace ptx::test
