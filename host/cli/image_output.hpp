#pragma once

#include <span>
#include <string>

#include "cugad/image.hpp"

/// Images as results of the command: files in a folder.
namespace cugad::cli {

/// The path without the ending of its file.
std::string without_ending(const std::string& file);
/// UsageError if the folder, the value of `flag`, lies in that of the images, or two images would have one result.
void check_results_of_images(const std::string& flag, const std::string& folder, const std::string& input,
                             const ImageReader& images);
/// Makes the folders of a file in `folder`, and returns its path without an ending.
std::string path_of_result(const std::string& folder, const std::string& name);
void write_png(const std::string& path, const Image& image);
/// What is white in rows that hold such values: 255, or 1 if none is larger.
float white_of(std::span<const float> values);

}  // namespace cugad::cli
