#include "host/cli/heatmaps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cugad/error.hpp"
#include "cugad/metrics.hpp"
#include "host/cli/command.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/image_output.hpp"
#include "host/cli/output.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

constexpr double brightest_percent = 99.5;

}  // namespace

ImageShape shape_of_images(const FittedModel& model, const ModelInput& input, const std::string& flag) {
  if (model.fleet) throw UsageError(fmt::format("--{} is for one model, not for a fleet", flag));
  const std::optional<ImageShape> shape = input.images() != nullptr ? input.images()->shape() : model.format.image;
  // Conditions may be beside the pixels.
  if (shape && (cells_of(*shape) == model.detector.columns() || shape == model.detector.options().image)) return *shape;
  throw UsageError(
      fmt::format("--{} is for images: a folder of them, or a model trained on images (--image HxWxC)", flag));
}

Heatmaps::Heatmaps(const FlagSet& flags, const FittedModel& model, const ModelInput& input,
                   const std::string& input_path)
    : folder_(flags.required_text("heatmaps")),
      shape_(shape_of_images(model, input, "heatmaps")),
      has_files_(input.images() != nullptr),
      is_distance_to_mean_(model.detector.options().score == ScoreRule::discriminator) {
  if (flags.given("heatmap_maximum")) {
    most_ = static_cast<float>(flags.number("heatmap_maximum", 1e-30, 1e30));
  }
  if (!has_files_) return;
  check_results_of_images("heatmaps", folder_, input_path, *input.images());
}

void Heatmaps::write(const Table& chunk, const Matrix& rows, const std::vector<float>& residuals,
                     const PatchGrids& grids) {
  for (std::int64_t r = 0; r < chunk.rows; ++r) {
    if (chunk.unreadable.contains(r)) continue;
    const WholeImage image = whole_image(r, rows, residuals, shape_, grids);
    const std::vector<float> map = pixel_map(image.residuals, image.shape);
    if (std::any_of(map.begin(), map.end(), [](float value) { return std::isnan(value); })) continue;
    const std::string name =
        has_files_ ? without_ending(chunk.columns[chunk.find(file_column)].texts[static_cast<std::size_t>(r)])
                   : fmt::format("{:06}", chunk.first_row + r);
    const std::string path = path_of_result(folder_, name);
    write_result(path + ".npy", [&](const Append& append) {
      append(npy_header(fmt::format("{}, {}", image.shape.height, image.shape.width)));
      append({reinterpret_cast<const char*>(map.data()), map.size() * sizeof(float)});
    });
    const float most = most_ ? *most_ : static_cast<float>(metrics::percentile(map, brightest_percent));
    write_png(path + ".png", heatmap(image.values, image.shape, map, most));
  }
}

void Heatmaps::note() const {
  print_note(most_ ? fmt::format("cugad: note: heatmaps are yellow from {} on", *most_)
                   : fmt::format("cugad: note: each heatmap is yellow from the {} % quantile of its own image on; "
                                 "--heatmap-maximum X compares images, and so do the .npy files",
                                 brightest_percent));
  if (!is_distance_to_mean_) return;
  print_note(
      "cugad: note: a score by the discriminator alone rebuilds no image: heatmaps show the distance to the mean");
}

}  // namespace cugad::cli
