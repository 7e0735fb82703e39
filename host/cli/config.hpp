#pragma once

#include <string>
#include <vector>

/// Settings in a TOML file.
namespace cugad::cli {

/// One flat key of the file, its value as the text that a flag would take.
struct ConfigEntry {
  std::string name;   ///< with underscores
  std::string text;   ///< lists comma-separated, booleans "true" and "false"
  std::string where;  ///< "settings.toml:3", for messages
};

/// Reads a TOML file of flat keys. Throws Error{input_output} when it cannot be read, UsageError for anything but
/// texts, numbers, booleans and lists of them.
std::vector<ConfigEntry> read_config(const std::string& path);

}  // namespace cugad::cli
