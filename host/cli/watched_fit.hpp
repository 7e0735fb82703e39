#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cugad/detector.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/folder_lock.hpp"

namespace cugad::cli {

/// The folder of checkpoints. Without --checkpoint it is OUTPUT.checkpoint, which is removed unless the training is
/// stopped or its model cannot be written; files of others in it are not touched. It is locked while this lives.
class CheckpointFolder {
 public:
  /// Throws UsageError if another training uses it, if --resume finds nothing, and if --checkpoint would overwrite
  /// another training's checkpoint; Error{input_output} if --checkpoint cannot be written.
  CheckpointFolder(const FlagSet& flags, const std::string& output);

  const std::string& path() const { return path_; }
  bool is_asked_for() const { return is_asked_for_; }
  /// The flags that resume from there.
  const std::string& resume_flags() const { return resume_flags_; }
  /// Removes the files of this run, unless --checkpoint was set, and unlocks the folder.
  void remove();

 private:
  void lock();
  void check_writable_folder() const;

  std::string path_;
  bool is_asked_for_;
  std::string resume_flags_ = "--resume";
  std::optional<FolderLock> lock_;
};

/// The fit of `cugad train`: its progress, log and checkpoints, and the messages if it ends early.
class WatchedFit {
 public:
  /// Checks the folder of checkpoints before any work; throws the errors of CheckpointFolder.
  WatchedFit(const FlagSet& flags, const std::string& output);

  /// Calls `fit`, then `save`, which writes the model; returns the number of steps taken. Errors contain the path of
  /// the checkpoint, if there is one.
  std::int64_t run(const std::function<void(const FitControl&)>& fit, const std::function<void()>& save);

 private:
  const FlagSet& flags_;
  CheckpointFolder folder_;
};

}  // namespace cugad::cli
