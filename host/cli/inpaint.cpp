#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/heatmaps.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/image_output.hpp"
#include "host/cli/mask_files.hpp"
#include "host/cli/output.hpp"
#include "host/cli/table_flags.hpp"
#include "host/cli/text.hpp"

/// Images that a model completes: their masked pixels, or the other half of a pair.
namespace cugad::cli {
namespace {

namespace fs = std::filesystem;

constexpr float missing = std::numeric_limits<float>::quiet_NaN();

/// The pixels to fill: those of one mask for all images, or of one for each.
class Masks {
 public:
  /// `images`: the reader of the folder `input`, or null.
  Masks(const std::string& path, const ImageShape& shape, const std::string& input, const ImageReader* images)
      : path_(path), input_(input), shape_{shape.height, shape.width, 1}, channels_(shape.channels) {
    std::error_code ignored;
    if (path.empty() || fs::is_directory(path, ignored)) return;
    if (path.ends_with(".npy") || path.ends_with(".npz")) {
      read_array();
      return;
    }
    // One mask lies on all images as on the first.
    const std::string first = images == nullptr ? input : (fs::path(input) / images->files().front()).string();
    const std::vector<std::uint8_t> mask =
        images == nullptr ? read_mask(path, input, shape_, shape_) : read_mask(path, first, shape_);
    masks_ = Matrix(1, cells_of(shape_));
    std::copy(mask.begin(), mask.end(), masks_.row(0));
  }
  /// Makes the masked pixels of rows of images missing.
  void hide(const Table& chunk, Matrix& rows) const {
    if (path_.empty()) return;
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      const std::vector<float> mask = mask_of(chunk, r);
      for (std::size_t p = 0; p < mask.size(); ++p) {
        if (mask[p] != 0.0f) std::fill_n(rows.row(r) + static_cast<std::int64_t>(p) * channels_, channels_, missing);
      }
    }
  }

 private:
  /// [height, width], or [images, height, width]: what is not 0 is missing.
  void read_array() {
    const auto reader = open_table(path_, ReadOptions());
    Table table;
    reader->read(table, std::numeric_limits<std::int64_t>::max());
    const auto columns = static_cast<std::int64_t>(table.columns.size());
    Matrix all(table.rows, columns);
    for (std::int64_t c = 0; c < columns; ++c) {
      const Column& column = table.columns[static_cast<std::size_t>(c)];
      for (std::int64_t r = 0; r < table.rows; ++r)
        all.row(r)[c] = column.is_text ? missing : static_cast<float>(column.numbers[static_cast<std::size_t>(r)]);
    }
    masks_ = std::move(all);
    const bool is_one = masks_.rows * columns == cells_of(shape_);
    if (is_one) masks_.rows = 1;
    if (is_one || columns == cells_of(shape_)) {
      masks_.columns = cells_of(shape_);
      return;
    }
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: masks of {} x {} values, expected {} x {}, or one such mask for each image", path_,
                            table.rows, columns, shape_.height, shape_.width));
  }
  std::vector<float> mask_of(const Table& chunk, std::int64_t r) const {
    if (masks_.rows > 0) {
      const std::int64_t number = masks_.rows == 1 ? 0 : chunk.first_row + r;
      if (number >= masks_.rows) {
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{}: holds {} masks, expected one for each image", path_, grouped(masks_.rows)));
      }
      return {masks_.row(number), masks_.row(number) + masks_.columns};
    }
    if (chunk.columns.empty() || !chunk.columns.front().is_text)
      throw UsageError("--mask with a folder is for a folder of images, whose files name the masks");
    const std::string& file = chunk.columns[chunk.find(file_column)].texts[static_cast<std::size_t>(r)];
    const std::optional<std::vector<std::uint8_t>> mask = find_mask(path_, input_, file, shape_);
    if (!mask) throw no_mask(path_, file);
    return {mask->begin(), mask->end()};
  }

  std::string path_, input_;
  ImageShape shape_;
  std::int32_t channels_;
  Matrix masks_;  ///< no row: each image has a file
};

Inpainting inpainting_of(const FlagSet& flags) {
  Inpainting how;
  how.steps = static_cast<int>(flags.integer("steps", how.steps, 0, 1'000'000));
  if (flags.given("rate")) how.rate = static_cast<float>(flags.number("rate", 1e-9, 10));
  if (flags.given("prior")) how.prior = static_cast<float>(flags.number("prior", 0, 1e6));
  how.window = static_cast<int>(flags.integer("window", how.window, 1, 1023));
  if (how.window % 2 == 0) throw UsageError(fmt::format("--window is {}, expected an odd number", how.window));
  return how;
}

/// The name of a row's result.
std::string name_of(const Table& chunk, std::int64_t r, bool has_files) {
  return has_files ? without_ending(chunk.columns[chunk.find(file_column)].texts[static_cast<std::size_t>(r)])
                   : fmt::format("{:06}", chunk.first_row + r);
}

