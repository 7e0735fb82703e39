#include "host/fleet/fleet_rows.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "cugad/error.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

/// Whether every column has a value in one of the rows.
bool is_complete(MatrixView<const float> rows, std::span<const std::int64_t> numbers) {
  for (std::int64_t c = 0; c < rows.columns; ++c) {
    if (std::all_of(numbers.begin(), numbers.end(), [&](std::int64_t r) { return std::isnan(rows.row(r)[c]); }))
      return false;
  }
  return true;
}

}  // namespace

std::map<std::string, std::vector<std::int64_t>> rows_of_groups(std::span<const std::string> groups) {
  std::unordered_map<std::string_view, std::vector<std::int64_t>>
      of_name;  // millions of rows: a search in order is slow
  for (std::size_t r = 0; r < groups.size(); ++r) of_name[groups[r]].push_back(static_cast<std::int64_t>(r));
  std::map<std::string, std::vector<std::int64_t>> rows;
  for (auto& [name, numbers] : of_name) rows.emplace(name, std::move(numbers));
  for (const auto& [name, numbers] : rows) {
    if (is_utf8(name)) continue;  // as the model file needs it
    throw Error(ErrorCode::invalid_argument,
                "the group of row " + std::to_string(numbers.front()) + " is not valid UTF-8");
  }
  return rows;
}

std::vector<FleetGroup> choose_groups(const FleetRows& rows, std::int64_t minimum_rows, const FitControl& control) {
  std::vector<FleetGroup> groups;
  std::int64_t own = 0, small = 0, small_rows = 0, incomplete = 0;
  for (const auto& [name, numbers] : rows.of_group) {
    if (name.empty()) continue;
    const auto count = static_cast<std::int64_t>(numbers.size());
    const bool enough = count >= minimum_rows, complete = enough && is_complete(rows.rows, numbers);
    groups.push_back({name, count, complete, 0.0f});
    own += complete;
    small += !enough;
    small_rows += enough ? 0 : count;
    incomplete += enough && !complete;
  }
  if (!control.on_message) return groups;
  const auto counted = [](std::int64_t count, const std::string& what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
  };
  control.on_message(counted(own, "group") + " of " + std::to_string(groups.size()) + " have models of their own");
  if (small > 0) {
    control.on_message(counted(small, "group") + " with fewer than " + std::to_string(minimum_rows) + " rows (" +
                       counted(small_rows, "row") + " in all) will be scored by the pooled model");
  }
  if (incomplete > 0) {
    control.on_message(counted(incomplete, "group") +
                       " with a column without any value will be scored by the pooled model");
  }
  if (const auto none = rows.of_group.find(""); none != rows.of_group.end()) {
    control.on_message(counted(static_cast<std::int64_t>(none->second.size()), "row") +
                       " without a group train the pooled model only");
  }
  return groups;
}

}  // namespace cugad
