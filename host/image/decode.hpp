#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "cugad/image.hpp"

/// One decoder per kind of image file. `file` is how messages call the file.
namespace cugad {

using Bytes = std::span<const std::byte>;

enum class ImageKind { png, jpeg, unknown };

/// By the first bytes.
ImageKind image_kind(Bytes start);

Image decode_png(Bytes bytes, const std::string& file);
Image decode_jpeg(Bytes bytes, const std::string& file);

/// Throws Error{format} if a header declares no pixels, or more than are read.
void check_image_size(std::uint64_t height, std::uint64_t width, const std::string& file);

/// The orientation, from 1 to 8, that an Exif block (a TIFF file) declares; 1 if it declares none.
int exif_orientation(Bytes tiff);
/// Turns and mirrors an image so that it is upright.
void make_upright(Image& image, int orientation);

}  // namespace cugad
