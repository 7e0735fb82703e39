#pragma once

#include <string>
#include <vector>

#include "host/cli/reproduce/reproduction.hpp"
#include "host/cli/reproduce/sheet.hpp"

/// Cases against contestants.
namespace cugad::cli {

/// One sheet of AUROC and one of average precision, and those of the maps if the protocol measures them: a line for
/// each case that is no published split, a column for each contestant, each figure the mean over the seeds; then the
/// means over the cases. The first has sizes and seconds too.
std::vector<Sheet> grid_sheets(const Reproduction& report);
/// The cases on which the first setting ranks worse than the best of the kNN baselines, as a line.
std::string lost_cases(const Reproduction& report);

}  // namespace cugad::cli
