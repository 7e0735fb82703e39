#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cugad/detector.hpp"
#include "cugad/table.hpp"

namespace cugad {

/// Training rows that a model keeps to measure distances to them: distinct ones, transformed, without missing cells.
struct ReferenceRows {
  Matrix rows;
  /// How often each counts: as often as it occurs, at most as often as neighbours are searched for.
  std::vector<std::int32_t> copies;

  /// Every row as often as it counts.
  Matrix with_copies() const;
};

/// Names of their tensors in a model file, of which groups have different numbers.
constexpr const char *reference_rows_name = "reference.rows", *reference_copies_name = "reference.copies";

/// Of each row whether it is the first of equal ones (compared bit for bit). Takes memory of a bit for each row, and
/// some 100 MB; `directory`: what else it needs of rows lies in files there, not in memory.
std::vector<bool> first_of_equal(MatrixView<const float> rows, const std::string& directory = {});
/// The distinct rows, in their order; of more than `most` a seeded draw. Each counts at most `most_copies` times.
/// `directory`: see first_of_equal().
ReferenceRows choose_reference_rows(Context& context, MatrixView<const float> rows, std::int64_t most,
                                    std::int32_t most_copies, std::uint64_t seed, const std::string& directory = {});

/// The most copies of a row that scores with these options can meet: a row's own, and as many neighbours.
std::int32_t most_copies(const DetectorOptions& options);

}  // namespace cugad
