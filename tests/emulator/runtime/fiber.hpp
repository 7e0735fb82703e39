#pragma once

#include <cstddef>

/// Stacks that one OS thread switches between. A fiber never moves to another thread.
namespace emulator {

struct Fiber {
  void* stack_pointer = nullptr;  ///< of a suspended fiber
  unsigned char* stack = nullptr;
  std::size_t stack_bytes = 0;
  void* sanitizer_stack = nullptr;  ///< AddressSanitizer's own state of a suspended fiber
};

/// A fiber that will run entry(), which must never return, on a stack with a guard page below.
Fiber* create_fiber(void (*entry)());
/// Releases a suspended fiber without unwinding its stack.
void destroy_fiber(Fiber* fiber);
void switch_fiber(Fiber& from, Fiber& to);
/// To be called first by entry().
void enter_fiber(Fiber& fiber);

/// Marks memory as accessible or not, if the build has AddressSanitizer.
void poison(const void* memory, std::size_t bytes);
void unpoison(const void* memory, std::size_t bytes);

}  // namespace emulator
