#include "host/cli/image_folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/input_table.hpp"
#include "host/cli/table_flags.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

/// The shape that --image of `train` gives.
std::optional<ImageShape> shape_flag(const FlagSet& flags) {
  if (!flags.has("image") || !flags.given("image")) return {};
  try {
    return image_shape_from(flags.text("image"));
  } catch (const Error& error) {
    throw UsageError(fmt::format("--image: {}", error.what()));
  }
}

/// The shape of the images of an array; none of a table, nor of what can be read only once.
std::optional<ImageShape> shape_of_array(const std::string& input, const FlagSet& flags) {
  if (!is_regular_file(input)) return {};
  ReadOptions reading;
  reading.format = table_format(flags, input);
  return open_input(input, reading)->format().image;
}

}  // namespace

void add_image_flags(FlagSet& flags) {
  flags.add_text("files", "PATTERN", "Folders of images: read only files whose names match, as '*.jpg'");
  flags.add_text("target_images", "DIR", "Folder of images of the same names, joined to the right: pairs");
}

bool is_image_folder(const std::string& input) {
  std::error_code ignored;
  return std::filesystem::is_directory(input, ignored);
}

void check_no_image_flags(const FlagSet& flags, const std::string& input) {
  for (const char* name : {"files", "patch_stride", "target_images"}) {
    if (!flags.has(name) || !flags.given(name)) continue;
    throw UsageError(fmt::format("--{} is for folders of images, which {} is not", with_dashes(name), one_line(input)));
  }
}

std::int32_t patch_stride(const FlagSet& flags) {
  if (!flags.has("patch_stride") || !flags.given("patch_stride")) return 0;
  const std::optional<ImageShape> shape = shape_flag(flags);
  if (!shape) throw UsageError("--patch-stride needs --image, the size of the patches");
  return static_cast<std::int32_t>(flags.integer("patch_stride", 0, 1, std::min(shape->height, shape->width)));
}

std::optional<ImageShape> training_images(const std::string& input, const FlagSet& flags) {
  const std::optional<ImageShape> given = shape_flag(flags);
  if (is_image_folder(input)) return given ? given : ImageReader(input, image_options(flags, input)).shape();
  check_no_image_flags(flags, input);
  const std::optional<ImageShape> found = shape_of_array(input, flags);
  if (given && found && *given != *found) {
    throw UsageError(fmt::format("--image {}: the images of {} are {}, and only those of folders are resized",
                                 image_shape_text(*given), one_line(input), image_shape_text(*found)));
  }
  return given ? given : found;
}

ImageOptions image_options(const FlagSet& flags, const std::string& input, std::optional<ImageShape> kept) {
  if (!flags.has("files")) {
    throw UsageError(fmt::format("{} is a folder; this sub-command takes a table", one_line(input)));
  }
  for (const char* name : {"categorical", "exclude", "include", "max_categories", "separator", "decimal", "missing",
                           "comment", "header", "array"}) {
    if (!flags.has(name) || !flags.given(name)) continue;
    throw UsageError(fmt::format("--{} is for tables, {} is a folder of images", with_dashes(name), one_line(input)));
  }
  ImageOptions options;
  options.shape = kept ? kept : shape_flag(flags);
  options.patch_stride = patch_stride(flags);
  if (flags.given("files")) options.files = flags.required_text("files");
  if (flags.has("target_images") && flags.given("target_images")) options.beside = flags.required_text("target_images");
  options.mark_errors = flags.has("on_error") && marks_errors(flags);
  return options;
}

}  // namespace cugad::cli
