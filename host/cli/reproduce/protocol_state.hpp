#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "host/cli/reproduce/reproduction.hpp"

/// Finished results of a long run, kept in a file so that the same command resumes it.
namespace cugad::cli {

class ProtocolState {
 public:
  /// Reads `path` if the file exists; an empty path keeps nothing. Throws Error{format} for anything but a state file.
  explicit ProtocolState(const std::string& path);

  /// Begins the results of this protocol under these conditions (rows, device, ...). Throws Error{invalid_argument}
  /// with the first difference if the file has the protocol under other conditions.
  void enter(const std::string& protocol, const nlohmann::ordered_json& conditions);
  /// The same for the options of a setting, but for the seed.
  void check_options(const Contestant& setting);

  /// Fills in the measurements of `wanted`, by its case, seed and split; false if there are none.
  bool find(const Contestant& contestant, Measurement& wanted) const;
  std::optional<CaseSize> size(const std::string& case_name) const;
  /// Written to the file at once.
  void add(const Contestant& contestant, const Measurement& result, const CaseSize& size);

 private:
  void compare(const nlohmann::ordered_json& kept, const nlohmann::ordered_json& now, const std::string& what) const;

  std::string path_, protocol_;
  nlohmann::ordered_json root_;
};

}  // namespace cugad::cli
