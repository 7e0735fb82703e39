#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "host/model_file/safetensors.hpp"

namespace cugad {

/// The model files of many detectors that were made with the same options, as one file: every tensor gets a leading
/// dimension; texts are kept once; numbers inside the metadata (statistics, thresholds) become tensors of float64, one
/// row per detector. Of reference rows each detector has a number of its own: theirs are joined, and a tensor of
/// float64 has the numbers. get() returns the bytes given to put().
class ModelStack {
 public:
  /// For `count` detectors; that of number i has seed `seed` + i * seed_step, which is not kept in the file.
  ModelStack(std::int64_t count, std::uint64_t seed, std::uint64_t seed_step)
      : count_(count), seed_(seed), seed_step_(seed_step) {}
  /// The entries of a file whose names start with `prefix`; the others stay in `file`. Throws Error{format} naming the
  /// path.
  static ModelStack take(safetensors::File& file, const std::string& path, std::int64_t count, std::uint64_t seed,
                         std::uint64_t seed_step);
  static constexpr const char* prefix = "group.";

  std::int64_t count() const { return count_; }
  /// Throws Error{unsupported} when the file differs in more than numbers from those put before.
  void put(std::int64_t index, const safetensors::File& model);
  /// Without values its tensors have shapes only. Throws Error{format} naming `path` if the parts do not match.
  safetensors::File get(std::int64_t index, const std::string& path, bool with_values = true) const;
  /// All of them, names starting with `prefix`.
  safetensors::File file() const;

 private:
  std::string without_seed(const std::string& options) const;
  std::string with_seed(const std::string& options, std::int64_t index) const;

  std::int64_t count_;
  std::uint64_t seed_, seed_step_;
  safetensors::File file_;
  std::map<std::string, std::vector<safetensors::Tensor>> joined_;  ///< by name, those of each detector
};

}  // namespace cugad
