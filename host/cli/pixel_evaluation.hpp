#pragma once

#include <string>
#include <vector>

#include "host/cli/fitted_model.hpp"
#include "host/image/patch_rows.hpp"

namespace cugad::cli {

/// Compares maps of pixels with masks of the anomalies (--masks).
class PixelEvaluation {
 public:
  /// `folder`: of the masks. For an image a/b.jpg the mask is a/b.png or a/b_mask.png there.
  PixelEvaluation(const FlagSet& flags, const FittedModel& model, const ModelInput& input, std::string input_path);
  /// Adds the maps of the images of a chunk. `anomaly`: of each image, or -1 for one that is left out. Throws
  /// Error{format} for an anomaly without a mask; a normal image without one has no anomalous pixel.
  void add(const Table& chunk, const Matrix& rows, const std::vector<float>& residuals, const std::vector<int>& anomaly,
           const PatchGrids& grids);
  double auroc() const;
  double region_overlap() const;

 private:
  std::vector<std::uint8_t> mask_of(const std::string& file, bool is_anomaly, const ImageShape& shape) const;

  std::string folder_, input_;
  ImageShape shape_;
  std::vector<float> score_;
  std::vector<std::int32_t> region_;
  std::int32_t next_region_ = 1;
};

}  // namespace cugad::cli
