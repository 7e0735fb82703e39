#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/scores/reference_rows.hpp"

/// How the entries of a stack of models are named, for the files that write and read it.
namespace cugad {

inline constexpr const char* numbers_prefix = "numbers.";
inline constexpr int deepest_metadata = 8;  ///< nesting of the metadata that detectors write is 3

/// Whether detectors have different numbers of rows of a tensor.
inline bool is_joined(const std::string& name) {
  const bool is_kept = name.ends_with(reference_rows_name) || name.ends_with(reference_copies_name);
  return is_kept && name.find(numbers_prefix) == std::string::npos;
}

/// The first row of each of several tensors behind each other, and the end of the last; empty if `total` rows do not
/// divide so.
std::vector<std::int64_t> first_rows(const std::vector<double>& rows, std::int64_t total);

}  // namespace cugad
