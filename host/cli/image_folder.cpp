#include "host/cli/image_folder.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/table_flags.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

ImageShape shape_flag(const FlagSet& flags) {
  try {
    return image_shape_from(flags.required_text("image"));
  } catch (const Error& error) {
    throw UsageError(fmt::format("--image: {}", error.what()));
  }
}

}  // namespace

void add_image_flags(FlagSet& flags) {
  flags.add_text("image", "HxWxC",
                 "Images: height, width and channels (1 grey, 3 RGB) of the rows [those of the files]");
  flags.add_text("files", "PATTERN", "Folders of images: read only files whose names match, as '*.jpg'");
}

bool is_image_folder(const std::string& input) {
  std::error_code ignored;
  return std::filesystem::is_directory(input, ignored);
}

std::optional<ImageShape> array_shape(const FlagSet& flags, const std::string& input, std::optional<ImageShape> kept,
                                      std::int64_t columns) {
  if (flags.given("files")) {
    throw UsageError(fmt::format("--files is for folders of images, which {} is not", one_line(input)));
  }
  if (!flags.given("image")) return kept;
  const ImageShape shape = shape_flag(flags);
  if (kept && *kept != shape) {
    throw UsageError(fmt::format("--image {}: the images of {} are {}, and only those of folders are resized",
                                 image_shape_text(shape), one_line(input), image_shape_text(*kept)));
  }
  if (cells_of(shape) == columns) return shape;
  throw UsageError(fmt::format("--image {} has {} values, the rows of {} have {} columns", image_shape_text(shape),
                               cells_of(shape), one_line(input), columns));
}

ImageOptions image_options(const FlagSet& flags, const std::string& input, std::optional<ImageShape> kept) {
  if (!flags.has("image")) {
    throw UsageError(fmt::format("{} is a folder; this sub-command takes a table", one_line(input)));
  }
  for (const char* name : {"categorical", "exclude", "include", "max_categories", "separator", "decimal", "missing",
                           "comment", "header", "array"}) {
    if (!flags.has(name) || !flags.given(name)) continue;
    throw UsageError(fmt::format("--{} is for tables, {} is a folder of images", with_dashes(name), one_line(input)));
  }
  ImageOptions options;
  options.shape = kept;
  if (flags.given("image")) options.shape = shape_flag(flags);
  if (flags.given("files")) options.files = flags.required_text("files");
  options.mark_errors = flags.has("on_error") && marks_errors(flags);
  return options;
}

}  // namespace cugad::cli
