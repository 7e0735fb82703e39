#pragma once

#include <cstddef>
#include <cstdint>

/// Which lane touched a word of shared or device memory, and since which synchronisation. Fed by the hooks of kernels
/// compiled with -fsanitize=thread (hooks.cpp) and by the emulator's own copies and atomics; active only in such a
/// build.
namespace emulator::races {

#if defined(CUGAD_EMULATED_RACES)
constexpr bool active = true;
#else
constexpr bool active = false;
#endif

enum class Kind : std::uint8_t { read, write, atomic };

/// Records an access of the lane that runs, and ends the kernel with a report if an access of another lane may come at
/// the same time. Without effect outside a kernel and on memory that is neither shared nor allocated on the device.
void access(const void* address, std::size_t bytes, Kind kind, const void* code);

/// A launch begins; its number distinguishes its accesses from those of earlier launches. Memory must stay until it
/// ends.
void begin_launch();
/// Shared memory of a block of the emulator.
void add_shared(const void* begin, std::size_t bytes);
/// An allocation is freed: its records are dropped.
void forget(const void* address);

}  // namespace emulator::races
