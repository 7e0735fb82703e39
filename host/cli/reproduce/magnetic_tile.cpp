#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "cugad/error.hpp"
#include "cugad/image.hpp"
#include "cugad/metrics.hpp"
#include "host/cli/mask_files.hpp"
#include "host/cli/reproduce/protocol.hpp"

/// Magnetic tiles (Huang, Qiu, Yuan, "Surface defect saliency of magnetic tile", 2020): half of the good ones train,
/// the rest and all defective ones test. Photographs are jpg, the masks of their defects png of the same names.
namespace cugad::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* good_folder = "MT_Free";

struct Tiles {
  std::string folder;
  ImageShape shape;
  Matrix rows;
  std::vector<std::string> files;  ///< within the folder
  std::vector<std::int64_t> good, defective;
};

Tiles read_tiles(const DataChoices& choices) {
  Tiles tiles;
  tiles.folder = choices.data;
  if (fs::is_directory(fs::path(choices.data) / "magnetic_tile")) tiles.folder += "/magnetic_tile";
  tiles.shape = choices.image;
  ImageReader reader(tiles.folder, {.shape = tiles.shape, .files = "*.jpg"});
  tiles.files = reader.files();
  Table chunk;
  reader.read(chunk, tiles.rows, static_cast<std::int64_t>(tiles.files.size()));
  const std::vector<std::string>& folders = chunk.columns[chunk.find("folder")].texts;
  for (std::int64_t row = 0; row < tiles.rows.rows; ++row) {
    (folders[static_cast<std::size_t>(row)] == good_folder ? tiles.good : tiles.defective).push_back(row);
  }
  if (tiles.good.size() < 2 || tiles.defective.empty()) {
    throw Error(ErrorCode::format, fmt::format("{}: found {} good tiles (in {}) and {} others, expected some of both",
                                               tiles.folder, tiles.good.size(), good_folder, tiles.defective.size()));
  }
  return tiles;
}

Trial split_tiles(const Tiles& tiles, std::uint32_t seed) {
  const auto half = static_cast<std::int64_t>(tiles.good.size() / 2);
  std::vector<std::int64_t> train, test;
  for (const std::int64_t at : numpy_permutation(seed, static_cast<std::int64_t>(tiles.good.size()))) {
    (std::ssize(train) < half ? train : test).push_back(tiles.good[static_cast<std::size_t>(at)]);
  }
  Trial trial;
  trial.label.assign(test.size(), 0);
  trial.region.assign(test.size() * static_cast<std::size_t>(tiles.shape.height) * tiles.shape.width, 0);
  std::int32_t next_region = 1;
  for (const std::int64_t row : tiles.defective) {
    test.push_back(row);
    trial.label.push_back(1);
    const fs::path image = fs::path(tiles.folder) / tiles.files[static_cast<std::size_t>(row)];
    const std::vector<std::uint8_t> pixels =
        read_mask(fs::path(image).replace_extension(".png").string(), image.string(), tiles.shape);
    std::vector<std::int32_t> region(pixels.size());
    next_region = metrics::label_regions(pixels, tiles.shape.width, next_region, region);
    trial.region.insert(trial.region.end(), region.begin(), region.end());
  }
  trial.shape = tiles.shape;
  trial.train = take_rows(tiles.rows, train);
  trial.test = take_rows(tiles.rows, test);
  trial.all_test_rows = trial.test.rows;
  return trial;
}

}  // namespace

std::vector<Case> magnetic_tile_cases(const DataChoices& choices) {
  const auto tiles = std::make_shared<const Tiles>(read_tiles(choices));
  const auto load = [=](std::uint32_t split) { return split_tiles(*tiles, split); };
  return {{.name = "all defects", .published_split = false, .splits_by_seed = true, .load = load}};
}

}  // namespace cugad::cli
