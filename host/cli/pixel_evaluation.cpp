#include "host/cli/pixel_evaluation.hpp"

#include <optional>
#include <utility>

#include "cugad/metrics.hpp"
#include "host/cli/command.hpp"
#include "host/cli/heatmaps.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/mask_files.hpp"

namespace cugad::cli {

PixelEvaluation::PixelEvaluation(const FlagSet& flags, const FittedModel& model, const ModelInput& input,
                                 std::string input_path)
    : folder_(flags.required_text("masks")),
      input_(std::move(input_path)),
      shape_(shape_of_images(model, input, "masks")) {
  if (input.images() == nullptr) throw UsageError("--masks is for a folder of images, whose files name the masks");
}

std::vector<std::uint8_t> PixelEvaluation::mask_of(const std::string& file, bool is_anomaly,
                                                   const ImageShape& shape) const {
  std::optional<std::vector<std::uint8_t>> mask = find_mask(folder_, input_, file, shape);
  if (mask) return std::move(*mask);
  if (is_anomaly) throw no_mask(folder_, file);
  return std::vector<std::uint8_t>(static_cast<std::size_t>(shape.height) * shape.width);
}

void PixelEvaluation::add(const Table& chunk, const Matrix& rows, const std::vector<float>& residuals,
                          const std::vector<int>& anomaly, const PatchGrids& grids) {
  const std::vector<std::string>& files = chunk.columns[chunk.find(file_column)].texts;
  for (std::size_t r = 0; r < files.size(); ++r) {
    if (anomaly[r] < 0) continue;
    const WholeImage image = whole_image(static_cast<std::int64_t>(r), rows, residuals, shape_, grids);
    const std::vector<float> map = pixel_map(image.residuals, image.shape);
    const std::vector<std::uint8_t> mask = mask_of(files[r], anomaly[r] != 0, image.shape);
    std::vector<std::int32_t> region(mask.size());
    next_region_ = metrics::label_regions(mask, image.shape.width, next_region_, region);
    score_.insert(score_.end(), map.begin(), map.end());
    region_.insert(region_.end(), region.begin(), region.end());
  }
}

double PixelEvaluation::auroc() const {
  std::vector<std::uint8_t> label;
  label.reserve(region_.size());
  for (const std::int32_t number : region_) label.push_back(number != 0 ? 1 : 0);
  return metrics::auroc(label, score_);
}

double PixelEvaluation::region_overlap() const { return metrics::region_overlap(region_, score_); }

}  // namespace cugad::cli
