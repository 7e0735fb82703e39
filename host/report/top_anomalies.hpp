#pragma once

#include <vector>

#include "cugad/report.hpp"
#include "host/report/column_summary.hpp"
#include "host/report/top_rows.hpp"
#include "host/text/json.hpp"

namespace cugad {

/// "top": the rows of the highest scores, with their explanations, or of images with their heatmaps as long as the page
/// has room for them. "explained": the mean share of each column in the explanations of the flagged ones among `rows`.
/// `rows`: from the highest score down.
void put_top_anomalies(OrderedJson& page, Detector& detector, const ReportOptions& options, float threshold,
                       const std::vector<TopRow>& rows, const ColumnSummary& columns);

}  // namespace cugad
