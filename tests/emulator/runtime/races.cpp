#include "tests/emulator/runtime/races.hpp"

#include <dlfcn.h>
#include <sys/mman.h>

#include <cstdio>
#include <map>

#include "emulator_control.hpp"
#include "tests/emulator/runtime/group.hpp"
#include "tests/emulator/runtime/state.hpp"

/// The race check. Each word of 4 bytes remembers its last write and two reads by different lanes. Two accesses of
/// different lanes, one of them a write, conflict unless both are atomic or something orders them: a barrier of a crowd
/// that has both lanes, or __syncwarp (directly or through other lanes). Shuffles and votes order nothing.
namespace emulator::races {
namespace {

struct Access {
  std::uint64_t lane = 0;  ///< 1024 * block of the launch + thread
  std::uint32_t run = 0;   ///< of the launch (device memory) or of the group (shared memory); 0: none
  std::uint32_t block_epoch = 0, warp_epoch = 0;
  std::uint16_t cluster_epoch = 0, grid_epoch = 0;
  std::uint8_t bytes = 0;  ///< of the word: bit b is byte b
  Kind kind = Kind::read;
  const void* code = nullptr;
};
struct Word {
  Access write, reads[2];
};

/// One range of memory with its words, which cost memory only if they are accessed.
struct Region {
  std::uintptr_t begin = 0, end = 0;
  Word* words = nullptr;
  bool is_shared = false;
};

std::map<std::uintptr_t, Region> regions;  // by their end; guarded by the runtime's lock, as kernels are
Region* last_region = nullptr;
std::uint32_t launch_number = 0;

std::size_t words_bytes(const Region& region) { return ((region.end - region.begin) / 4 + 2) * sizeof(Word); }

void add_region(const void* begin, std::size_t bytes, bool is_shared) {
  Region region{reinterpret_cast<std::uintptr_t>(begin) / 4 * 4, reinterpret_cast<std::uintptr_t>(begin) + bytes,
                nullptr, is_shared};
  region.words = static_cast<Word*>(
      mmap(nullptr, words_bytes(region), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  regions[region.end] = region;
}

Region* find_region(std::uintptr_t address) {
  if (last_region != nullptr && address >= last_region->begin && address < last_region->end) return last_region;
  const auto found = regions.upper_bound(address);
  if (found == regions.end() || address < found->second.begin) return nullptr;
  return last_region = &found->second;
}

std::uint64_t block_number(const Lane& lane) {
  const dim3& grid = current_group().launch().grid;
  const uint3& at = lane.block->index;
  return (std::uint64_t{at.z} * grid.y + at.y) * grid.x + at.x;
}

bool is_ordered(const Access& before, const Lane& lane, std::uint64_t block) {
  const std::uint64_t other = before.lane / 1024;
  const auto index = static_cast<int>(before.lane % 1024);
  if (current_group().grid_crowd().epoch > before.grid_epoch) return true;
  const std::uint64_t cluster = current_group().launch().cluster;
  if (other / cluster == block / cluster && lane.block->cluster->crowd.epoch > before.cluster_epoch) return true;
  if (other != block) return false;
  if (lane.block->crowd.epoch > before.block_epoch) return true;
  return index / warpSize == lane.index / warpSize &&
         lane.warp_clock[static_cast<std::size_t>(index % warpSize)] > before.warp_epoch;
}

std::string place(const void* code) {
  Dl_info info{};
  if (dladdr(code, &info) == 0 || info.dli_fname == nullptr) return "unknown code";
  char text[64];
  std::snprintf(text, sizeof text, "+0x%zx",
                static_cast<std::size_t>(static_cast<const char*>(code) - static_cast<const char*>(info.dli_fbase)));
  return std::string(info.dli_fname) + text;
}

const char* name_of(Kind kind) { return kind == Kind::read ? "read" : kind == Kind::write ? "write" : "atomic access"; }

[[noreturn]] void report(const Region& region, std::uintptr_t address, const Access& before, const Access& now) {
  const Lane& lane = Group::current();
  std::string text = std::string("race in ") + (region.is_shared ? "shared" : "device") +
                     " memory: " + name_of(now.kind) + " by " + text_of(lane) + " (" + place(now.code) + ") and " +
                     name_of(before.kind) + " by thread " + std::to_string(before.lane % 1024) + " of block " +
                     std::to_string(before.lane / 1024) + " of the launch (" + place(before.code) +
                     "), with nothing between that orders them";
  if (!region.is_shared) {
    text += "; byte " + std::to_string(address - region.begin) + " of the allocation";
  } else if (const CarvedArray* array = find_array(*lane.block, reinterpret_cast<const void*>(address), 1)) {
    text += "; byte " + std::to_string(address - reinterpret_cast<std::uintptr_t>(array->address)) +
            " of the array at offset " + std::to_string(array->offset);
  }
  current_group().fail_at_once(text);
}

void touch(const Region& region, std::uintptr_t address, Word& word, const Access& now, const Lane& lane,
           std::uint64_t block) {
  const auto conflicts = [&](const Access& before) {
    if (before.run != now.run || before.lane == now.lane || (before.bytes & now.bytes) == 0) return false;
    if (before.kind == Kind::atomic && now.kind == Kind::atomic) return false;
    return !is_ordered(before, lane, block);
  };
  if (conflicts(word.write)) report(region, address, word.write, now);
  if (now.kind == Kind::read) {
    const bool own = word.reads[0].run == now.run && word.reads[0].lane == now.lane;
    const bool kept = word.reads[0].run == now.run && !own && !is_ordered(word.reads[0], lane, block);
    word.reads[kept ? 1 : 0] = now;
    return;
  }
  for (const Access& read : word.reads) {
    if (conflicts(read)) report(region, address, read, now);
  }
  word.write = now;
}

}  // namespace

void begin_launch() {
  if constexpr (!active) return;
  ++launch_number;
  for (const auto& [address, allocation] : state().allocations) {
    if (allocation.on_device && regions.count(address + allocation.bytes) == 0) {
      add_region(reinterpret_cast<const void*>(address), allocation.bytes, false);
    }
  }
}

void forget(const void* address) {
  if constexpr (!active) return;
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto found = regions.upper_bound(at);
  if (found == regions.end() || found->second.begin != at) return;
  munmap(found->second.words, words_bytes(found->second));
  regions.erase(found);
  last_region = nullptr;
}

void add_shared(const void* begin, std::size_t bytes) {
  if constexpr (active) add_region(begin, bytes, true);
}

void access(const void* address, std::size_t bytes, Kind kind, const void* code) {
  if (!Group::inside_kernel()) return;
  auto at = reinterpret_cast<std::uintptr_t>(address);
  Region* region = find_region(at);
  if (region == nullptr) return;
  Lane& lane = Group::current();
  const std::uint64_t block = block_number(lane);
  Access now;
  now.lane = block * 1024 + static_cast<std::uint64_t>(lane.index);
  now.run = region->is_shared ? current_group().run_number() : launch_number;
  now.block_epoch = lane.block->crowd.epoch;
  now.cluster_epoch = static_cast<std::uint16_t>(lane.block->cluster->crowd.epoch);
  now.grid_epoch = static_cast<std::uint16_t>(current_group().grid_crowd().epoch);
  now.warp_epoch = lane.warp_clock[static_cast<std::size_t>(lane.index % warpSize)];
  now.kind = kind;
  now.code = code;
  for (const std::uintptr_t end = std::min(at + bytes, region->end); at < end;) {
    const std::uintptr_t word = at / 4 * 4, next = std::min(word + 4, end);
    now.bytes = static_cast<std::uint8_t>(((1u << (next - at)) - 1u) << (at - word));
    touch(*region, at, region->words[(word - region->begin) / 4], now, lane, block);
    at = next;
  }
}

}  // namespace emulator::races

namespace emulator {
bool has_race_check() { return races::active; }
}  // namespace emulator
