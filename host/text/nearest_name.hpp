#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cugad {

/// How many letters must be inserted, deleted or replaced to turn one name into the other (Levenshtein).
inline std::size_t edit_distance(std::string_view first, std::string_view second) {
  std::vector<std::size_t> row(second.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < first.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < second.size(); ++j) {
      const std::size_t replaced = diagonal + (first[i] == second[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

/// The known name nearest to the given one (the first of several), for "did you mean" messages; empty if none is near,
/// as an unrelated name would only confuse. The first name that begins with the given one is near, too. Only the
/// beginnings of long names are compared: names may come from a hostile file.
inline std::string nearest_name(std::string_view given, std::span<const std::string> known) {
  constexpr std::size_t longest = 100, fewest_letters = 3;
  given = given.substr(0, longest);
  const std::string* nearest = nullptr;
  std::size_t least = std::max<std::size_t>(2, given.size() / 3) + 1;
  for (const std::string& name : known) {
    const std::string_view start = std::string_view(name).substr(0, longest);
    const std::size_t longer = std::max(start.size(), given.size());
    const std::size_t shorter = std::min(start.size(), given.size());
    if (longer - shorter >= least) continue;  // the lengths alone make it no nearer
    const std::size_t distance = edit_distance(given, start);
    if (distance >= least || distance == longer) continue;  // the latter has no letter in common
    nearest = &name;
    least = distance;
  }
  if (nearest != nullptr) return *nearest;
  const auto begun = std::find_if(known.begin(), known.end(), [&](const std::string& name) {
    return given.size() >= fewest_letters && name.starts_with(given);
  });
  return begun == known.end() ? std::string() : *begun;
}

/// ", did you mean 'seed'?", or nothing if no known name is near.
inline std::string did_you_mean(std::string_view given, std::span<const std::string> known) {
  const std::string nearest = nearest_name(given, known);
  return nearest.empty() ? "" : ", did you mean '" + nearest + "'?";
}

}  // namespace cugad
