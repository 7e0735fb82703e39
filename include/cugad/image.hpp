#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cugad/export.h"
#include "cugad/image_shape.hpp"
#include "cugad/table.hpp"

/// Image files on the host: reading PNG and JPEG, bringing images to one size, folders of images as rows.
namespace cugad {

/// An image of 8 bits per value: grey (1 channel) or RGB (3 channels).
struct Image {
  ImageShape shape;
  std::vector<std::uint8_t> values;  ///< value (y * width + x) * channels + c
};

/// Decodes a PNG or JPEG. PNG: all kinds and depths; 16 bits are rounded to 8, transparent pixels are shown on white,
/// gamma is that of sRGB afterwards. JPEG: grey, YCbCr, RGB, CMYK and YCCK of 8 bits, baseline and progressive. An Exif
/// orientation is applied. `file`: its name in messages. Throws Error{format} for damaged or truncated bytes, for other
/// kinds of file, and, before it allocates pixels, for more than 2^26 of them. Deterministic.
CUGAD_API Image decode_image(std::span<const std::byte> bytes, const std::string& file);
/// Reads and decodes a file of at most 1 GiB. Throws Error{input_output} if it cannot be read.
CUGAD_API Image read_image(const std::string& path);
/// Encodes an image as PNG. Throws Error{invalid_argument} unless it has 1 or 3 channels and as many values as its
/// shape.
CUGAD_API std::vector<std::byte> encode_png(const Image& image);

/// Writes the image as a row of cells_of(shape) values from 0 to 255: cropped around its centre to the shape's aspect
/// ratio, then resized per axis, by area averages where it shrinks and bilinearly where it grows. Colours become grey
/// by the weights of ITU-R BT.601 (.299, .587, .114); grey becomes three equal channels. An image of that shape already
/// is copied. Throws Error{invalid_argument} for a shape of other than 1 or 3 channels, or a row of another length.
/// Deterministic.
CUGAD_API void image_to_row(const Image& image, const ImageShape& shape, std::span<float> row);

/// A row of cells_of(shape) values from 0 to `white` as an image of 8 bits: rounded, and bounded by 0 and 255. Throws
/// Error{invalid_argument} for a row of another length.
CUGAD_API Image image_of_row(std::span<const float> row, const ImageShape& shape, float white = 255.0f);
/// Takes the left or right half of each line of a row of images, or puts it there; `half` is a row of half as many
/// columns. Throws Error{invalid_argument} for an odd width, or rows of other lengths.
CUGAD_API void take_half(std::span<const float> row, const ImageShape& shape, bool right, std::span<float> half);
CUGAD_API void put_half(std::span<const float> half, const ImageShape& shape, bool right, std::span<float> row);

/// Names of a row's columns: "y3x7", with several channels "y3x7c0".
CUGAD_API std::vector<std::string> image_column_names(const ImageShape& shape);

/// Overlapping windows of an image, line by line: they stand `stride` pixels apart from its upper left corner, and the
/// last of each direction ends with the image.
struct PatchGrid {
  ImageShape image, patch;
  std::vector<std::int32_t> top, left;  ///< where the lines and the columns of patches begin

  /// 0 for an image that could not be read.
  std::int64_t count() const { return static_cast<std::int64_t>(top.size() * left.size()); }
};
/// Throws Error{invalid_argument} for an image that is smaller than a patch or has other channels, or for a stride of
/// other than 1 to the shorter side of a patch (wider ones would leave gaps).
CUGAD_API PatchGrid patch_grid(const ImageShape& image, const ImageShape& patch, std::int32_t stride);
/// Copies the patches of an image of cells_of(grid.image) values, one a row of cells_of(grid.patch).
/// Error{invalid_argument} for other sizes.
CUGAD_API void cut_patches(std::span<const float> image, const PatchGrid& grid, MatrixView<float> patches);
/// The reverse, for values of any kind such as residuals: where patches overlap the mean, in double, of their values.
CUGAD_API std::vector<float> stitch_patches(MatrixView<const float> patches, const PatchGrid& grid);

/// The sum over the channels of each pixel: a map of height x width values from the residuals of a row
/// (Detector::score_cells). Throws Error{invalid_argument} for another number of residuals.
CUGAD_API std::vector<float> pixel_map(std::span<const float> residuals, const ImageShape& shape);
/// Draws a map of height x width values over its image: the image in grey, and over it colors from dark (0) to yellow
/// (`most` and above), the more opaque the larger the value. Values of the row are from 0 to 255, or else from 0 to 1.
/// Images of fewer than 256 pixels across are enlarged by a whole number. Throws Error{invalid_argument} for other
/// numbers of values.
CUGAD_API Image heatmap(std::span<const float> row, const ImageShape& shape, std::span<const float> map, float most);

/// How a folder of images is read.
struct ImageOptions {
  /// The shape of the rows, to which images are cropped and resized; none: that of the first image, which all others
  /// must have.
  std::optional<ImageShape> shape = {};
  /// If not empty, only files whose names match are read: "*.jpg" (* and ?, as in a shell).
  std::string files = {};
  /// If not empty, a folder of second images: that of the same path, perhaps with another ending, is joined to the
  /// right of each image. The shape is that of the whole; each takes half of its columns.
  std::string beside = {};
  /// An image that cannot be read does not end the reading: its row becomes missing, and Table::unreadable has the
  /// reason.
  bool mark_errors = false;
  /// If not 0, images keep their sizes, which may differ, and are cut into overlapping patches of `shape`, so far apart
  /// (patch_grid()): the rows are patches.
  std::int32_t patch_stride = 0;
};

/// Reads the PNG and JPEG files of a folder and of all folders below it, in the order of their paths (bytes compared),
/// with bounded memory. Hidden files and folders are ignored, other kinds of file are skipped; symbolic links to
/// folders are not followed.
class CUGAD_API ImageReader {
 public:
  /// Lists the files, and reads the first image if the shape is open. Throws Error{input_output} if the folder cannot
  /// be read, Error{format} if it holds no image.
  explicit ImageReader(const std::string& folder, const ImageOptions& options = {});
  ~ImageReader();
  ImageReader(ImageReader&&) noexcept;
  ImageReader& operator=(ImageReader&&) noexcept;

  const ImageShape& shape() const;
  /// The paths of the images within the folder, in the order of the rows.
  const std::vector<std::string>& files() const;
  /// The next chunk of at most `max_rows` images; false at the end. `chunk` gets two columns of text: "file", the path
  /// within the folder, and "folder", the first folder of that path (empty for an image that lies in none). `rows` gets
  /// one row of shape() per image, of NaN for one that cannot be read; or the patches of all images, one image after
  /// the other, in which case a chunk ends with the image that makes them `max_rows` (an image smaller than a patch, or
  /// with more than 2^28 values in its patches, cannot be read). A chunk ends early before an image that ends
  /// the reading, with which the next call fails: Error{format} with the file's name for a damaged image or one of
  /// another shape, Error{input_output} when reading fails.
  bool read(Table& chunk, Matrix& rows, std::int64_t max_rows);
  /// How each image of the last chunk was cut; empty unless images are cut into patches.
  const std::vector<PatchGrid>& grids() const;
  /// Notes for the user, a line each: skipped files.
  std::vector<std::string> notes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cugad
