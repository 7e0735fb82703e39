#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cugad/shards.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/ranks.hpp"
#include "host/cli/watched_fit.hpp"

namespace cugad::cli {

/// Without --distributed: notes, once, that the processes of mpirun are not divided.
void note_undivided_ranks();

/// The fit of `cugad train --distributed`: each rank trains a shard after the other, as rank 0 hands them out, and
/// writes its part into the folder of checkpoints, from which rank 0 merges them. Only rank 0 writes anything else, and
/// on standard error.
class DistributedFit {
 public:
  /// Joins the other ranks. Throws UsageError for flags that do not go with --distributed.
  DistributedFit(const std::string& input, const FlagSet& flags);

  /// Calls `train`, which reads the rows and then calls run(). If that fails on one rank, all end, rank 0 with
  /// its error.
  void call(const std::function<void()>& train);

  /// Rank 0 takes the folder of checkpoints, as WatchedFit does.
  void take_folder(const std::string& output);
  /// Trains all shards that have no part yet, and merges the parts on rank 0.
  void run(const Device& device, const ShardedTraining& training, const std::string& output);

  int ranks() const { return ranks_->count(); }
  /// The device of the flags; without --threads the ranks of a machine share its processors.
  Device open_device() const;
  std::int64_t shards() const { return count_; }
  const PartContents& contents() const { return contents_; }

 private:
  class Trainer;
  void agree();
  void coordinate(Trainer& trainer, const Device& device, const ShardedTraining& training);
  void follow(Trainer& trainer);
  void end_all();
  std::string path_of(std::int64_t shard) const;
  std::int64_t planned_shards(const ShardedTraining& training) const;

  const FlagSet& flags_;
  std::unique_ptr<Ranks> ranks_;
  std::optional<CheckpointFolder> folder_;       ///< of rank 0
  std::string path_;                             ///< of the folder
  std::int64_t count_ = 0;                       ///< of shards
  bool is_agreed_ = false, is_refused_ = false;  ///< refused: a rank failed before any trained
  PartContents contents_;
};

}  // namespace cugad::cli
