#pragma once

#include <span>
#include <string>
#include <vector>

#include "cugad/shards.hpp"
#include "host/model_file/safetensors.hpp"

/// The files of parts: what a shard has made, and of which training it is.
namespace cugad {

constexpr const char* part_prefix = "part.";  ///< of the metadata that tells whether parts belong together
constexpr const char* attachment_prefix_of_parts = "attachment.";

struct PartFile {
  std::string path;
  safetensors::File file;
  Shard shard;
  bool is_fleet = false;

  /// An entry of the metadata; Error{format} if it is missing.
  const std::string& text(const std::string& key) const;
  [[noreturn]] void refuse(const std::string& what) const;
};

/// Makes a file the part of a shard of that training.
void mark_as_part(safetensors::File& file, const Device& device, const ShardedTraining& training, const Shard& shard);

/// Reads and checks all parts of a training, in the order of their shards; see merge_parts(). Notes, if parts were
/// trained on different instruction sets or chips, go to the control's on_message.
std::vector<PartFile> read_parts(std::span<const std::string> paths, const FitControl& control);

}  // namespace cugad
