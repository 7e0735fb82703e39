#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cugad/error.hpp"
#include "cugad/image.hpp"

/// Masks of images as files: white pixels are those that are meant.
namespace cugad::cli {

/// The mask of an image, of `shape`, at a size: 1 where at least half of a pixel is white. Throws as read_image() does,
/// and Error{format} for a mask of other proportions than `shape`, which would not lie on the image. `image`: its name.
std::vector<std::uint8_t> read_mask(const std::string& path, const std::string& image, const ImageShape& shape,
                                    const ImageShape& size);
/// That of an image file.
std::vector<std::uint8_t> read_mask(const std::string& path, const std::string& image, const ImageShape& size);

/// The mask in `folder` of the image input/a/b.jpg: a/b.png or a/b_mask.png, but never the image itself.
std::optional<std::vector<std::uint8_t>> find_mask(const std::string& folder, const std::string& input,
                                                   const std::string& file, const ImageShape& size);
/// Says where find_mask() looked.
Error no_mask(const std::string& folder, const std::string& file);

}  // namespace cugad::cli
