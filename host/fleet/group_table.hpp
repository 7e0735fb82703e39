#pragma once

#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "cugad/fleet.hpp"
#include "host/model_file/safetensors.hpp"

namespace cugad {

/// The groups of a fleet, sorted by name, as its file holds them: names behind each other, so that millions of groups
/// are opened without taking memory for each.
class GroupTable {
 public:
  static constexpr const char* prefix = "groups.";  ///< of its tensors
  static constexpr std::int64_t none = -1;

  GroupTable() = default;
  /// The groups must be sorted.
  explicit GroupTable(const std::vector<FleetGroup>& groups);
  /// Moves its tensors out of the file. Throws Error{format} naming the path.
  static GroupTable take(safetensors::File& file, const std::string& path);
  void add_to(safetensors::File& file) const;

  std::int64_t count() const { return static_cast<std::int64_t>(ends_.size()); }
  std::int64_t models() const { return count() - std::ssize(without_model_); }
  std::string_view name(std::int64_t group) const;
  std::int64_t rows(std::int64_t group) const {
    return static_cast<std::int64_t>(rows_[static_cast<std::size_t>(group)]);
  }
  /// The number of the group, or none.
  std::int64_t find(std::string_view name) const;
  /// Groups with a model of their own are numbered in their order; none for the others.
  std::int64_t model_of(std::int64_t group) const;
  std::int64_t group_of(std::int64_t model) const;

 private:
  std::vector<std::uint8_t> names_;
  std::vector<double> ends_;           ///< of each name in `names_`
  std::vector<double> rows_;           ///< for training
  std::vector<double> without_model_;  ///< numbers of groups, ascending: usually few
};

}  // namespace cugad