void inpaint(const std::string& input, const FlagSet& flags) {
  const std::string& output = flags.required_text("output");
  const Inpainting how = inpainting_of(flags);
  FittedModel model = load_model(flags.open_device(), flags.required_text("model"));
  // Throws if the model cannot.
  model.detector.inpaint({nullptr, 0, model.detector.columns(), model.detector.columns()}, {}, how);
  ModelInput images(model, input, flags, "");
  const ImageShape shape = shape_of_images(model, images, "model");
  if (model.patch_stride > 0)
    throw UsageError("--model: cuts images into patches, expected one that was trained without --patch-stride");
  const bool has_files = images.images() != nullptr;
  if (has_files) check_results_of_images("output", output, input, *images.images());
  const Masks masks(flags.text("mask"), shape, input, images.images());
  std::int64_t filled_pixels = 0, written = 0;
  images.for_each_chunk([&](const Table& chunk, const Matrix& given) {
    Matrix rows = given, filled(given.rows, given.columns);
    masks.hide(chunk, rows);
    model.detector.inpaint(rows, filled.data, how);
    const float white = has_files ? 255.0f : white_of(filled.data);
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      if (chunk.unreadable.contains(r)) continue;
      const auto count = static_cast<std::size_t>(cells_of(shape));
      filled_pixels += std::count_if(rows.row(r), rows.row(r) + count, [](float x) { return std::isnan(x); });
      write_png(path_of_result(output, name_of(chunk, r, has_files)) + ".png",
                image_of_row({filled.row(r), count}, shape, white));
      ++written;
    }
  });
  if (filled_pixels == 0) print_note("cugad: warning: no pixel is missing: --mask names those to fill");
  print_note(fmt::format("cugad: note: pixels filled: {}; images: {}", grouped(filled_pixels / shape.channels),
                         grouped(written)));
}

void translate(const std::string& input, const FlagSet& flags) {
  const std::string& output = flags.required_text("output");
  FittedModel model = load_model(flags.open_device(), flags.required_text("model"));
  const DetectorOptions& options = model.detector.options();
  if (!options.image || options.target.empty()) {
    throw UsageError(fmt::format("{}: translates no images: train one on pairs, with --method translation",
                                 one_line(flags.text("model"))));
  }
  if (!is_image_folder(input)) throw UsageError(fmt::format("{} is no folder of images", one_line(input)));
  const ImageShape shape = *options.image, half{shape.height, shape.width / 2, shape.channels};
  const bool right = options.target.front() == "right";
  ImageReader reader(input, image_options(flags, input, half));
  check_results_of_images("output", output, input, reader);
  for (const std::string& note : reader.notes()) print_note("cugad: note: " + note);
  Table chunk;
  Matrix sources;
  std::int64_t written = 0;
  while (reader.read(chunk, sources, 64)) {
    Matrix rows(sources.rows, cells_of(shape)), filled(sources.rows, cells_of(shape));
    std::fill(rows.data.begin(), rows.data.end(), missing);
    const auto cells = static_cast<std::size_t>(sources.columns), both = 2 * cells;
    for (std::int64_t r = 0; r < sources.rows; ++r)
      put_half({sources.row(r), cells}, shape, !right, {rows.row(r), both});
    model.detector.inpaint(rows, filled.data);
    std::vector<float> target(cells);
    for (std::int64_t r = 0; r < sources.rows; ++r) {
      if (chunk.unreadable.contains(r)) continue;
      take_half({filled.row(r), both}, shape, right, target);
      write_png(path_of_result(output, name_of(chunk, r, true)) + ".png", image_of_row(target, half));
      ++written;
    }
  }
  print_note(fmt::format("cugad: note: images translated: {}", grouped(written)));
}

template <class Work>
Run declare(CLI::App* command, const std::shared_ptr<FlagSet>& flags, const char* what, Work work) {
  const auto input = add_input(*command, what);
  flags->add_text("model", "FILE", "Model file");
  flags->add_text("output", "DIR", "Folder for the images, a PNG each");
  add_image_flags(*flags);
  return [input, flags, work] { work(*input, *flags); };
}

}  // namespace

Run add_inpaint(CLI::App& app) {
  CLI::App* command = app.add_subcommand("inpaint", "Fill missing pixels of images by a generator of images");
  const auto flags = std::make_shared<FlagSet>(*command);
  const Run run = declare(command, flags, "Folder of images, or an array of them (NaN: missing)", inpaint);
  flags->add_text("mask", "PATH", "White pixels are filled: a mask for all images, a folder of DIR/NAME.png, or .npy");
  flags->add_text("steps", "N", "Steps of the search for each image [500]");
  flags->add_text("rate", "X", "Step size of the search [0.03]");
  flags->add_text("prior", "X", "Weight of the discriminator's view [0.1]");
  flags->add_text("window", "N", "Visible pixels weigh by the missing ones in a window of N x N [7]");
  add_table_flags(*flags);
  flags->add_device();
  return run;
}

Run add_translate(CLI::App& app) {
  CLI::App* command = app.add_subcommand("translate", "Make the target image of each source image");
  const auto flags = std::make_shared<FlagSet>(*command);
  const Run run = declare(command, flags, "Folder of source images", translate);
  flags->add_device();
  return run;
}

}  // namespace cugad::cli
