#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "tests/ptx/executor/arithmetic.hpp"

/// Blocks of a grid: their memory, their barriers. Blocks run one after another, those of a cooperative grid in turns.
namespace ptx {

/// Until all its lanes end or wait at barriers, or it has used up its budget of backward branches.
void run_warp(Warp& w, std::uint64_t budget);

namespace {

constexpr std::uint64_t turn = 200, turns_without_end = 20'000'000;

class FlushedSubnormals {
#if defined(__SSE2__)
 public:
  FlushedSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | Subnormals::flush); }
  ~FlushedSubnormals() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#endif
};

/// The registers of warps, used again for launch after launch.
class RegisterStore {
 public:
  ~RegisterStore() {
    for (unsigned char* r : files_) std::free(r);
  }
  unsigned char* file(std::size_t warp, std::size_t bytes) {
    if (bytes > bytes_) {
      for (unsigned char* r : files_) std::free(r);
      files_.clear();
      bytes_ = bytes;
    }
    while (files_.size() <= warp) files_.push_back(static_cast<unsigned char*>(std::aligned_alloc(64, bytes_)));
    return files_[warp];
  }

 private:
  std::vector<unsigned char*> files_;
  std::size_t bytes_ = 0;
};

std::uint32_t value_of(const std::string& name, const Block& block, unsigned number, unsigned lane) {
  const Launch& launch = *block.launch;
  const unsigned axis = name.back() == 'y' ? 1 : name.back() == 'z' ? 2 : 0, thread = number * lanes + lane;
  const unsigned tid[3] = {thread % launch.block[0], thread / launch.block[0] % launch.block[1],
                           thread / launch.block[0] / launch.block[1]};
  const unsigned cluster[3] = {launch.cluster, 1, 1};
  if (name.starts_with("%tid")) return tid[axis];
  if (name.starts_with("%ntid")) return launch.block[axis];
  if (name.starts_with("%ctaid")) return block.index[axis];
  if (name.starts_with("%nctaid")) return launch.grid[axis];
  if (name.starts_with("%clusterid")) return block.index[axis] / cluster[axis];
  if (name.starts_with("%nclusterid")) return launch.grid[axis] / cluster[axis];
  if (name == "%cluster_ctarank" || name == "%cluster_ctaid.x") return block.cluster_rank;
  if (name.starts_with("%cluster_nctaid")) return cluster[name.find('.') == std::string::npos ? 0 : axis];
  if (name == "%cluster_nctarank") return launch.cluster;
  if (name == "%laneid") return lane;
  if (name == "%warpid") return number;
  if (name == "%lanemask_lt") return (1u << lane) - 1;
  if (name == "%lanemask_le") return (2u << lane) - 1;
  if (name == "%lanemask_eq") return 1u << lane;
  if (name == "%lanemask_gt") return ~((2u << lane) - 1);
  if (name == "%lanemask_ge") return ~((1u << lane) - 1);
  return 0;
}

void start_warp(Warp& w, Block& block, unsigned number, unsigned threads, unsigned char* registers) {
  const Function& f = *block.launch->function;
  w = Warp();
  w.registers = registers;
  w.constants = reinterpret_cast<const unsigned char*>(f.constants.data());
  w.block = &block;
  w.function = &f;
  w.number = number;
  const unsigned here = std::min(threads - number * lanes, static_cast<unsigned>(lanes));
  w.live = here == lanes ? all_lanes : (Mask{1} << here) - 1;
  w.lanes_at_start = w.live;
  w.groups = {{0, w.live, false}};
  w.local.assign(f.local_bytes * lanes, 0xff);
  for (const Special& special : f.specials) {
    for (unsigned l = 0; l < lanes; ++l) {
      auto* wide = w.out<std::uint64_t>(special.slot) + l;
      if (special.name == "parameters")
        *wide = reinterpret_cast<std::uint64_t>(block.launch->parameters) + special.offset;
      else if (special.name == "local")
        *wide = reinterpret_cast<std::uint64_t>(w.local.data()) + f.local_bytes * l + special.offset;
      else if (special.name == "%clock64" || special.name == "%globaltimer")
        *wide = 0;
      else
        w.out<std::uint32_t>(special.slot)[l] = value_of(special.name, block, number, l);
    }
  }
}

