#pragma once

#include <cstdint>
#include <string_view>

#include "cugad/shards.hpp"

/// Numbers that follow from the name of a group alone: not from the groups beside it, nor from who trains it.
namespace cugad {

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit of the result depends on every bit of the word.
constexpr std::uint64_t mixed(std::uint64_t word) {
  word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9ull;
  word = (word ^ (word >> 27)) * 0x94D049BB133111EBull;
  return word ^ (word >> 31);
}

/// FNV-1a of the bytes, mixed: names that differ in their last letter must not be neighbours.
inline std::uint64_t name_hash(std::string_view name) {
  std::uint64_t hash = 1469598103934665603ull;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return mixed(hash);
}

/// The seed of a group's detector in a run with this seed. Below 2^62: its models add their numbers to it, and readers
/// of signed integers take it.
inline std::uint64_t seed_of_group(std::string_view name, std::uint64_t seed) {
  return mixed(name_hash(name) ^ mixed(seed + 0x9E3779B97F4A7C15ull)) >> 2;
}

/// Whether the shard trains that group.
inline bool holds(const Shard& shard, std::string_view name) {
  return name_hash(name) % static_cast<std::uint64_t>(shard.count) == static_cast<std::uint64_t>(shard.number - 1);
}

}  // namespace cugad
