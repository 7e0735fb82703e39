#pragma once

#include <string>

#include "cugad/image.hpp"
#include "host/cli/flags.hpp"

/// Folders of images as inputs of the command.
namespace cugad::cli {

/// The columns of text beside the pixels of a folder of images, which ImageReader gives.
constexpr const char* file_column = "file";
constexpr const char* folder_column = "folder";

/// Declares --image and --files.
void add_image_flags(FlagSet& flags);

bool is_image_folder(const std::string& input);

/// `kept` (of a model or of a file; empty if it has none), or the value of --image. UsageError if the rows of an array,
/// which has the shape `kept`, would have to be resized, or if rows of so many columns are no such images.
std::optional<ImageShape> array_shape(const FlagSet& flags, const std::string& input, std::optional<ImageShape> kept,
                                      std::int64_t columns);

/// How a folder is read: as `kept` (of a model; empty when training) or --image says. UsageError for flags that are
/// for tables alone.
ImageOptions image_options(const FlagSet& flags, const std::string& input, std::optional<ImageShape> kept = {});

}  // namespace cugad::cli