/// Aligned to `alignment`, filled with `value`.
unsigned char* fill(std::vector<unsigned char>& store, std::size_t bytes, unsigned char value) {
  constexpr std::size_t alignment = 1024;
  store.assign(bytes + alignment, value);
  return reinterpret_cast<unsigned char*>((reinterpret_cast<std::size_t>(store.data()) + alignment - 1) / alignment *
                                          alignment);
}

class Grid {
 public:
  explicit Grid(const Launch& launch)
      : launch_(launch), number_(++launches()), threads_(launch.block[0] * launch.block[1] * launch.block[2]) {
    const Function& f = *launch.function;
    if (threads_ > f.most_threads)
      throw std::runtime_error("ptx: " + f.name + ": " + std::to_string(threads_) + " threads, but .maxntid " +
                               std::to_string(f.most_threads));
    blocks_of_grid_ = std::uint64_t{launch.grid[0]} * launch.grid[1] * launch.grid[2];
    together_ = launch.cooperative ? blocks_of_grid_ : launch.cluster;
    for (std::uint64_t n = 0; n < together_; ++n) blocks_.push_back(std::make_unique<Block>());
  }

  void run() {
    for (std::uint64_t first = 0; first < blocks_of_grid_; first += together_) {
      for (std::uint64_t n = 0; n < together_; ++n) start(*blocks_[n], first + n, n);
      std::vector<bool> ended(together_, false);
      std::uint64_t turns = 0;
      for (std::uint64_t left = together_; left > 0;) {
        if (++turns > turns_without_end) throw std::runtime_error("ptx: " + launch_.function->name + " does not end");
        for (std::uint64_t n = 0; n < together_; ++n) {
          if (ended[n] || !step(*blocks_[n])) continue;
          ended[n] = true;
          --left;
          finish(*blocks_[n]);
        }
      }
    }
  }

 private:
  static std::uint64_t& launches() {
    static std::uint64_t count = 0;
    return count;
  }

  void start(Block& block, std::uint64_t number, std::uint64_t place) {
    static RegisterStore registers;  // launches follow one another
    const Function& f = *launch_.function;
    block.launch = &launch_;
    block.launch_number = number_;
    block.together = &blocks_;
    const std::uint64_t x = launch_.grid[0], y = launch_.grid[1];
    block.index[0] = static_cast<unsigned>(number % x);
    block.index[1] = static_cast<unsigned>(number / x % y);
    block.index[2] = static_cast<unsigned>(number / x / y);
    block.cluster_rank = block.index[0] % launch_.cluster;
    block.shared_bytes = (f.shared_bytes + 1023) / 1024 * 1024 + launch_.shared_bytes;
    block.shared = fill(block.shared_store, block.shared_bytes, 0xff);
    block.written = fill(block.written_store, block.shared_bytes, 0);
    block.unpublished.assign(f.has_warpgroup_products ? block.shared_bytes : 0, 0);
    block.arrived = {};
    const std::size_t warps = (threads_ + lanes - 1) / lanes;
    block.warps.resize(warps);
    for (std::size_t n = 0; n < warps; ++n)
      start_warp(block.warps[n], block, static_cast<unsigned>(n), threads_,
                 registers.file(place * warps + n, (f.register_bytes + 127) / 64 * 64));
  }

  /// Lets each warp run as far as it can, then opens barriers. True when the block has ended.
  bool step(Block& block) {
    bool ended = true, stuck = true;
    for (Warp& w : block.warps) {
      if (w.groups.empty()) continue;
      if (!w.at_barrier) {
        run_warp(w, turn);
        stuck = false;
      }
      ended = ended && w.groups.empty();
    }
    if (ended) return true;
    if (!open_barriers(block) && stuck) report_stuck(block);
    return false;
  }

  static const Instruction& barrier_of(const Warp& w) { return w.function->code[w.groups[0].pc]; }
  /// The number of the barrier at which a warp waits, and how many lanes it brings together.
  static std::uint32_t operand_of(const Warp& w, Slot slot) {
    return w.in<std::uint32_t>(slot)[std::countr_zero(w.groups[0].mask)];
  }

