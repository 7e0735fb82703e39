#include "model_file/allocation_meter.hpp"

#include <cstdlib>
#include <new>

namespace cugad::test {
namespace {

thread_local std::size_t allocated = 0;

}  // namespace

std::size_t allocated_bytes() { return allocated; }

}  // namespace cugad::test

// Replaces the global ones of the whole program, those of the library under test included.
void* operator new(std::size_t bytes) {
  cugad::test::allocated += bytes;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
void* operator new[](std::size_t bytes) { return ::operator new(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
