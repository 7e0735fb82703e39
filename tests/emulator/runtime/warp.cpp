#include "tests/emulator/runtime/warp.hpp"

#include <algorithm>
#include <bit>

#include "tests/emulator/runtime/races.hpp"

/// Operations of a warp: meeting with checks, votes, reductions, shuffles.
namespace emulator {
namespace {

struct OperationOperands {
  WarpOperation operation;
  bool is_signed;
  std::uint64_t value, result;
};
struct ShuffleOperands {
  std::uint64_t value;
  int source;
  std::uint64_t result;
};

Lane& lane_at(Block& block, int warp, int lane) {
  return block.lanes[static_cast<std::size_t>(warp * warpSize + lane)];
}

// Lanes that wait in this warp for one of the lanes of `mask`, or are waited for, must be at the same operation.
void check_others(Lane& lane, unsigned mask, const char* name, const Site& site) {
  Block& block = *lane.block;
  const int warp = lane.index / warpSize;
  const Warp& state = block.warps[static_cast<std::size_t>(warp)];
  const auto at = [&] { return std::string(name) + ", " + text_of(site) + ": " + text_of(lane); };
  if ((mask >> (lane.index % warpSize) & 1u) == 0)
    current_group().fail("warp operation " + at() + " is not in its own mask");
  if ((mask & state.ended) != 0) {
    current_group().fail("warp operation " + at() + " names lane " +
                         std::to_string(std::countr_zero(mask & state.ended)) + ", which has ended or does not exist");
  }
  // The waiting lanes have been checked against each other: one of the mask represents all.
  const unsigned of_mask = state.arrived & mask;
  for (unsigned rest = of_mask != 0 ? of_mask & (0u - of_mask) : state.arrived; rest != 0; rest &= rest - 1) {
    const Lane& other = lane_at(block, warp, std::countr_zero(rest));
    if ((other.mask & mask) == 0) continue;
    if (other.mask == mask && other.waits_for == name && same_site(other.site, site)) continue;
    current_group().fail("warp operations diverge: " + at() + " with mask " + std::to_string(mask) + ", but " +
                         text_of(other) + " waits at " + other.waits_for + ", " + text_of(other.site) + " with mask " +
                         std::to_string(other.mask));
  }
}

std::uint64_t combine_values(WarpOperation operation, bool is_signed, std::uint64_t a, std::uint64_t b) {
  const bool less = is_signed ? static_cast<std::int64_t>(a) < static_cast<std::int64_t>(b) : a < b;
  switch (operation) {
    case WarpOperation::add:
      return a + b;
    case WarpOperation::minimum:
      return less ? a : b;
    case WarpOperation::maximum:
      return less ? b : a;
    case WarpOperation::bit_and:
    case WarpOperation::all:
      return a & b;
    case WarpOperation::bit_or:
    case WarpOperation::any:
      return a | b;
    case WarpOperation::bit_xor:
      return a ^ b;
    default:
      return 0;
  }
}

void combine_operation(const WarpOperands& all, unsigned mask) {
  const auto at = [&](int lane) -> OperationOperands& {
    return *static_cast<OperationOperands*>(all[static_cast<std::size_t>(lane)]);
  };
  const int first = std::countr_zero(mask);
  std::uint64_t value = at(first).value, ballot = 0;
  for (unsigned rest = mask & (mask - 1); rest != 0; rest &= rest - 1) {
    value = combine_values(at(first).operation, at(first).is_signed, value, at(std::countr_zero(rest)).value);
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    if (at(lane).value != 0) ballot |= std::uint64_t{1} << lane;
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    OperationOperands& mine = at(std::countr_zero(rest));
    mine.result = mine.operation == WarpOperation::ballot ? ballot : value;
    if (mine.operation != WarpOperation::match_any) continue;
    mine.result = 0;
    for (unsigned other = mask; other != 0; other &= other - 1) {
      if (at(std::countr_zero(other)).value == mine.value) mine.result |= std::uint64_t{1} << std::countr_zero(other);
    }
  }
}

void combine_shuffle(const WarpOperands& all, unsigned mask) {
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    auto& mine = *static_cast<ShuffleOperands*>(all[static_cast<std::size_t>(std::countr_zero(rest))]);
    const auto* from = static_cast<ShuffleOperands*>(all[static_cast<std::size_t>(mine.source)]);
    if (from == nullptr) {
      current_group().fail("shuffle in block of " + text_of(Group::current()) + ": lane " +
                           std::to_string(std::countr_zero(rest)) + " reads lane " + std::to_string(mine.source) +
                           ", which is not in the mask");
    }
    mine.result = from->value;
  }
}

// Only __syncwarp orders memory: merges the lanes' knowledge of the warp's accesses.
void combine_clocks(const WarpOperands& all, unsigned mask) {
  if constexpr (!races::active) return;
  std::array<std::uint32_t, 32> joint{};
  const auto clock_of = [&](int lane) -> std::array<std::uint32_t, 32>& {
    return static_cast<Lane*>(all[static_cast<std::size_t>(lane)])->warp_clock;
  };
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    ++clock_of(lane)[static_cast<std::size_t>(lane)];
    for (std::size_t i = 0; i < joint.size(); ++i) joint[i] = std::max(joint[i], clock_of(lane)[i]);
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) clock_of(std::countr_zero(rest)) = joint;
}

