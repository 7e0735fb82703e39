#pragma once

#include <array>
#include <bit>
#include <string>

#include "tests/ptx/executor/module.hpp"

/// The state of a warp, of a block, and of the blocks that run side by side.
namespace ptx {

/// Lanes at the same instruction. `waits`: for other lanes, at a collective or a barrier.
struct Group {
  std::uint32_t pc;
  Mask mask;
  bool waits;
};

/// A copy to shared memory under way: it lands when its lane waits for its group.
struct AsyncCopy {
  std::uint32_t lane, group, to, bytes, valid;
  const unsigned char* from;
};

struct Block;

/// A product of a warpgroup under way: it reads shared memory when its warp waits for its group.
struct WarpgroupProduct {
  const Instruction* instruction = nullptr;
  void (*finish)(Warp&, const WarpgroupProduct&) = nullptr;
  std::uint32_t group = 0;
  std::uint32_t a[4][lanes] = {};
  std::uint64_t a_descriptor = 0, b_descriptor = 0;
  bool adds = true;
};

struct Warp {
  unsigned char* registers = nullptr;
  const unsigned char* constants = nullptr;
  Block* block = nullptr;
  const Function* function = nullptr;
  unsigned number = 0;
  Mask lanes_at_start = 0, live = 0;
  std::vector<Group> groups;
  bool at_barrier = false;
  Mask waited = 0;  ///< lanes that have waited for the grids before this one
  std::array<std::uint32_t, lanes> carry{};
  std::vector<AsyncCopy> copies;
  std::array<std::uint32_t, lanes> committed{};  ///< groups of copies
  std::vector<unsigned char> local;
  std::vector<WarpgroupProduct> products;
  std::map<Slot, std::array<float, lanes>> sums;  ///< of the products under way
  std::uint32_t product_groups = 0, issued_products = 0;
  bool fenced = false;  ///< registers may be given to a product

  template <class T>
  T* out(Slot slot) {
    return reinterpret_cast<T*>(registers + slot);
  }
  template <class T>
  const T* in(Slot slot) const {
    return reinterpret_cast<const T*>((slot & constant_bit) != 0 ? constants + (slot & ~constant_bit)
                                                                 : registers + slot);
  }
  Mask predicate(Slot slot) const { return *in<Mask>(slot); }
  void set_predicate(Slot slot, Mask value, Mask lanes_to_set) {
    Mask& out = *reinterpret_cast<Mask*>(registers + slot);
    out = (out & ~lanes_to_set) | (value & lanes_to_set);
  }
};

struct Block {
  const Launch* launch = nullptr;
  std::uint64_t launch_number = 0;
  unsigned index[3] = {};
  unsigned cluster_rank = 0;
  unsigned char* shared = nullptr;
  unsigned char* written = nullptr;  ///< 0xff for each byte of shared memory that holds something
  std::size_t shared_bytes = 0;
  std::vector<unsigned char> shared_store, written_store;
  /// Of kernels with products of warpgroups, by byte: the warp (and one) that wrote it without a fence.proxy.async
  /// since.
  std::vector<unsigned char> unpublished;
  std::vector<Warp> warps;
  std::array<unsigned, 16> arrived{};                       ///< by barrier: lanes that have arrived and do not wait
  std::vector<std::unique_ptr<Block>>* together = nullptr;  ///< the blocks of a cluster
};

/// Throws with the kernel, block, warp, source line and instruction.
[[noreturn]] void fail(const Warp& warp, const Instruction& at, const std::string& what);

template <class F>
inline void each_lane(Mask mask, F f) {
  for (; mask != 0; mask &= mask - 1) f(std::countr_zero(mask));
}

/// -1 in each lane of the mask, else 0.
struct LaneMask {
  alignas(64) std::int32_t lane[lanes];
  explicit LaneMask(Mask mask) {
    for (int l = 0; l < lanes; ++l) lane[l] = -static_cast<std::int32_t>(mask >> l & 1u);
  }
};

}  // namespace ptx
