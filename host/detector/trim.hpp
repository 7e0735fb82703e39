#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cugad/detector.hpp"

namespace cugad {

/// Positions, ascending, of the rows that a fit learns from (option trim): without labels, the most surprising ones are
/// left out. A row's surprise is its distance, in columns scaled as for the fit, to that of a fixed sample of the
/// others than which 20 % of the sample are nearer: a cluster of anomalies is far from most rows, though near itself.
/// trim > 0: at most that share goes, and all stay that are as surprising as the first to stay. trim -1: rows go whose
/// log distance exceeds the third quartile by more than 3 interquartile ranges ("far out", Tukey 1977). A column keeps
/// a value. Rows [rows, columns] on the host, NaN = missing, on a CPU context. The same for any seed and number of
/// threads. Throws as FeatureTransform::fit().
std::vector<std::int64_t> rows_after_trim(Context& context, MatrixView<const float> rows,
                                          const DetectorOptions& options, const std::vector<std::string>& names,
                                          std::int64_t numeric_columns);

}  // namespace cugad
