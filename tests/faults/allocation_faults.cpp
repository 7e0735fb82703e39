#include "faults/allocation_faults.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

namespace cugad::test {
namespace {

// Constant-initialised: malloc is called before any constructor.
std::atomic<std::int64_t> countdown{0}, asked{0}, alive{0};

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
bool must_fail() {
  asked.fetch_add(1, std::memory_order_relaxed);
  if (countdown.load(std::memory_order_relaxed) <= 0 || countdown.fetch_sub(1) != 1) return false;
  errno = ENOMEM;
  return true;
}

void* counted(void* memory) {
  if (memory != nullptr) alive.fetch_add(1, std::memory_order_relaxed);
  return memory;
}
constexpr bool replaced = true;
#else
constexpr bool replaced = false;
#endif

}  // namespace

bool can_fail_allocations() { return replaced; }
void fail_allocation(std::int64_t nth) { countdown = nth; }
std::int64_t allocations() { return asked; }
std::int64_t live_allocations() { return alive; }

}  // namespace cugad::test

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// glibc's own, under the names that it keeps for programs which replace malloc.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t bytes) {
  return cugad::test::must_fail() ? nullptr : cugad::test::counted(__libc_malloc(bytes));
}
void* calloc(std::size_t count, std::size_t bytes) {
  return cugad::test::must_fail() ? nullptr : cugad::test::counted(__libc_calloc(count, bytes));
}
void* realloc(void* memory, std::size_t bytes) {
  if (cugad::test::must_fail()) return nullptr;
  void* const moved = __libc_realloc(memory, bytes);
  return memory == nullptr ? cugad::test::counted(moved) : moved;
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  return cugad::test::must_fail() ? nullptr : cugad::test::counted(__libc_memalign(alignment, bytes));
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
  void* const made = memalign(alignment, bytes);
  if (made == nullptr) return ENOMEM;
  *memory = made;
  return 0;
}
void free(void* memory) {
  if (memory != nullptr) cugad::test::alive.fetch_sub(1, std::memory_order_relaxed);
  __libc_free(memory);
}
}
#endif
