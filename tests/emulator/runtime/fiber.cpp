#include "tests/emulator/runtime/fiber.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulator {
namespace {

// Room for a kernel's local arrays; AddressSanitizer's red zones need several times the plain size.
constexpr std::size_t kStackBytes = 256 * 1024;

}  // namespace

#if defined(__x86_64__)

// Saves the registers that a call must keep, exchanges the stack pointer: about 20 times faster than swapcontext, which
// calls the kernel for the signal mask.
asm(R"(
.text
.p2align 4
.globl cugad_emulator_switch
.hidden cugad_emulator_switch
.type cugad_emulator_switch, @function
cugad_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cugad_emulator_switch, .-cugad_emulator_switch
)");
extern "C" void cugad_emulator_switch(void** save, void* load);

static void prepare(Fiber& fiber, void (*entry)()) {
  auto* top = reinterpret_cast<std::uintptr_t*>(fiber.stack + fiber.stack_bytes);
  *--top = 0;  // the return address of entry(): none; keeps the stack aligned as after a call
  *--top = reinterpret_cast<std::uintptr_t>(entry);
  for (int saved = 0; saved < 6; ++saved) *--top = 0;
  fiber.stack_pointer = top;
}
static void exchange(Fiber& from, Fiber& to) { cugad_emulator_switch(&from.stack_pointer, to.stack_pointer); }
static void release(Fiber&) {}

#else

static void prepare(Fiber& fiber, void (*entry)()) {
  auto* context = new ucontext_t;
  getcontext(context);
  context->uc_stack.ss_sp = fiber.stack;
  context->uc_stack.ss_size = fiber.stack_bytes;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  fiber.stack_pointer = context;
}
static void exchange(Fiber& from, Fiber& to) {
  if (from.stack_pointer == nullptr) from.stack_pointer = new ucontext_t;
  swapcontext(static_cast<ucontext_t*>(from.stack_pointer), static_cast<ucontext_t*>(to.stack_pointer));
}
static void release(Fiber& fiber) { delete static_cast<ucontext_t*>(fiber.stack_pointer); }

#endif

Fiber* create_fiber(void (*entry)()) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* memory =
      mmap(nullptr, kStackBytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, page, PROT_NONE);
  auto* fiber = new Fiber;
  fiber->stack = static_cast<unsigned char*>(memory) + page;
  fiber->stack_bytes = kStackBytes;
  prepare(*fiber, entry);
  return fiber;
}

void destroy_fiber(Fiber* fiber) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  unpoison(fiber->stack, fiber->stack_bytes);
  munmap(fiber->stack - page, fiber->stack_bytes + page);
  release(*fiber);
  delete fiber;
}

#if defined(__SANITIZE_ADDRESS__)

// Whence the fiber now running came: its stack is learnt from the sanitizer when it was an OS thread's own.
static constinit thread_local Fiber* came_from = nullptr;

static void finish_switch(Fiber& here) {
  const void* bottom = nullptr;
  std::size_t bytes = 0;
  __sanitizer_finish_switch_fiber(here.sanitizer_stack, &bottom, &bytes);
  if (came_from->stack == nullptr) {
    came_from->stack = static_cast<unsigned char*>(const_cast<void*>(bottom));
    came_from->stack_bytes = bytes;
  }
}
void switch_fiber(Fiber& from, Fiber& to) {
  came_from = &from;
  __sanitizer_start_switch_fiber(&from.sanitizer_stack, to.stack, to.stack_bytes);
  exchange(from, to);
  finish_switch(from);
}
void enter_fiber(Fiber& fiber) { finish_switch(fiber); }
void poison(const void* memory, std::size_t bytes) { __asan_poison_memory_region(memory, bytes); }
void unpoison(const void* memory, std::size_t bytes) { __asan_unpoison_memory_region(memory, bytes); }

#else

void switch_fiber(Fiber& from, Fiber& to) { exchange(from, to); }
void enter_fiber(Fiber&) {}
void poison(const void*, std::size_t) {}
void unpoison(const void*, std::size_t) {}

#endif

}  // namespace emulator
