#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "host/model_file/safetensors.hpp"

namespace cugad {

/// The model files of many detectors that were made with the same options, as one file: every tensor gets a leading
/// dimension; texts are kept once; numbers inside the metadata (statistics, thresholds) become tensors of float64, one
/// row per detector. Of reference rows each detector has a number of its own: theirs are joined, and a tensor of
/// float64 has the numbers. get() returns the bytes given to put().
class ModelStack {
 public:
  /// For as many detectors as seeds, which are not kept in the file.
  explicit ModelStack(std::vector<std::uint64_t> seeds)
      : count_(static_cast<std::int64_t>(seeds.size())), seeds_(std::move(seeds)) {}
  /// The entries of a file whose names start with `prefix`; the others stay in `file`. Throws Error{format} naming the
  /// path.
  static ModelStack take(safetensors::File& file, const std::string& path, std::vector<std::uint64_t> seeds);
  static constexpr const char* prefix = "group.";

  std::int64_t count() const { return count_; }
  const std::vector<std::uint64_t>& seeds() const { return seeds_; }
  /// Throws Error{unsupported} when the file differs in more than numbers from those put before.
  void put(std::int64_t index, const safetensors::File& model);
  /// Puts number `from_index` of another stack, as it is kept there. The same errors.
  void put(std::int64_t index, const ModelStack& from, std::int64_t from_index);
  /// Without values its tensors have shapes only. Throws Error{format} naming `path` if the parts do not match.
  safetensors::File get(std::int64_t index, const std::string& path, bool with_values = true) const;
  /// All of them, names starting with `prefix`.
  safetensors::File file() const;

 private:
  std::string without_seed(const std::string& options) const;
  std::string with_seed(const std::string& options, std::int64_t index) const;

  safetensors::Tensor& joined_place(const std::string& name, std::int64_t index);
  /// Room for all, as of one whose shape is given; throws where others were put with another shape.
  safetensors::Tensor& place(const std::string& name, std::vector<std::int64_t> shape);
  /// Throws Error{unsupported} unless both have as many tensors and texts.
  void check_same(const ModelStack& other) const;
  void put_text(const std::string& name, const std::string& text);

  std::int64_t count_;
  std::vector<std::uint64_t> seeds_;
  safetensors::File file_;
  std::map<std::string, std::vector<safetensors::Tensor>> joined_;  ///< by name, those of each detector
};

}  // namespace cugad
