#include "tests/emulator/runtime/group.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <map>

#include "emulator_control.hpp"
#include "tests/emulator/runtime/races.hpp"

constinit thread_local uint3 threadIdx{};
constinit thread_local uint3 blockIdx{};
constinit thread_local dim3 blockDim{};
constinit thread_local dim3 gridDim{};

namespace emulator {
namespace {

#define CUGAD_HERE __attribute__((tls_model("initial-exec")))  // no call per access
CUGAD_HERE constinit thread_local Lane* current_lane = nullptr;
CUGAD_HERE constinit thread_local Group* group_here = nullptr;
CUGAD_HERE constinit thread_local Fiber* starting_fiber = nullptr;
#undef CUGAD_HERE

/// Thrown by Group::fail, caught where the lane began.
struct Failed {};

void announce(Lane& lane) {
  current_lane = &lane;
  threadIdx = lane.thread;
  blockIdx = lane.block->index;
}

}  // namespace

Group::Group() = default;
Group::~Group() {
  for (Fiber* fiber : idle_) destroy_fiber(fiber);
}

Lane& Group::current() { return *current_lane; }
bool Group::inside_kernel() { return current_lane != nullptr; }
Group& current_group() { return *group_here; }

std::string Group::run(const Launch& launch, std::uint64_t number) {
  launch_ = &launch;
  order_ = policy().order;
  failure_.clear();
  failed_ = false;
  prepare(number);
  blockDim = launch.block;
  gridDim = launch.grid;
  group_here = this;
  for (;;) {
    Lane* lane = nullptr;
    Fiber* fiber = next_fiber(&lane);
    if (fiber == nullptr) break;
    if (lane != nullptr) resume(*lane);
    switch_fiber(scheduler_, *fiber);
    if (failed_) break;
  }
  if (!failed_) {
    if (grid_.live > 0) {
      failed_ = true;
      failure_ = describe_deadlock();
    }
    for (std::size_t b = 0; b < used_blocks_ && !failed_; ++b) {
      failure_ = check_red_zones(*blocks_[b]);
      failed_ = !failure_.empty();
    }
  }
  current_lane = nullptr;
  group_here = nullptr;
  if (failed_) abandon();
  return failure_;
}

void Group::prepare(std::uint64_t number) {
  const std::uint64_t first = number * launch_->blocks_per_group();
  used_blocks_ = static_cast<std::size_t>(launch_->blocks_per_group());
  while (blocks_.size() < used_blocks_) blocks_.push_back(std::make_unique<Block>());
  const std::size_t clusters = used_blocks_ / launch_->cluster;
  while (clusters_.size() < clusters) clusters_.push_back(std::make_unique<Cluster>());
  const int threads = static_cast<int>(launch_->block.x * launch_->block.y * launch_->block.z);
  for (std::size_t c = 0; c < clusters; ++c) {
    clusters_[c]->blocks.clear();
    clusters_[c]->crowd.waiting.clear();
    clusters_[c]->crowd.epoch = 0;
    clusters_[c]->crowd.live = threads * static_cast<int>(launch_->cluster);
  }
  grid_.waiting.clear();
  grid_.epoch = 0;
  if constexpr (races::active) {
    static std::uint32_t runs = 0;  // one OS thread runs the kernels of such a build
    run_number_ = ++runs;
  }
  grid_.live = threads * static_cast<int>(used_blocks_);
  for (std::size_t b = 0; b < used_blocks_; ++b) {
    Cluster& cluster = *clusters_[b / launch_->cluster];
    blocks_[b]->cluster = &cluster;
    blocks_[b]->rank = static_cast<unsigned>(cluster.blocks.size());
    cluster.blocks.push_back(blocks_[b].get());
    prepare_block(*blocks_[b], first + b);
  }
  random_state_ = policy().seed * 0x9e3779b97f4a7c15u + launch_->number * 0xbf58476d1ce4e5b9u + number;
  ready_.clear();
  order_lanes();
}

void Group::prepare_block(Block& block, std::uint64_t linear) {
  const dim3 &grid = launch_->grid, &size = launch_->block;
  block.index = {static_cast<unsigned>(linear % grid.x), static_cast<unsigned>(linear / grid.x % grid.y),
                 static_cast<unsigned>(linear / grid.x / grid.y)};
  const int threads = static_cast<int>(size.x * size.y * size.z);
  if (block.lanes.size() < static_cast<std::size_t>(threads)) block.lanes.resize(static_cast<std::size_t>(threads));
  block.warps.assign(static_cast<std::size_t>((threads + warpSize - 1) / warpSize), Warp{});
  if (threads % warpSize != 0) block.warps.back().ended = ~0u << (threads % warpSize);
  block.crowd.waiting.clear();
  block.crowd.live = threads;
  block.crowd.epoch = 0;
  for (int i = 0; i < threads; ++i) {
    Lane& lane = block.lanes[static_cast<std::size_t>(i)];
    const auto at = static_cast<unsigned>(i);
    lane.block = &block;
    lane.index = i;
    lane.thread = {at % size.x, at / size.x % size.y, at / size.x / size.y};
    lane.state = LaneState::not_started;
    if constexpr (races::active) lane.warp_clock.fill(0);
    lane.copies.clear();
    lane.copy_groups.clear();
    lane.grouped_copies = 0;
  }
  prepare_shared_memory(block, launch_->shared_bytes);
}

std::uint64_t Group::random() {  // splitmix64
  std::uint64_t z = random_state_ += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

void Group::order_lanes() {
  start_order_.clear();
  started_ = 0;
  for (std::size_t b = 0; b < used_blocks_; ++b) {
    const auto threads = static_cast<std::size_t>(blocks_[b]->crowd.live);
    for (std::size_t i = 0; i < threads; ++i) start_order_.push_back(&blocks_[b]->lanes[i]);
  }
  if (order_ == Order::reverse) std::reverse(start_order_.begin(), start_order_.end());
  if (order_ == Order::seeded) {
    for (std::size_t i = start_order_.size(); i > 1; --i) std::swap(start_order_[i - 1], start_order_[random() % i]);
  }
}

Lane* Group::next_to_start() { return started_ < start_order_.size() ? start_order_[started_++] : nullptr; }

// forward: the lane that has waited longest; reverse: the one that has waited shortest; seeded: any.
Lane* Group::take_ready() {
  if (ready_.empty()) return nullptr;
  if (order_ == Order::seeded) std::swap(ready_.front(), ready_[random() % ready_.size()]);
  const bool last = order_ == Order::reverse;
  Lane* lane = last ? ready_.back() : ready_.front();
  if (last) {
    ready_.pop_back();
  } else {
    ready_.pop_front();
  }
  return lane;
}

/// The fiber to run next: that of a ready lane (returned in *lane), or one that will start another lane; null if
/// neither is.
Fiber* Group::next_fiber(Lane** lane) {
  const bool more = started_ < start_order_.size();
  const bool start_first = more && (order_ == Order::reverse || (order_ == Order::seeded && (random() & 1) != 0));
  *lane = start_first ? nullptr : take_ready();
  if (*lane != nullptr) return (*lane)->fiber;
  if (!more) return nullptr;
  if (idle_.empty()) {
    starting_fiber = create_fiber(&Group::fiber_entry);
    return starting_fiber;
  }
  Fiber* fiber = idle_.back();
  idle_.pop_back();
  starting_fiber = fiber;
  return fiber;
}

void Group::resume(Lane& lane) {
  lane.state = LaneState::ready;
  announce(lane);
}

void Group::make_ready(Lane& lane) {
  lane.state = LaneState::ready;
  lane.waits_for = nullptr;
  ready_.push_back(&lane);
}

void Group::wait(Lane& lane, const char* what, Site site) {
  lane.state = LaneState::waiting;
  lane.waits_for = what;
  lane.site = site;
  Lane* next = nullptr;
  Fiber* fiber = next_fiber(&next);
  if (next != nullptr) resume(*next);
  Fiber& mine = *lane.fiber;
  switch_fiber(mine, fiber != nullptr ? *fiber : scheduler_);
}

void Group::fiber_entry() {
  enter_fiber(*starting_fiber);
  for (;;) group_here->run_fiber();
}

// One stack serves lane after lane as long as none of them waits: kernels without barriers never switch.
void Group::run_fiber() {
  Fiber& mine = *starting_fiber;
  while (Lane* lane = next_to_start()) {
    lane->fiber = &mine;
    lane->state = LaneState::ready;
    lane->carved = 0;
    lane->waited = false;
    announce(*lane);
    run_lane(*lane);
    if (failed_) break;
  }
  idle_.push_back(&mine);
  if (failed_) return switch_fiber(mine, scheduler_);
  Lane* next = nullptr;
  Fiber* fiber = next_fiber(&next);
  if (next != nullptr) resume(*next);
  switch_fiber(mine, fiber != nullptr ? *fiber : scheduler_);
}

void Group::run_lane(Lane& lane) {
  try {
    launch_->body();
    end_lane(lane);
  } catch (const Failed&) {
  } catch (const std::exception& error) {
    failed_ = true;
    failure_ = text_of(lane) + " threw: " + error.what();
  }
  lane.state = LaneState::ended;
}

void Group::end_lane(Lane& lane) {
  if (launch_->early && !lane.waited) {
    fail("a kernel that is launched early ends without wait_for_earlier_work: " + text_of(lane));
  }
  lane.state = LaneState::ended;
  leave_warp(lane);
  leave(lane.block->crowd);
  if (lane.block->cluster->blocks.size() > 1) leave(lane.block->cluster->crowd);
  leave(grid_);
}

void Group::fail(const std::string& text) {
  failed_ = true;
  failure_ = text;
  throw Failed();
}

void Group::fail_at_once(const std::string& text) {
  failed_ = true;
  failure_ = text;
  Lane& lane = *current_lane;
  lane.state = LaneState::waiting;  // abandoned with its fiber
  switch_fiber(*lane.fiber, scheduler_);
  std::terminate();  // never resumed
}

void Group::abandon() {
  for (std::size_t b = 0; b < used_blocks_; ++b) {
    for (Lane& lane : blocks_[b]->lanes) {
      if (lane.state == LaneState::ready || lane.state == LaneState::waiting) destroy_fiber(lane.fiber);
      lane.state = LaneState::ended;
    }
  }
}

std::string Group::describe_deadlock() const {
  std::map<std::string, std::pair<int, std::string>> waiting;
  for (std::size_t b = 0; b < used_blocks_; ++b) {
    for (const Lane& lane : blocks_[b]->lanes) {
      if (lane.state != LaneState::waiting) continue;
      auto& [count, first] = waiting[std::string(lane.waits_for) + " at " + text_of(lane.site)];
      if (count++ == 0) first = text_of(lane);
    }
  }
  std::string text = "deadlock: every thread that has not ended waits";
  for (const auto& [where, who] : waiting) {
    text += "\n  " + std::to_string(who.first) + " at " + where + ", the first of them " + who.second;
  }
  return text;
}

std::string text_of(const Site& site) { return std::string(site.file_name()) + ":" + std::to_string(site.line()); }

std::string text_of(const Lane& lane) {
  const auto text = [](const uint3& v) {
    return "(" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
  };
  return "thread " + text(lane.thread) + " of block " + text(lane.block->index);
}

bool same_site(const Site& a, const Site& b) {
  if (std::memcmp(&a, &b, sizeof a) == 0) return true;  // the same record of the compiler
  if (a.line() != b.line() || a.column() != b.column()) return false;
  return a.file_name() == b.file_name() || std::string_view(a.file_name()) == b.file_name();
}

}  // namespace emulator
