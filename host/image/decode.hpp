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

/// A header that declares more pixels than `most` is refused before they are allocated.
Image decode_png(Bytes bytes, const std::string& file, std::uint64_t most);
Image decode_jpeg(Bytes bytes, const std::string& file, std::uint64_t most);
/// As decode_image().
Image decode_within(Bytes bytes, const std::string& file, std::uint64_t most);

/// Throws Error{format} if a header declares no pixels, or more than `most`.
void check_image_size(std::uint64_t height, std::uint64_t width, const std::string& file, std::uint64_t most);

/// The orientation, from 1 to 8, that an Exif block (a TIFF file) declares; 1 if it declares none.
int exif_orientation(Bytes tiff);
/// Turns and mirrors an image so that it is upright.
void make_upright(Image& image, int orientation);

}  // namespace cugad
