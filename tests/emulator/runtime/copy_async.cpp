#include <cstring>
#include <numeric>

#include "emulator_control.hpp"
#include "tests/emulator/runtime/group.hpp"
#include "tests/emulator/runtime/races.hpp"

/// cp.async. Deferred, a copy reads its source and lands at the wait that covers it; until then its destination is NaN.
namespace emulator {
namespace {

// The copy may read and write at any time from the call to the wait: it counts as an access at both.
void record(const Copy& copy) {
  if constexpr (!races::active) return;
  const auto bytes = static_cast<std::size_t>(copy.bytes);
  if (copy.valid) races::access(copy.from, bytes, races::Kind::read, __builtin_return_address(0));
  races::access(copy.to, bytes, races::Kind::write, __builtin_return_address(0));
}

void deliver(const Copy& copy) {
  record(copy);
  if (copy.valid) {
    std::memcpy(copy.to, copy.from, static_cast<std::size_t>(copy.bytes));
  } else {
    std::memset(copy.to, 0, static_cast<std::size_t>(copy.bytes));
  }
}

bool is_aligned(const void* address, int bytes) {
  return reinterpret_cast<std::uintptr_t>(address) % static_cast<unsigned>(bytes) == 0;
}

}  // namespace

void copy_async(void* shared, const void* global, int bytes, bool valid, Site site) {
  Lane& lane = Group::current();
  const auto at = [&] { return " (" + text_of(site) + ", " + text_of(lane) + ")"; };
  if (!is_aligned(shared, bytes) || (valid && !is_aligned(global, bytes))) {
    current_group().fail("copy_async: misaligned address" + at());
  }
  if (find_array(*lane.block, shared, static_cast<std::size_t>(bytes)) == nullptr) {
    current_group().fail("copy_async: the destination does not lie in one array of shared memory" + at());
  }
  const Copy copy{shared, global, bytes, valid};
  if (!policy().deferred_copies) return deliver(copy);
  record(copy);
  std::memset(shared, 0xff, static_cast<std::size_t>(bytes));
  lane.copies.push_back(copy);
}

void copy_async_commit() {
  if (!policy().deferred_copies) return;
  Lane& lane = Group::current();
  lane.copy_groups.push_back(lane.copies.size() - lane.grouped_copies);
  lane.grouped_copies = lane.copies.size();
}

void copy_async_wait(int pending) {
  Lane& lane = Group::current();
  const auto most = static_cast<std::size_t>(pending);
  if (lane.copy_groups.size() <= most) return;
  const auto first = lane.copy_groups.begin(), last = lane.copy_groups.end() - pending;
  const auto landed = std::accumulate(first, last, std::size_t{0});
  for (std::size_t i = 0; i < landed; ++i) deliver(lane.copies[i]);
  lane.copies.erase(lane.copies.begin(), lane.copies.begin() + static_cast<std::ptrdiff_t>(landed));
  lane.copy_groups.erase(first, last);
  lane.grouped_copies -= landed;
}

}  // namespace emulator
