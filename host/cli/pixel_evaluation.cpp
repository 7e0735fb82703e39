#include "host/cli/pixel_evaluation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "cugad/error.hpp"
#include "cugad/metrics.hpp"
#include "host/cli/command.hpp"
#include "host/cli/heatmaps.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

namespace fs = std::filesystem;

/// Masks are brought to the size of the maps: a pixel is anomalous if half of it is.
constexpr float anomalous_from = 127.5f;

/// A side of a smaller or larger mask may be rounded.
void check_proportions(const std::string& path, const ImageShape& mask, const std::string& image,
                       const ImageShape& shape) {
  const std::int64_t across = std::int64_t{mask.width} * shape.height, down = std::int64_t{mask.height} * shape.width;
  if (std::abs(across - down) <= std::max(shape.height, shape.width)) return;
  throw Error(ErrorCode::format,
              fmt::format("{}: is a mask of {} x {} pixels, expected the proportions of {}, which has {} x {}",
                          one_line(path), mask.height, mask.width, one_line(image), shape.height, shape.width));
}

}  // namespace

std::vector<std::uint8_t> read_mask(const std::string& path, const std::string& image, const ImageShape& size) {
  const ImageShape shape{size.height, size.width, 1};
  const Image picture = read_image(path);
  check_proportions(path, picture.shape, image, read_image(image).shape);
  std::vector<float> row(static_cast<std::size_t>(cells_of(shape)));
  image_to_row(picture, shape, row);
  std::vector<std::uint8_t> mask;
  for (const float value : row) mask.push_back(value >= anomalous_from ? 1 : 0);
  return mask;
}

PixelEvaluation::PixelEvaluation(const FlagSet& flags, const FittedModel& model, const ModelInput& input,
                                 std::string input_path)
    : folder_(flags.required_text("masks")),
      input_(std::move(input_path)),
      shape_(shape_of_images(model, input, "masks")) {
  if (input.images() == nullptr) throw UsageError("--masks is for a folder of images, whose files name the masks");
}

std::vector<std::uint8_t> PixelEvaluation::mask_of(const std::string& file, bool is_anomaly,
                                                   const ImageShape& shape) const {
  const std::string stem = (fs::path(folder_) / fs::path(file).replace_extension()).string();
  for (const char* ending : {".png", "_mask.png"}) {
    const fs::path path = stem + ending;
    std::error_code ignored;
    const fs::path image = fs::path(input_) / file;
    if (!fs::is_regular_file(path, ignored) || fs::equivalent(path, image, ignored)) continue;
    return read_mask(path.string(), image.string(), shape);
  }
  if (!is_anomaly) return std::vector<std::uint8_t>(static_cast<std::size_t>(shape.height) * shape.width);
  throw Error(ErrorCode::format, fmt::format("{}: has no mask: expected {}.png or {}_mask.png", one_line(file),
                                             one_line(stem), one_line(stem)));
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
