#include "tests/emulator/runtime/group.hpp"

/// Barriers of a block, a cluster, a grid.
namespace emulator {
namespace {

void release(Crowd& crowd) {
  ++crowd.epoch;
  for (Lane* lane : crowd.waiting) {
    lane->vote = crowd.vote;
    current_group().make_ready(*lane);
  }
  crowd.waiting.clear();
}

void check_same_barrier(const Crowd& crowd, const char* name, const Site& site, const Lane& lane) {
  const Lane& other = *crowd.waiting.front();
  if (crowd.name == name && same_site(other.site, site)) return;
  current_group().fail("barrier divergence: " + text_of(lane) + " is at " + name + ", " + text_of(site) + ", but " +
                       text_of(other) + " waits at " + crowd.name + ", " + text_of(other.site));
}

}  // namespace

Vote arrive(Crowd& crowd, const char* name, bool predicate, Site site) {
  Lane& lane = Group::current();
  if (crowd.waiting.empty()) {
    crowd.name = name;
    crowd.vote = {0, false, true};
  } else {
    check_same_barrier(crowd, name, site, lane);
  }
  crowd.vote.count += predicate ? 1 : 0;
  crowd.vote.any = crowd.vote.any || predicate;
  crowd.vote.all = crowd.vote.all && predicate;
  if (static_cast<int>(crowd.waiting.size()) + 1 == crowd.live) {
    const Vote vote = crowd.vote;
    release(crowd);
    return vote;
  }
  crowd.waiting.push_back(&lane);
  current_group().wait(lane, name, site);
  return lane.vote;
}

void leave(Crowd& crowd) {
  --crowd.live;
  if (!crowd.waiting.empty() && static_cast<int>(crowd.waiting.size()) == crowd.live) release(crowd);
}

Vote block_barrier(bool predicate, const char* name, Site site) {
  return arrive(Group::current().block->crowd, name, predicate, site);
}

unsigned cluster_rank() { return Group::current().block->rank; }

void cluster_synchronize(Site site) {
  Block& block = *Group::current().block;
  Crowd& crowd = block.cluster->blocks.size() > 1 ? block.cluster->crowd : block.crowd;
  arrive(crowd, "cluster_synchronize", false, site);
}

void grid_synchronize(Site site) {
  if (!current_group().launch().cooperative) {
    current_group().fail("grid_synchronize at " + text_of(site) + " in a launch that is not cooperative");
  }
  arrive(current_group().grid_crowd(), "grid_synchronize", false, site);
}

void wait_for_earlier_work() { Group::current().waited = true; }

void trap(Site site) { current_group().fail("__trap by " + text_of(Group::current()) + ", " + text_of(site)); }

}  // namespace emulator
