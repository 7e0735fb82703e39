#pragma once

#include <string>

#include "cugad/image.hpp"
#include "host/cli/flags.hpp"

/// Folders of images as inputs of the command.
namespace cugad::cli {

/// The columns of text beside the pixels of a folder of images, which ImageReader gives.
constexpr const char* file_column = "file";
constexpr const char* folder_column = "folder";

/// Declares --files.
void add_image_flags(FlagSet& flags);

bool is_image_folder(const std::string& input);
/// UsageError for the flags of folders beside another input.
void check_no_image_flags(const FlagSet& flags, const std::string& input);

/// The shape of the images to train on: that of --image, of a folder's images or of an array's; none of a table.
/// UsageError if the images of an array would have to be resized.
std::optional<ImageShape> training_images(const std::string& input, const FlagSet& flags);

/// The distance of patches that --patch-stride of `train` gives; 0: images are not cut. UsageError without --image.
std::int32_t patch_stride(const FlagSet& flags);

/// How a folder is read: in the shape `kept` (of a model; empty when training) or that of --image. UsageError for flags
/// that are for tables alone.
ImageOptions image_options(const FlagSet& flags, const std::string& input, std::optional<ImageShape> kept = {});

}  // namespace cugad::cli