const char* name_of(WarpOperation operation) {
  constexpr const char* names[] = {"__syncwarp",        "__ballot_sync",     "__any_sync",        "__all_sync",
                                   "__match_any_sync",  "__reduce_add_sync", "__reduce_min_sync", "__reduce_max_sync",
                                   "__reduce_and_sync", "__reduce_or_sync",  "__reduce_xor_sync"};
  return names[static_cast<int>(operation)];
}

}  // namespace

void meet(unsigned mask, const char* name, Site site, void* operands, void (*combine)(const WarpOperands&, unsigned)) {
  Lane& lane = Group::current();
  const int warp = lane.index / warpSize;
  check_others(lane, mask, name, site);
  Warp& state = lane.block->warps[static_cast<std::size_t>(warp)];
  lane.operands = operands;
  lane.mask = mask;
  state.arrived |= 1u << (lane.index % warpSize);
  if ((state.arrived & mask) != mask) return current_group().wait(lane, name, site);

  WarpOperands all{};
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const int at = std::countr_zero(rest);
    all[static_cast<std::size_t>(at)] = lane_at(*lane.block, warp, at).operands;
  }
  if (combine != nullptr) combine(all, mask);
  state.arrived &= ~mask;
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    Lane& other = lane_at(*lane.block, warp, std::countr_zero(rest));
    if (&other != &lane) current_group().make_ready(other);
  }
}

void leave_warp(Lane& lane) {
  const int warp = lane.index / warpSize;
  Warp& state = lane.block->warps[static_cast<std::size_t>(warp)];
  state.ended |= 1u << (lane.index % warpSize);
  for (unsigned rest = state.arrived; rest != 0; rest &= rest - 1) {
    const Lane& other = lane_at(*lane.block, warp, std::countr_zero(rest));
    if ((other.mask & state.ended) == 0) continue;
    current_group().fail(text_of(lane) + " has ended, but " + text_of(other) + " waits for it at " + other.waits_for +
                         ", " + text_of(other.site));
  }
}

int lane_of_warp() { return Group::current().index % warpSize; }

std::uint64_t warp_operation(WarpOperation operation, unsigned mask, std::uint64_t value, bool is_signed, Site site) {
  OperationOperands operands{operation, is_signed, value, 0};
  if (operation == WarpOperation::synchronize) {
    meet(mask, name_of(operation), site, &Group::current(), &combine_clocks);
  } else {
    meet(mask, name_of(operation), site, &operands, &combine_operation);
  }
  return operands.result;
}

std::uint64_t shuffle(unsigned mask, std::uint64_t bits, int source, Site site) {
  ShuffleOperands operands{bits, source, 0};
  meet(mask, "shuffle", site, &operands, &combine_shuffle);
  return operands.result;
}

}  // namespace emulator
