#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "emulator/lane.hpp"
#include "emulator_control.hpp"
#include "tests/emulator/runtime/fiber.hpp"

/// The blocks that must run together (one; the blocks of a cluster; a whole cooperative grid) as fibers of one OS
/// thread.
namespace emulator {

struct Block;
struct Lane;

enum class LaneState : std::uint8_t { not_started, ready, waiting, ended };

/// Lanes that meet at a barrier: those of a block, a cluster or a grid. Lanes that have ended leave the count.
struct Crowd {
  int live = 0;
  std::vector<Lane*> waiting;
  const char* name = nullptr;  ///< of the barrier at which they wait
  Vote vote{};
  std::uint32_t epoch = 0;  ///< barriers passed, for the race check
};

struct Copy {
  void* to;
  const void* from;
  int bytes;
  bool valid;
};

struct Lane {
  Block* block = nullptr;
  Fiber* fiber = nullptr;
  uint3 thread{};
  int index = 0;  ///< in the block
  LaneState state = LaneState::not_started;
  const char* waits_for = nullptr;
  Site site;
  unsigned mask = 0;         ///< of the warp operation at which it waits
  void* operands = nullptr;  ///< of that operation
  Vote vote{};               ///< outcome of the last barrier
  std::size_t carved = 0;    ///< arrays taken since begin_carving
  bool waited = false;       ///< for the work before its launch
  // cp.async under way, oldest first: the groups that are closed, then the copies since the last commit.
  std::vector<Copy> copies;
  std::vector<std::size_t> copy_groups;  ///< how many copies each has
  std::size_t grouped_copies = 0;        ///< all of theirs
  /// For the race check: how often each lane of the warp had met others at __syncwarp when this lane last heard of it.
  std::array<std::uint32_t, 32> warp_clock{};
};

struct Warp {
  unsigned arrived = 0, ended = 0;
};

struct CarvedArray {
  std::size_t offset, bytes, alignment;
  unsigned char* address;
};

struct Cluster {
  Crowd crowd;
  std::vector<Block*> blocks;
};

struct Block {
  uint3 index{};
  std::vector<Lane> lanes;  ///< of the largest launch so far; the first are in use
  std::vector<Warp> warps;
  Crowd crowd;
  Cluster* cluster = nullptr;
  unsigned rank = 0;  ///< in the cluster
  std::vector<CarvedArray> arrays;
  std::unique_ptr<unsigned char[]> memory;
  std::size_t memory_bytes = 0;
  unsigned char* memory_end = nullptr;  ///< of the part in use

  Block() = default;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block();
};

/// What all groups of one launch share.
struct Launch {
  std::function<void()> body;
  dim3 grid, block;
  std::size_t shared_bytes = 0;
  unsigned cluster = 1;
  bool cooperative = false;
  bool early = false;        ///< programmatic dependent launch
  std::uint64_t number = 0;  ///< of the launch since the policy was set: part of the seed

  std::uint64_t blocks() const { return std::uint64_t{grid.x} * grid.y * grid.z; }
  std::uint64_t blocks_per_group() const { return cooperative ? blocks() : cluster; }
};

class Group {
 public:
  Group();
  ~Group();
  /// Runs group `number` of a launch to its end. Returns the error, if any.
  std::string run(const Launch& launch, std::uint64_t number);

  /// The lane that runs on this OS thread.
  static Lane& current();
  static bool inside_kernel();
  const Launch& launch() const { return *launch_; }
  Crowd& grid_crowd() { return grid_; }
  /// Tells this run of a group from all others, for the race check.
  std::uint32_t run_number() const { return run_number_; }

  /// Suspends the lane that runs until another makes it ready.
  void wait(Lane& lane, const char* what, Site site);
  void make_ready(Lane& lane);
  /// Ends the group with a report, by an exception that unwinds the lane.
  [[noreturn]] void fail(const std::string& text);
  /// The same without an exception: for hooks, which compilers assume not to throw. Objects on the lane's stack are not
  /// destroyed.
  [[noreturn]] void fail_at_once(const std::string& text);

 private:
  static void fiber_entry();
  void prepare(std::uint64_t number);
  void prepare_block(Block& block, std::uint64_t linear);
  void order_lanes();
  void run_fiber();
  void run_lane(Lane& lane);
  void end_lane(Lane& lane);
  Lane* next_to_start();
  Fiber* next_fiber(Lane** lane);
  void resume(Lane& lane);
  Lane* take_ready();
  std::string describe_deadlock() const;
  void abandon();
  std::uint64_t random();

  const Launch* launch_ = nullptr;
  Order order_ = Order::forward;  ///< of the lanes, as the policy has it
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<std::unique_ptr<Cluster>> clusters_;
  std::size_t used_blocks_ = 0;
  Crowd grid_;
  std::vector<Lane*> start_order_;
  std::size_t started_ = 0;
  std::deque<Lane*> ready_;
  Fiber scheduler_;
  std::vector<Fiber*> idle_;  ///< suspended between two lanes
  std::uint64_t random_state_ = 0;
  std::uint32_t run_number_ = 0;
  std::string failure_;
  bool failed_ = false;
};

/// The group that runs on this OS thread.
Group& current_group();

/// "file:line"
std::string text_of(const Site& site);
/// "thread (x, y, z) of block (x, y, z)"
std::string text_of(const Lane& lane);
/// Whether two lanes are at the same operation.
bool same_site(const Site& a, const Site& b);

/// Barrier of a crowd; returns the votes of all its lanes.
Vote arrive(Crowd& crowd, const char* name, bool predicate, Site site);
/// Resumes the lanes that waited for ended ones.
void leave(Crowd& crowd);
/// A lane has ended: warp operations may not name it any more.
void leave_warp(Lane& lane);

/// Red zones round the carved arrays: written over? Called when a block has ended; empty if all is well.
std::string check_red_zones(Block& block);
void prepare_shared_memory(Block& block, std::size_t bytes);
/// The carved array that holds these bytes, or null.
const CarvedArray* find_array(const Block& block, const void* address, std::size_t bytes);

}  // namespace emulator
