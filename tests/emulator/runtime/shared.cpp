#include <algorithm>
#include <cstring>

#include "tests/emulator/runtime/group.hpp"
#include "tests/emulator/runtime/races.hpp"
#include "tests/emulator/runtime/state.hpp"

/// Shared memory: every carved array lies between red zones and starts as NaN.
namespace emulator {
namespace {

constexpr std::size_t kBaseAlignment = 1024, kRedZone = 64, kMostArrays = 256;
constexpr unsigned char kRedByte = 0xfb, kUnsetByte = 0xff;  // 0xffffffff is a NaN, as is 0xffff in bfloat16

std::size_t align_up(std::size_t value, std::size_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

unsigned char* base_of(const Block& block) {
  return reinterpret_cast<unsigned char*>(
      align_up(reinterpret_cast<std::uintptr_t>(block.memory.get()), kBaseAlignment));
}

std::string describe(std::size_t offset, std::size_t bytes) {
  return std::to_string(bytes) + " bytes at offset " + std::to_string(offset);
}

void release_memory(Block& block) {
  if (!block.memory) return;
  unpoison(block.memory.get(), block.memory_bytes);
  if constexpr (races::active) {
    const std::lock_guard hold(state().lock);
    races::forget(block.memory.get());
  }
}

const CarvedArray& add_array(Block& block, std::size_t offset, std::size_t bytes, std::size_t alignment,
                             const Site& site) {
  const std::size_t limit = current_group().launch().shared_bytes;
  const auto at = [&] {
    return " (" + describe(offset, bytes) + ", " + text_of(site) + ", " + text_of(Group::current()) + ")";
  };
  if (offset + bytes > limit) {
    current_group().fail("shared memory: an array ends beyond the " + std::to_string(limit) + " bytes of the launch" +
                         at());
  }
  for (const CarvedArray& other : block.arrays) {
    if (offset < other.offset + other.bytes && other.offset < offset + bytes) {
      current_group().fail("shared memory: an array overlaps another, " + describe(other.offset, other.bytes) + at());
    }
  }
  if (block.arrays.size() == kMostArrays) current_group().fail("shared memory: too many arrays" + at());
  unsigned char* zone = block.memory_end;
  unsigned char* address = base_of(block) + align_up(static_cast<std::size_t>(zone - base_of(block)) + kRedZone,
                                                     std::max<std::size_t>(alignment, 16));
  unsigned char* end = address + bytes;
  unpoison(zone, static_cast<std::size_t>(end + kRedZone - zone));
  std::memset(zone, kRedByte, static_cast<std::size_t>(address - zone));
  std::memset(address, kUnsetByte, bytes);
  std::memset(end, kRedByte, kRedZone);
  poison(zone, static_cast<std::size_t>(address - zone));
  poison(end, kRedZone);
  block.memory_end = end;
  return block.arrays.emplace_back(CarvedArray{offset, bytes, alignment, address});
}

}  // namespace

Block::~Block() { release_memory(*this); }

void prepare_shared_memory(Block& block, std::size_t bytes) {
  const std::size_t needed = bytes + 64 * 1024 + 3 * kBaseAlignment;
  if (block.memory_bytes < needed) {
    release_memory(block);
    block.memory.reset(new unsigned char[needed]);
    block.memory_bytes = needed;
    races::add_shared(block.memory.get(), needed);
    poison(block.memory.get(), needed);
    block.arrays.reserve(kMostArrays);
  } else if (block.memory_end != nullptr && !block.arrays.empty()) {
    poison(base_of(block), static_cast<std::size_t>(block.memory_end - base_of(block)));
  }
  block.memory_end = base_of(block);
  block.arrays.clear();
}

void begin_carving() { Group::current().carved = 0; }

void* carve_shared(std::size_t offset, std::size_t bytes, std::size_t alignment, Site site) {
  Lane& lane = Group::current();
  Block& block = *lane.block;
  if (lane.carved < block.arrays.size()) {
    const CarvedArray& next = block.arrays[lane.carved];
    if (next.offset == offset && next.bytes == bytes && next.alignment == alignment) {
      ++lane.carved;
      return next.address;
    }
  }
  for (std::size_t i = 0; i < block.arrays.size(); ++i) {
    const CarvedArray& array = block.arrays[i];
    if (array.offset != offset || array.bytes != bytes) continue;
    lane.carved = i + 1;
    return array.address;
  }
  const CarvedArray& array = add_array(block, offset, bytes, alignment, site);
  lane.carved = block.arrays.size();
  return array.address;
}

const CarvedArray* find_array(const Block& block, const void* address, std::size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(address);
  for (const CarvedArray& array : block.arrays) {
    if (at >= array.address && at + bytes <= array.address + array.bytes) return &array;
  }
  return nullptr;
}

std::string check_red_zones(Block& block) {
  const unsigned char* zone = base_of(block);
  for (std::size_t i = 0; i <= block.arrays.size(); ++i) {
    const unsigned char* end = i < block.arrays.size() ? block.arrays[i].address : zone + kRedZone;
    if (block.arrays.empty()) break;
    unpoison(zone, static_cast<std::size_t>(end - zone));
    const unsigned char* touched = std::find_if(zone, end, [](unsigned char byte) { return byte != kRedByte; });
    poison(zone, static_cast<std::size_t>(end - zone));
    if (touched != end) {
      const CarvedArray& near = block.arrays[i == 0 ? 0 : i - 1];
      return "shared memory: block (" + std::to_string(block.index.x) + ", " + std::to_string(block.index.y) + ", " +
             std::to_string(block.index.z) + ") wrote outside its arrays, " +
             std::to_string(touched - (near.address + near.bytes)) + " bytes from the end of the array of " +
             describe(near.offset, near.bytes);
    }
    if (i < block.arrays.size()) zone = block.arrays[i].address + block.arrays[i].bytes;
  }
  return {};
}

void* map_shared_rank(void* shared, unsigned rank, Site site) {
  Lane& lane = Group::current();
  const Cluster& cluster = *lane.block->cluster;
  const auto at = [&] { return " (" + text_of(site) + ", " + text_of(lane) + ")"; };
  if (rank >= cluster.blocks.size()) current_group().fail("map_shared_rank: no block " + std::to_string(rank) + at());
  const CarvedArray* mine = find_array(*lane.block, shared, 1);
  if (mine == nullptr) current_group().fail("map_shared_rank: not an address in an array of this block" + at());
  const Block& peer = *cluster.blocks[rank];
  if (peer.crowd.live == 0)
    current_group().fail("map_shared_rank: block " + std::to_string(rank) + " has ended" + at());
  for (const CarvedArray& array : peer.arrays) {
    if (array.offset == mine->offset && array.bytes == mine->bytes) {
      return array.address + (static_cast<unsigned char*>(shared) - mine->address);
    }
  }
  current_group().fail("map_shared_rank: block " + std::to_string(rank) +
                       " has not carved this array yet; synchronise the cluster first" + at());
}

}  // namespace emulator
