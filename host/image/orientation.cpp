#include <algorithm>

#include "host/image/decode.hpp"

/// The orientation of the Exif standard (CIPA DC-008, tag 0x0112).
namespace cugad {
namespace {

/// Numbers of a TIFF file; 0 beyond its end.
class TiffNumbers {
 public:
  explicit TiffNumbers(Bytes bytes) : bytes_(bytes), big_endian_(at(0) == 'M') {}
  std::uint32_t read(std::size_t position, std::size_t size) const {
    std::uint32_t number = 0;
    for (std::size_t i = 0; i < size; ++i) number = number << 8 | at(position + (big_endian_ ? i : size - 1 - i));
    return number;
  }

 private:
  std::uint32_t at(std::size_t position) const {
    return position < bytes_.size() ? std::to_integer<std::uint32_t>(bytes_[position]) : 0;
  }
  Bytes bytes_;
  bool big_endian_;
};

}  // namespace

int exif_orientation(Bytes tiff) {
  constexpr std::uint32_t orientation_tag = 0x0112, short_type = 3;
  const TiffNumbers numbers(tiff);
  const std::size_t directory = numbers.read(4, 4);
  const std::uint32_t entries = numbers.read(directory, 2);
  for (std::size_t entry = 0; entry < entries; ++entry) {
    const std::size_t at = directory + 2 + 12 * entry;
    if (at >= tiff.size()) break;
    if (numbers.read(at, 2) != orientation_tag || numbers.read(at + 2, 2) != short_type) continue;
    const std::uint32_t orientation = numbers.read(at + 8, 2);
    return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  }
  return 1;
}

void make_upright(Image& image, int orientation) {
  if (orientation <= 1) return;
  const ImageShape from = image.shape;
  const bool is_transposed = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  if (is_transposed) std::swap(image.shape.height, image.shape.width);
  std::vector<std::uint8_t> upright(image.values.size());
  auto* target = upright.data();
  for (std::int32_t y = 0; y < image.shape.height; ++y) {
    for (std::int32_t x = 0; x < image.shape.width; ++x, target += from.channels) {
      const std::int32_t row = is_transposed ? x : y, column = is_transposed ? y : x;
      const std::int64_t source_y = from_bottom ? from.height - 1 - row : row;
      const std::int64_t source_x = from_right ? from.width - 1 - column : column;
      std::copy_n(image.values.data() + (source_y * from.width + source_x) * from.channels, from.channels, target);
    }
  }
  image.values = std::move(upright);
}

}  // namespace cugad
