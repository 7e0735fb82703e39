#include <vector>

#include "cugad/error.hpp"
#include "cugad/image.hpp"
#include "host/image/decode.hpp"
#include "tests/fuzz/targets.hpp"

/// Images: decoded, brought to another shape, and written.
namespace cugad::fuzz {
namespace {

constexpr std::uint64_t most_pixels = std::uint64_t{1} << 20;

bool image(std::string_view input) {
  Image image;
  try {
    image = decode_within(std::as_bytes(std::span(input)), "fuzzed.image", most_pixels);
  } catch (const Error& error) {
    check_message(error.what());
    return false;
  }
  require(image.shape.channels == 1 || image.shape.channels == 3, "an image of neither 1 nor 3 channels");
  require(static_cast<std::int64_t>(image.values.size()) == cells_of(image.shape),
          "an image of other values than its shape");
  for (const std::int32_t channels : {1, 3}) {
    const ImageShape shape{5, 7, channels};
    std::vector<float> row(static_cast<std::size_t>(cells_of(shape)));
    image_to_row(image, shape, row);
    for (const float value : row) require(value >= 0.0f && value <= 255.01f, "a value outside 0 to 255");
  }
  const std::vector<std::byte> png = encode_png(image);
  const Image again = decode_image(png, "again.png");
  require(again.shape == image.shape && again.values == image.values, "an image that is another when it is written");
  return true;
}

}  // namespace

bool png(std::string_view input) { return image(input); }
bool jpeg(std::string_view input) { return image(input); }

}  // namespace cugad::fuzz
