#pragma once

#include "tests/ptx/executor/tables.hpp"
#include "tests/ptx/executor/warp.hpp"

/// Where the addresses of a warp lie in the host's memory, and whether they may be touched.
namespace ptx {

struct Access {
  Slot slot = no_slot;  ///< of the address
  int bits = 64;        ///< of that slot
  std::int64_t offset = 0;
  Space space = Space::generic;
  unsigned bytes = 4, alignment = 4;
};
/// By lane, in the host's memory. What an inactive lane has is some active lane's.
struct Places {
  alignas(64) std::uint64_t at[lanes];
  Mask in_shared = 0;  ///< lanes whose place is in the block's own shared memory
};

/// Fails if a lane's access is misaligned or not wholly in memory that it may access.
Places locate(const Warp& w, const Instruction& i, Mask mask, const Access& access);
/// The same for the address operand of ld, st, atom, ...: in[0], offset, mode (the space), from.bits.
Places locate(const Warp& w, const Instruction& i, Mask mask, unsigned bytes);
/// Fails if a lane reads uninitialised shared memory: `bytes` from the byte `first` of its place on.
void check_written(const Warp& w, const Instruction& i, Mask mask, const Places& places, unsigned first,
                   unsigned bytes);
/// Records a write; `at` counts from the start of the block's shared memory.
void note_written(const Warp& w, std::uint32_t at, unsigned bytes);
void note_written(const Warp& w, Mask mask, const Places& places, unsigned bytes);

}  // namespace ptx
