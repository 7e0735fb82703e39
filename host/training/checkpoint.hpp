#pragma once

#include <string>

#include "host/training/gan_training.hpp"

namespace cugad {

/// Saves and restores a training at an interval boundary, so that a resumed run gives the same bits as one never
/// stopped. One file, checkpoint.safetensors, replaced atomically.
class Checkpoint {
 public:
  explicit Checkpoint(std::string directory) : directory_(std::move(directory)) {}
  /// Creates the directory if needed.
  void save(const GanTraining& training) const;
  /// False where there is no checkpoint yet. Error{invalid_argument} when the checkpoint belongs to other rows or other
  /// options (the number of steps may differ, but not lie before it), Error{format} when it is damaged.
  bool load(GanTraining& training) const;

 private:
  std::string path() const;
  std::string directory_;
};

}  // namespace cugad
