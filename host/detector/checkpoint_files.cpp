#include "host/detector/checkpoint_files.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "host/methods/methods.hpp"
#include "host/model_file/atomic_file.hpp"
#include "host/training/checkpoint.hpp"

namespace cugad {
namespace {

namespace fs = std::filesystem;

bool is_part_of_fleet(const std::string& name) {
  const std::string block = "block-";
  return name == "pooled" || (name.starts_with(block) && name.size() > block.size() &&
                              name.find_first_not_of("0123456789", block.size()) == std::string::npos);
}

bool is_method(const std::string& name) {
  const auto definitions = all_methods();
  return std::any_of(definitions.begin(), definitions.end(), [&](const auto* one) { return one->name == name; });
}

/// The count of shards in a name of checkpoint_of_shard(); 0 for another name.
std::int64_t shards_of_checkpoint(const std::string& name) {
  long long shard = 0, count = 0;
  if (std::sscanf(name.c_str(), "shard-%lld-of-%lld", &shard, &count) != 2 || count < 1) return 0;
  return name == checkpoint_of_shard(shard, count) ? count : 0;
}

/// Whether a folder of this name holds the checkpoint of something that trains.
bool is_part(const std::string& name) {
  return is_method(name) || is_part_of_fleet(name) || shards_of_checkpoint(name) > 0;
}

/// `name`: relative to the checkpoint directory.
bool is_checkpoint_name(const fs::path& name) {
  const std::string first = name.begin() == name.end() ? "" : name.begin()->string();
  if (shards_of_checkpoint(first) > 0) return is_checkpoint_name(name.lexically_relative(first));
  const fs::path folders = name.parent_path();
  if (name.extension() == ".safetensors" && folders.empty() && shards_of_checkpoint(name.stem().string()) > 0) {
    return true;
  }
  if (!std::all_of(folders.begin(), folders.end(), [](const fs::path& one) { return is_part(one.string()); })) {
    return false;
  }
  return name.filename() == Checkpoint::file_name ||
         (folders.empty() && name.extension() == ".safetensors" && is_part_of_fleet(name.stem().string()));
}

void remove_empty_folders(const fs::path& directory) {
  remove_abandoned_files(directory.string(), std::chrono::seconds(0));
  std::vector<fs::path> parts;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    std::error_code ignored;
    if (is_part(entry->path().filename().string()) && fs::is_directory(entry->symlink_status(ignored)))
      parts.push_back(entry->path());
  }
  for (const fs::path& part : parts) remove_empty_folders(part);
  rmdir(directory.c_str());  // takes empty folders alone, and no symbolic links to them
}

}  // namespace

std::string checkpoint_of_shard(std::int64_t shard, std::int64_t count) {
  return "shard-" + std::to_string(shard) + "-of-" + std::to_string(count);
}

std::int64_t shards_in(const fs::path& directory) {
  for (const fs::path& file : checkpoint_files(directory)) {
    const std::string part = file.lexically_relative(directory).begin()->stem().string();
    if (const std::int64_t shards = shards_of_checkpoint(part); shards > 0) return shards;
  }
  return 0;
}

bool is_checkpoint(const fs::path& directory, const fs::path& file) {
  std::error_code ignored;
  const fs::path whole = fs::weakly_canonical(file, ignored), folder = fs::weakly_canonical(directory, ignored);
  return whole == folder || is_checkpoint_name(whole.lexically_relative(folder));
}

std::vector<fs::path> checkpoint_files(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(directory, fs::directory_options::skip_permission_denied, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    const fs::path& path = entry->path();
    std::error_code ignored;
    if (!is_part(path.filename().string())) entry.disable_recursion_pending();
    if (is_checkpoint_name(path.lexically_relative(directory)) && entry->is_regular_file(ignored)) {
      files.push_back(path);
    }
  }
  return files;
}

void remove_checkpoint_files(const fs::path& directory, const std::vector<fs::path>& files) {
  std::error_code ignored;
  for (const fs::path& file : files) fs::remove(file, ignored);
  remove_empty_folders(directory);
}

}  // namespace cugad
