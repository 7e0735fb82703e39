#include "host/cli/heatmaps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "cugad/error.hpp"
#include "cugad/metrics.hpp"
#include "host/cli/command.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/output.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

namespace fs = std::filesystem;

constexpr double brightest_percent = 99.5;

std::string without_ending(const std::string& file) { return fs::path(file).replace_extension().generic_string(); }

bool lies_in(const fs::path& inner, const fs::path& outer) {
  const fs::path relative = fs::weakly_canonical(inner).lexically_relative(fs::weakly_canonical(outer));
  return !relative.empty() && *relative.begin() != "..";
}

}  // namespace

ImageShape shape_of_images(const FittedModel& model, const ModelInput& input, const std::string& flag) {
  if (model.fleet) throw UsageError(fmt::format("--{} is for one model, not for a fleet", flag));
  const std::optional<ImageShape> shape = input.images() != nullptr ? input.images()->shape() : model.format.image;
  if (shape && cells_of(*shape) == model.detector.columns()) return *shape;
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
  if (lies_in(folder_, input_path)) {
    throw UsageError(
        fmt::format("--heatmaps {}: lies in the folder of the images, which the maps would join", folder_));
  }
  std::map<std::string, std::string> names;
  for (const std::string& file : input.images()->files()) {
    const auto [other, is_new] = names.emplace(without_ending(file), file);
    if (is_new) continue;
    throw UsageError(fmt::format("--heatmaps: {} and {} would have the same map; choose by --files",
                                 one_line(other->second), one_line(file)));
  }
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
    const fs::path path = fs::path(folder_) / name;
    std::error_code failure;
    fs::create_directories(path.parent_path(), failure);
    if (failure) {
      throw Error(ErrorCode::input_output,
                  fmt::format("{}: cannot be made: {}", path.parent_path().string(), failure.message()));
    }
    write_result(path.string() + ".npy", [&](const Append& append) {
      append(npy_header(fmt::format("{}, {}", image.shape.height, image.shape.width)));
      append({reinterpret_cast<const char*>(map.data()), map.size() * sizeof(float)});
    });
    const float most = most_ ? *most_ : static_cast<float>(metrics::percentile(map, brightest_percent));
    const std::vector<std::byte> png = encode_png(heatmap(image.values, image.shape, map, most));
    write_result(path.string() + ".png", [&](const Append& append) {
      append({reinterpret_cast<const char*>(png.data()), png.size()});
    });
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
