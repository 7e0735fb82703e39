#include "tests/ptx/executor/memory.hpp"

#include <cstdio>
#include <cstring>

#include "tests/ptx/executor/arithmetic.hpp"

/// Loads, stores, atomics and asynchronous copies.
namespace ptx {
namespace {

std::string hexadecimal(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}
bool contains(const Region& region, std::uint64_t address) { return region.begin <= address && address < region.end; }

const char* name_of(Space space) {
  static const char* names[] = {"shared", "shared", "global", "local", "parameter", "any"};
  return names[static_cast<int>(space)];
}

/// The memory that holds an address of this space. `lasts`: for all blocks of the launch.
Region region_of(const Warp& w, Space space, std::uint64_t address, int lane, bool& lasts) {
  const Block& block = *w.block;
  const Launch& launch = *block.launch;
  lasts = false;
  if (space == Space::local || space == Space::generic) {
    const std::size_t bytes = w.function->local_bytes;
    const std::uint64_t begin = reinterpret_cast<std::uint64_t>(w.local.data()) + bytes * static_cast<unsigned>(lane);
    if (contains({begin, begin + bytes}, address)) return {begin, begin + bytes};
  }
  if (space == Space::cluster || space == Space::generic) {
    for (const auto& other : *block.together) {
      if (other->cluster_rank != block.cluster_rank &&
          other->index[0] / launch.cluster != block.index[0] / launch.cluster)
        continue;
      const auto begin = reinterpret_cast<std::uint64_t>(other->shared);
      if (contains({begin, begin + other->shared_bytes}, address)) return {begin, begin + other->shared_bytes};
    }
  }
  lasts = true;
  if (space == Space::parameter || space == Space::generic) {
    const auto begin = reinterpret_cast<std::uint64_t>(launch.parameters);
    const Region parameters = {begin, begin + w.function->parameter_bytes};
    if (contains(parameters, address)) return parameters;
  }
  if (space == Space::global || space == Space::generic) {
    for (const Region& global : launch.module->global_regions) {
      if (contains(global, address)) return global;
    }
    if (launch.find_allocation != nullptr) return launch.find_allocation(address);
  }
  return {};
}

[[noreturn]] void misplaced(const Warp& w, const Instruction& i, const Access& access, int lane, std::uint64_t address,
                            const Region& region) {
  const std::string who = "lane " + std::to_string(lane) + ": ";
  if (address % access.alignment != 0)
    fail(w, i, who + "misaligned address " + hexadecimal(address) + " of " + name_of(access.space) + " memory");
  if (access.space == Space::shared) {
    fail(w, i,
         who + "address " + std::to_string(address) + " is outside the block's " +
             std::to_string(w.block->shared_bytes) + " bytes of shared memory");
  }
  if (region.end == 0) fail(w, i, who + "address " + hexadecimal(address) + " lies in no allocation");
  fail(w, i,
       who + std::to_string(access.bytes) + " bytes at " + hexadecimal(address) + " go " +
           std::to_string(address + access.bytes - region.end) + " bytes beyond an allocation of " +
           std::to_string(region.end - region.begin));
}

/// Earlier kernels may not have written there yet when a kernel is launched early.
void check_waited(const Warp& w, const Instruction& i, Mask mask, const Places& p) {
  each_lane(mask & ~w.waited, [&](int l) {
    if (w.block->launch->find_allocation(p.at[l]).end == 0) return;  // not memory that kernels share
    fail(w, i, "lane " + std::to_string(l) + " touches memory before griddepcontrol.wait in a kernel launched early");
  });
}

/// Whether all lanes' accesses are aligned and inside a region; without branches, so that it vectorises.
bool all_inside(const Places& p, const Access& access, const Region& region) {
  std::uint64_t wrong = 0, low = 0;
  const std::uint64_t room = region.end - region.begin - access.bytes;
  if (region.end - region.begin < access.bytes) return false;
  for (int l = 0; l < lanes; ++l) {
    const std::uint64_t at = p.at[l];
    wrong |= at - region.begin <= room ? 0u : 1u;
    low |= at;
  }
  return (wrong | (low & (access.alignment - 1))) == 0;
}

}  // namespace

Places locate(const Warp& w, const Instruction& i, Mask mask, const Access& access) {
  Places p;
  const auto offset = static_cast<std::uint64_t>(access.offset);
  if (access.bits == 64) {
    const auto* from = w.in<std::uint64_t>(access.slot);
    for (int l = 0; l < lanes; ++l) p.at[l] = from[l] + offset;
  } else {
    const auto* from = w.in<std::uint32_t>(access.slot);
    for (int l = 0; l < lanes; ++l) p.at[l] = from[l] + offset;
  }
  if (mask != all_lanes) {
    const std::uint64_t first = p.at[std::countr_zero(mask)];
    for (int l = 0; l < lanes; ++l) p.at[l] = (mask >> l & 1) != 0 ? p.at[l] : first;
  }
  const Block& block = *w.block;
  const auto window = reinterpret_cast<std::uint64_t>(block.shared);
  if (access.space == Space::shared || (access.space == Space::cluster && access.bits == 32)) {
    if (!all_inside(p, access, {0, block.shared_bytes})) {
      each_lane(mask, [&](int l) {
        if (p.at[l] % access.alignment != 0 || p.at[l] + access.bytes > block.shared_bytes ||
            p.at[l] > block.shared_bytes) {
          misplaced(w, i, {access.slot, access.bits, 0, Space::shared, access.bytes, access.alignment}, l, p.at[l], {});
        }
      });
    }
    for (int l = 0; l < lanes; ++l) p.at[l] += window;
    p.in_shared = all_lanes;
    return p;
  }
  if (block.launch->early && (mask & ~w.waited) != 0 && access.space != Space::parameter) check_waited(w, i, mask, p);
  if (i.seen_in == block.launch_number && all_inside(p, access, i.seen)) return p;
  const Region own = {window, window + block.shared_bytes};
  Region region;
  each_lane(mask, [&](int l) {
    const std::uint64_t at = p.at[l];
    if (!contains(region, at)) {
      bool lasts = false;
      region = contains(own, at) && access.space == Space::generic ? own : region_of(w, access.space, at, l, lasts);
      if (lasts && region.end != 0) {
        i.seen = region;
        i.seen_in = block.launch_number;
      }
    }
    if (at % access.alignment != 0 || at + access.bytes > region.end) misplaced(w, i, access, l, at, region);
    p.in_shared |= static_cast<Mask>(contains(own, at)) << l;
  });
  return p;
}

Places locate(const Warp& w, const Instruction& i, Mask mask, unsigned bytes) {
  return locate(w, i, mask, {i.in[0], i.from.bits, i.offset, static_cast<Space>(i.mode & 0xff), bytes, bytes});
}

void check_written(const Warp& w, const Instruction& i, Mask mask, const Places& places, unsigned first,
                   unsigned bytes) {
  each_lane(mask & places.in_shared, [&](int l) {
    const std::uint64_t at = places.at[l] - reinterpret_cast<std::uint64_t>(w.block->shared);
    for (unsigned n = first; n < first + bytes; ++n) {
      if (w.block->written[at + n] == 0) {
        fail(w, i,
             "lane " + std::to_string(l) + " reads byte " + std::to_string(at + n) +
                 " of shared memory, which nobody has written (or whose copy nobody has waited for)");
      }
    }
  });
}
void note_written(const Warp& w, std::uint32_t at, unsigned bytes) {
  Block& block = *w.block;
  std::memset(block.written + at, 0xff, bytes);
  if (!block.unpublished.empty()) std::memset(&block.unpublished[at], static_cast<int>(w.number) + 1, bytes);
}
void note_written(const Warp& w, Mask mask, const Places& places, unsigned bytes) {
  each_lane(mask & places.in_shared, [&](int l) {
    note_written(w, static_cast<std::uint32_t>(places.at[l] - reinterpret_cast<std::uint64_t>(w.block->shared)), bytes);
  });
}

namespace {

/// Whether every lane's element `n` of shared memory holds something.
template <class T>
bool is_written(const Warp& w, const Places& p, unsigned n) {
  using Bits = std::make_unsigned_t<T>;
  const Block& block = *w.block;
  const std::uint64_t shift =
      reinterpret_cast<std::uint64_t>(block.written) - reinterpret_cast<std::uint64_t>(block.shared);
  auto all = static_cast<Bits>(~Bits{0});
  for (int l = 0; l < lanes; ++l) all = static_cast<Bits>(all & reinterpret_cast<const Bits*>(p.at[l] + shift)[n]);
  return all == static_cast<Bits>(~Bits{0});
}

template <class T, class R>
void load(Warp& w, const Instruction& i, Mask mask) {
  const Places p = locate(w, i, mask, sizeof(T) * i.count);
  for (unsigned n = 0; n < i.count; ++n) {
    const Slot to = i.list.empty() ? i.out : i.list[n];
    if (to == no_slot) continue;  // a vector may be wider than its used part
    if (p.in_shared != 0 && (p.in_shared != all_lanes || !is_written<T>(w, p, n))) {
      check_written(w, i, mask, p, sizeof(T) * n, sizeof(T));
    }
    R* out = w.out<R>(to);
    if (mask == all_lanes) {
      for (int l = 0; l < lanes; ++l) out[l] = static_cast<R>(reinterpret_cast<const T*>(p.at[l])[n]);
    } else {
      each_lane(mask, [&](int l) { out[l] = static_cast<R>(reinterpret_cast<const T*>(p.at[l])[n]); });
    }
  }
}
template <class T, class R>
void store(Warp& w, const Instruction& i, Mask mask) {
  const Places p = locate(w, i, mask, sizeof(T) * i.count);
  for (unsigned n = 0; n < i.count; ++n) {
    const R* from = w.in<R>(i.list.empty() ? i.in[1] : i.list[n]);
    if (mask == all_lanes) {
      for (int l = 0; l < lanes; ++l) reinterpret_cast<T*>(p.at[l])[n] = static_cast<T>(from[l]);
    } else {
      each_lane(mask, [&](int l) { reinterpret_cast<T*>(p.at[l])[n] = static_cast<T>(from[l]); });
    }
  }
  note_written(w, mask, p, sizeof(T) * i.count);
}

template <class T>
void atomic(Warp& w, const Instruction& i, Mask mask) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  const Places p = locate(w, i, mask, sizeof(T));
  check_written(w, i, mask, p, 0, sizeof(T));
  const T *b = w.in<T>(i.in[1]), *c = i.in[2] == no_slot ? nullptr : w.in<T>(i.in[2]);
  each_lane(mask, [&](int l) {
    auto* at = reinterpret_cast<T*>(p.at[l]);
    const T old = *at, operand = b[l];
    const Bits bits = std::bit_cast<Bits>(old), other = std::bit_cast<Bits>(operand);
    switch (static_cast<Atomic>(i.mode >> 8)) {
      case Atomic::add:
        *at = Add{}(old, operand);
        break;
      case Atomic::minimum:
        *at = Extreme<true>{}(old, operand);
        break;
      case Atomic::maximum:
        *at = Extreme<false>{}(old, operand);
        break;
      case Atomic::exchange:
        *at = operand;
        break;
      case Atomic::compare_swap:
        *at = bits == other ? c[l] : old;
        break;
      case Atomic::bit_and:
        *at = std::bit_cast<T>(bits & other);
        break;
      case Atomic::bit_or:
        *at = std::bit_cast<T>(bits | other);
        break;
      case Atomic::bit_xor:
        *at = std::bit_cast<T>(bits ^ other);
        break;
      case Atomic::increment:
        *at = old >= operand ? T{0} : Add{}(old, T{1});
        break;
    }
    if (i.out != no_slot) w.out<Bits>(i.out)[l] = bits;
  });
}

/// Generic addresses are the host's; those of shared memory count from the start of the block's.
template <class Address, bool to_generic>
void move_shared_address(Warp& w, const Instruction& i, Mask mask) {
  auto* out = w.out<std::conditional_t<to_generic, std::uint64_t, Address>>(i.out);
  const auto* a = w.in<std::conditional_t<to_generic, Address, std::uint64_t>>(i.in[0]);
  const auto base = reinterpret_cast<std::uint64_t>(w.block->shared);
  each_lane(mask, [&](int l) {
    if constexpr (to_generic)
      out[l] = base + a[l];
    else
      out[l] = static_cast<Address>(a[l] - base);
  });
}

// cp.async: in[0] to, in[1] from, in[2] bytes that are read; count: bytes that are written; target: the source's
// offset.
void copy_async(Warp& w, const Instruction& i, Mask mask) {
  const unsigned width = i.count;
  const Places to = locate(w, i, mask, {i.in[0], i.from.bits, i.offset, Space::shared, width, width});
  const auto* valid = i.in[2] == no_slot ? nullptr : w.in<std::uint32_t>(i.in[2]);
  const auto bytes_of = [&](int l) { return valid == nullptr ? width : valid[l]; };
  Access source = {i.in[1], 64, static_cast<std::int32_t>(i.target), Space::global, width, width};
  Mask whole = 0;
  each_lane(mask, [&](int l) {
    if (bytes_of(l) > width)
      fail(w, i,
           "lane " + std::to_string(l) + " copies " + std::to_string(bytes_of(l)) + " bytes of " +
               std::to_string(width));
    whole |= static_cast<Mask>(bytes_of(l) == width) << l;
  });
  Places from;
  if (whole != 0) from = locate(w, i, whole, source);
  each_lane(mask & ~whole, [&](int l) {
    source.bytes = bytes_of(l);
    from.at[l] = source.bytes == 0 ? 0 : locate(w, i, Mask{1} << l, source).at[l];
  });
  each_lane(mask, [&](int l) {
    const auto at = static_cast<std::uint32_t>(to.at[l] - reinterpret_cast<std::uint64_t>(w.block->shared));
    std::memset(w.block->shared + at, 0xff, width);  // until the wait: nothing that could be used
    std::memset(w.block->written + at, 0, width);
    w.copies.push_back({static_cast<std::uint32_t>(l), w.committed[static_cast<unsigned>(l)], at, width, bytes_of(l),
                        reinterpret_cast<const unsigned char*>(from.at[l])});
  });
}
void copy_async_commit(Warp& w, const Instruction&, Mask mask) {
  each_lane(mask, [&](int l) { ++w.committed[static_cast<unsigned>(l)]; });
}
void copy_async_wait(Warp& w, const Instruction& i, Mask mask) {  // mode: groups that may be under way; ~0: wait_all
  const bool all = i.mode == ~0u;
  std::erase_if(w.copies, [&](const AsyncCopy& copy) {
    if ((mask >> copy.lane & 1) == 0 || (!all && copy.group + i.mode >= w.committed[copy.lane])) return false;
    std::memcpy(w.block->shared + copy.to, copy.from, copy.valid);
    std::memset(w.block->shared + copy.to + copy.valid, 0, copy.bytes - copy.valid);
    note_written(w, copy.to, copy.bytes);
    return true;
  });
}

void wait_for_grids(Warp& w, const Instruction&, Mask mask) { w.waited |= mask; }

template <bool is_load, class T>
Handler access_of(int register_bits) {
  const auto pick = [&]<class R>() -> Handler {
    if constexpr (sizeof(R) < sizeof(T))
      return nullptr;
    else if constexpr (is_load)
      return &load<T, R>;
    else
      return &store<T, R>;
  };
  constexpr bool s = std::is_signed_v<T>;
  if (register_bits == 16) return pick.template operator()<std::conditional_t<s, std::int16_t, std::uint16_t>>();
  if (register_bits == 32) return pick.template operator()<std::conditional_t<s, std::int32_t, std::uint32_t>>();
  return pick.template operator()<std::conditional_t<s, std::int64_t, std::uint64_t>>();
}
template <bool is_load>
Handler access(const Type& t, int register_bits) {
  const bool s = is_load && t.kind == 's';
  switch (t.bits) {
    case 8:
      return s ? access_of<is_load, std::int8_t>(register_bits) : access_of<is_load, std::uint8_t>(register_bits);
    case 16:
      return s ? access_of<is_load, std::int16_t>(register_bits) : access_of<is_load, std::uint16_t>(register_bits);
    case 32:
      return s ? access_of<is_load, std::int32_t>(register_bits) : access_of<is_load, std::uint32_t>(register_bits);
    case 64:
      return access_of<is_load, std::uint64_t>(register_bits);
  }
  return nullptr;
}

}  // namespace

Handler find_access(bool is_load, const Type& t, int register_bits) {
  return is_load ? access<true>(t, register_bits) : access<false>(t, register_bits);
}

Handler find_atomic(const Type& t) {
  const bool f = t.kind == 'f', s = t.kind == 's';
  if (t.bits == 32) return f ? &atomic<float> : s ? &atomic<std::int32_t> : &atomic<std::uint32_t>;
  if (t.bits == 64) return f ? &atomic<double> : s ? &atomic<std::int64_t> : &atomic<std::uint64_t>;
  return nullptr;
}

Handler find_memory(const std::string& name) {
  if (name == "shared_to_generic32") return &move_shared_address<std::uint32_t, true>;
  if (name == "shared_to_generic64") return &move_shared_address<std::uint64_t, true>;
  if (name == "generic_to_shared32") return &move_shared_address<std::uint32_t, false>;
  if (name == "generic_to_shared64") return &move_shared_address<std::uint64_t, false>;
  if (name == "griddepcontrol.wait") return &wait_for_grids;
  if (name == "copy_async") return &copy_async;
  if (name == "copy_async_commit") return &copy_async_commit;
  if (name == "copy_async_wait") return &copy_async_wait;
  return nullptr;
}

}  // namespace ptx
