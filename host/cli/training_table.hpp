#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cugad/detector.hpp"
#include "cugad/table.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/flags.hpp"

namespace cugad::cli {

/// The rows to train on, and the properties of their table.
struct TrainingTable {
  Table rows;
  std::optional<Matrix> pixels;  ///< the rows of a folder of images, whose names `rows` has
  TableEncoder::Options encoding;
  LabelNote labels;
  TableFormat format;
  std::int64_t rows_in_file = 0;
  std::int64_t most_patches = 1;    ///< of an image that is cut into patches
  std::string group_column;         ///< empty: one model for all rows
  std::vector<std::string> groups;  ///< of each row
};

/// Reads the table, chooses its rows by --label-column and --normal, and its features: columns that are probably not
/// features are left out, and named on standard error. `options` may name further columns. Of a folder of images
/// the label is the name of its sub-folder.
TrainingTable read_training_table(const std::string& input, const FlagSet& flags, const DetectorOptions& options);

}  // namespace cugad::cli
