#pragma once

#include <functional>
#include <string>

#include "host/training/gan_training.hpp"

namespace cugad {

/// Gives a file that is at `path` another name, the first free one of `<name>.1<extension>`, `<name>.2<extension>`, ...
/// Error{input_output} if that fails.
void keep_aside(const std::string& path);

/// Whether checkpoints are due while the fit runs, not only when it is cancelled.
bool is_regular_checkpoint(const FitControl& control);

/// Saves a checkpoint that the caller did not request, so that little is lost if something fails later. If `save`
/// fails, the fit continues with a message.
void keep_unasked(const FitControl& control, const std::function<void()>& save);

/// Saves and restores a training at an interval boundary, so that a resumed run gives the same bits as one never
/// stopped. One file, checkpoint.safetensors, replaced atomically; that of another training is kept aside.
class Checkpoint {
 public:
  static constexpr const char* file_name = "checkpoint.safetensors";

  explicit Checkpoint(std::string directory) : directory_(std::move(directory)) {}
  /// Creates the directory if needed.
  void save(const GanTraining& training);
  /// False if there is no checkpoint yet. Error{invalid_argument} when the checkpoint belongs to other rows or other
  /// options (the number of steps may differ, but not lie before it), Error{format} when it is damaged.
  bool load(GanTraining& training);

 private:
  std::string path() const;
  std::string directory_;
  bool is_ours_ = false;  ///< the file at path() is of this training
  std::string rows_;      ///< their fingerprint, for which all are read: once
};

}  // namespace cugad
