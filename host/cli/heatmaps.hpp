#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/cli/fitted_model.hpp"
#include "host/image/patch_rows.hpp"

/// Maps of how far each pixel is from what the model expects.
namespace cugad::cli {

/// The shape of the rows of `input`, which are images, or else a UsageError that names the flag that needs them.
ImageShape shape_of_images(const FittedModel& model, const ModelInput& input, const std::string& flag);

/// Writes the maps of --heatmaps: NAME.npy, float32 of [height, width], and NAME.png, the map over the image.
class Heatmaps {
 public:
  /// UsageError where maps would overwrite each other, or lie in the folder of the images, which they would join.
  Heatmaps(const FlagSet& flags, const FittedModel& model, const ModelInput& input, const std::string& input_path);
  /// Adds the maps of a chunk. `residuals`: rows x columns; `grids`: how images were cut into the rows.
  void write(const Table& chunk, const Matrix& rows, const std::vector<float>& residuals, const PatchGrids& grids);
  /// Says in one line what the colors mean.
  void note() const;

 private:
  std::string folder_;
  ImageShape shape_;
  bool has_files_;
  std::optional<float> most_;  ///< of --heatmap-maximum
  bool is_distance_to_mean_;
};

}  // namespace cugad::cli
