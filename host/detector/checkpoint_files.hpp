#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// The files that trainings leave in a checkpoint directory (docs/file_formats.md), recognised by their names: no other
/// file in it is touched.
namespace cugad {

/// `<directory>/checkpoint.safetensors`, those of an ensemble's methods, the parts of a fleet, and shards; none where
/// there is no directory.
std::vector<std::filesystem::path> checkpoint_files(const std::filesystem::path& directory);

/// The name of what a training of that shard leaves in the directory: a folder of checkpoints, and its part, which ends
/// in .safetensors.
std::string checkpoint_of_shard(std::int64_t shard, std::int64_t count);

/// How many shards the training was divided into whose checkpoints are in the directory; 0 if it was not divided.
std::int64_t shards_in(const std::filesystem::path& directory);

/// Whether `file`, which need not be there, is the directory itself or would be one of its checkpoints.
bool is_checkpoint(const std::filesystem::path& directory, const std::filesystem::path& file);

/// Removes these files of the directory, and what killed processes left there while they wrote such files; then its
/// folders of parts and itself where that leaves them empty. What cannot be removed stays. No process trains there.
void remove_checkpoint_files(const std::filesystem::path& directory, const std::vector<std::filesystem::path>& files);

}  // namespace cugad
