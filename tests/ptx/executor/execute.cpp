#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "tests/ptx/executor/arithmetic.hpp"

/// Runs a warp as far as possible: lanes execute together as long as they are at the same instruction.
namespace ptx {
namespace {

std::string mask_text(Mask mask) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%08x", mask);
  return text.data();
}

/// Returns a group to the list; lanes at the same instruction continue together.
void put(Warp& w, Group group) {
  for (Group& other : w.groups) {
    if (other.pc != group.pc) continue;
    other.mask |= group.mask;
    other.waits = other.waits && group.waits;
    return;
  }
  w.groups.push_back(group);
}

/// The lanes of `mask` that may pass the collective now: those all of whose member mask are here.
Mask ready_lanes(const Warp& w, const Instruction& i, Mask mask) {
  const auto* named = w.in<std::uint32_t>(i.in[3]);
  for (Mask rest = mask; rest != 0;) {
    const int first = std::countr_zero(rest);
    const Mask members = named[first];
    Mask same = 0;
    each_lane(rest, [&](int l) { same |= named[l] == members ? Mask{1} << l : 0; });
    if ((same & ~members) != 0) {
      fail(w, i,
           "lane " + std::to_string(std::countr_zero(same & ~members)) + " is not in its own member mask " +
               mask_text(members));
    }
    if ((members & ~w.live) != 0) fail(w, i, "the member mask " + mask_text(members) + " names lanes that have ended");
    if (same == members) return same;
    rest &= ~same;
  }
  return 0;
}

[[noreturn]] void deadlock(const Warp& w) {
  std::string text = "lanes wait for each other:";
  for (const Group& g : w.groups) {
    const Instruction& i = w.function->code[g.pc];
    text += " " + mask_text(g.mask) + " at line " + std::to_string(i.line) + " (" + std::string(i.text) + ")";
  }
  fail(w, w.function->code[w.groups[0].pc], text);
}

/// One group of lanes on its way through the code, until it waits, ends, or another group should go first.
class Walk {
 public:
  Walk(Warp& w, Group group, std::uint64_t& budget)
      : w_(w), code_(w.function->code.data()), pc_(group.pc), mask_(group.mask), budget_(budget) {}

  void run() {
    look();
    unsigned char* const executed = w_.function->executed.data();
    while (mask_ != 0) {
      const Instruction& i = code_[pc_];
      Mask active = mask_;
      if (i.predicate != no_slot) active &= i.negated ? ~w_.predicate(i.predicate) : w_.predicate(i.predicate);
      if (active != 0) executed[pc_] = 1;
      bool jumped = false;
      switch (i.kind) {
        case Kind::plain:
          if (active != 0) i.run(w_, i, active);
          ++pc_;
          break;
        case Kind::branch:
          jumped = branch(i, active);
          break;
        case Kind::exit:
          w_.live &= ~active;
          mask_ &= ~active;
          ++pc_;
          break;
        case Kind::barrier:
          if (active != mask_) fail(w_, i, "a barrier that only some lanes of a warp reach");
          wait();
          break;
        case Kind::collective:
          jumped = collective(i, active);
          break;
      }
      if (mask_ == 0) return;
      if (jumped) look();
      if (pc_ >= meet_ || (jumped && (behind_ <= pc_ || budget_ == 0))) return put(w_, {pc_, mask_, false});
    }
  }

 private:
  /// The positions of other groups: a group merges with those ahead when it reaches them; after a jump the group
  /// furthest behind runs first.
  void look() {
    meet_ = behind_ = ~std::uint32_t{0};
    for (const Group& g : w_.groups) {
      if (g.pc > pc_) meet_ = std::min(meet_, g.pc);
      if (!g.waits) behind_ = std::min(behind_, g.pc);
    }
  }
  void wait() {
    put(w_, {pc_, mask_, true});
    mask_ = 0;
  }
  bool branch(const Instruction& i, Mask active) {
    if (active == 0) {
      ++pc_;
      return false;
    }
    if (active != mask_) put(w_, {pc_ + 1, mask_ & ~active, false});
    if (i.target <= pc_ && budget_ > 0) --budget_;
    pc_ = i.target;
    mask_ = active;
    return true;
  }
  bool collective(const Instruction& i, Mask active) {
    if (active == 0) {
      ++pc_;
      return false;
    }
    const Mask ready = ready_lanes(w_, i, active);
    if (ready == 0) {
      if (active != mask_) fail(w_, i, "a collective of which the guard leaves out some members");
      wait();
      return false;
    }
    i.run(w_, i, ready);
    const Mask left = active & ~ready;
    if (left != 0) put(w_, {pc_, left, false});
    mask_ &= ~left;
    ++pc_;
    return left != 0;
  }

  Warp& w_;
  const Instruction* const code_;
  std::uint32_t pc_;
  Mask mask_;
  std::uint64_t& budget_;
  std::uint32_t meet_ = 0, behind_ = 0;
};

}  // namespace

void run_warp(Warp& w, std::uint64_t budget) {
  while (!w.groups.empty()) {
    auto chosen = w.groups.end();  // the runnable group that is furthest behind
    for (auto g = w.groups.begin(); g != w.groups.end(); ++g) {
      if (!g->waits && (chosen == w.groups.end() || g->pc < chosen->pc)) chosen = g;
    }
    if (chosen == w.groups.end()) {  // all wait: together at one barrier, or for ever
      if (w.groups.size() != 1 || w.function->code[w.groups[0].pc].kind != Kind::barrier) deadlock(w);
      w.at_barrier = true;
      return;
    }
    const Group group = *chosen;
    w.groups.erase(chosen);
    Walk(w, group, budget).run();
    if (budget == 0) return;
  }
}

void fail(const Warp& warp, const Instruction& at, const std::string& what) {
  const Launch& launch = *warp.block->launch;
  const auto file = launch.module->files.find(at.file);
  std::string where;
  for (const unsigned index : warp.block->index) where += " " + std::to_string(index);
  throw std::runtime_error("ptx: " + what + ": `" + std::string(at.text) + "`, " +
                           (file != launch.module->files.end() ? file->second : "?") + ":" + std::to_string(at.line) +
                           ", block" + where + ", warp " + std::to_string(warp.number) + " of " + warp.function->name);
}

}  // namespace ptx
