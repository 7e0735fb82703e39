#pragma once

#include <cstdint>

/// Failing allocations. The program's malloc, calloc, realloc and aligned_alloc are replaced, and with them operator
/// new and those of every library; without effect in a build with a sanitizer, which replaces them itself.
namespace cugad::test {

bool can_fail_allocations();
/// Lets the nth allocation from now fail, on any thread (1: the next); 0: none.
void fail_allocation(std::int64_t nth);
/// Asked for since the program began.
std::int64_t allocations();
/// Now alive.
std::int64_t live_allocations();

}  // namespace cugad::test