  bool open_barriers(Block& block) {
    bool some = false;
    for (Warp& w : block.warps) {  // arriving warps continue
      if (w.groups.empty() || !w.at_barrier || barrier_of(w).mode != 'a') continue;
      block.arrived[operand_of(w, barrier_of(w).in[0]) % 16] += static_cast<unsigned>(std::popcount(w.groups[0].mask));
      pass(w);
      some = true;
    }
    unsigned live = 0;
    for (const Warp& w : block.warps) live += w.groups.empty() ? 0 : static_cast<unsigned>(std::popcount(w.live));
    for (std::uint32_t number = 0; number < 16; ++number) {
      std::vector<Warp*> here;
      unsigned lanes_here = block.arrived[number], expected = live;
      for (Warp& w : block.warps) {
        if (w.groups.empty() || !w.at_barrier || operand_of(w, barrier_of(w).in[0]) != number) continue;
        const Instruction& i = barrier_of(w);
        if (i.target == 1 && w.groups[0].mask != w.live) fail(w, i, "a barrier without all lanes of the warp");
        if (!here.empty() &&
            (barrier_of(*here[0]).mode != i.mode || (barrier_of(*here[0]).in[1] == no_slot) != (i.in[1] == no_slot)))
          fail(w, i, "warps wait at barrier " + std::to_string(number) + " with different instructions");
        if (i.in[1] != no_slot) expected = operand_of(w, i.in[1]);
        here.push_back(&w);
        // Ended lanes of a warp count with it if the barrier counts threads.
        lanes_here +=
            i.in[1] == no_slot ? static_cast<unsigned>(std::popcount(w.groups[0].mask)) : static_cast<unsigned>(lanes);
      }
      if (here.empty() || lanes_here < expected) continue;
      if (lanes_here > expected)
        fail(*here[0], barrier_of(*here[0]),
             std::to_string(lanes_here) + " lanes at a barrier of " + std::to_string(expected));
      combine(here);
      block.arrived[number] = 0;
      for (Warp* w : here) pass(*w);
      some = true;
    }
    return some;
  }
  static void pass(Warp& w) {
    w.at_barrier = false;
    w.groups[0].waits = false;
    ++w.groups[0].pc;
  }
  /// bar.red: the reduction of the predicates of all lanes.
  static void combine(const std::vector<Warp*>& here) {
    const std::uint32_t mode = barrier_of(*here[0]).mode;
    if (mode == 's') return;
    unsigned holding = 0, all = 0;
    for (const Warp* w : here) {
      holding += static_cast<unsigned>(std::popcount(w->predicate(barrier_of(*w).in[2]) & w->groups[0].mask));
      all += static_cast<unsigned>(std::popcount(w->groups[0].mask));
    }
    for (Warp* w : here) {
      const Instruction& i = barrier_of(*w);
      const Mask mask = w->groups[0].mask;
      if (mode == 'p')
        each_lane(mask, [&](int l) { w->out<std::uint32_t>(i.out)[l] = holding; });
      else
        w->set_predicate(i.out, (mode == '&' ? holding == all : holding > 0) ? all_lanes : 0, mask);
    }
  }
  [[noreturn]] static void report_stuck(const Block& block) {
    for (const Warp& w : block.warps) {
      if (!w.groups.empty()) fail(w, barrier_of(w), "warps wait at barriers for lanes that do not come");
    }
    throw std::logic_error("ptx: nobody waits");
  }

  void finish(const Block& block) const {
    const std::string& name = launch_.function->name;
    for (const Warp& w : block.warps) {
      if (launch_.early && w.waited != w.lanes_at_start)
        throw std::runtime_error("ptx: " + name + " is launched early and ends without griddepcontrol.wait");
      if (!w.copies.empty())
        throw std::runtime_error("ptx: " + name + " ends with " + std::to_string(w.copies.size()) +
                                 " copies that nobody waited for");
      if (!w.products.empty()) throw std::runtime_error("ptx: " + name + " ends with products that nobody waited for");
      const Warp& first = block.warps[w.number / 4 * 4];
      if (w.issued_products != first.issued_products)
        throw std::runtime_error("ptx: " + name + ": the warps of a warpgroup issue different numbers of products");
    }
  }

  const Launch& launch_;
  const std::uint64_t number_;
  const unsigned threads_;
  std::uint64_t blocks_of_grid_ = 0, together_ = 1;
  std::vector<std::unique_ptr<Block>> blocks_;
};

}  // namespace

void execute(const Launch& launch) {
  const FlushedSubnormals mode;
  Grid(launch).run();
}

}  // namespace ptx
