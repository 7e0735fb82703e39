#pragma once

#include <functional>
#include <string>

#include "cugad/detector.hpp"
#include "host/cli/flags.hpp"

namespace cugad::cli {

/// Where checkpoints go. Without --checkpoint that is OUTPUT.checkpoint, where one stays only if the training is
/// stopped or its model cannot be written; what others left there is not touched.
class CheckpointFolder {
 public:
  /// Throws UsageError where --resume finds nothing, and where --checkpoint would go on over another training's
  /// checkpoint; Error{input_output} where --checkpoint cannot be written.
  CheckpointFolder(const FlagSet& flags, const std::string& output);

  const std::string& path() const { return path_; }
  bool is_asked_for() const { return is_asked_for_; }
  /// The flags that go on from there.
  const std::string& resume_flags() const { return resume_flags_; }
  /// Removes what this run wrote, unless it was asked for.
  void remove() const;

 private:
  void check_writable_folder() const;

  std::string path_;
  bool is_asked_for_;
  std::string resume_flags_ = "--resume";
};

/// The fit of `cugad train`: its progress, log and checkpoints, and what is said where it ends early.
class WatchedFit {
 public:
  /// Finds out before any work where checkpoints can go; the errors of CheckpointFolder.
  WatchedFit(const FlagSet& flags, const std::string& output);

  /// Calls `fit`, then `save`, which writes the model; returns the number of steps taken. Errors say where the
  /// checkpoint is, if there is one.
  std::int64_t run(const std::function<void(const FitControl&)>& fit, const std::function<void()>& save);

 private:
  const FlagSet& flags_;
  CheckpointFolder folder_;
};

}  // namespace cugad::cli
