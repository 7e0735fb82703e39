#pragma once

#include <optional>
#include <string>

#include "cugad/detector.hpp"

/// Layers and shapes of images as text.
namespace cugad {

/// "128", "conv64k4s2", "up64k4s2bn": see Layer.
std::string layer_text(const Layer& layer);
/// Throws Error{invalid_argument} naming the option; `widest`: the most units or channels.
Layer parse_layer(const std::string& option, const std::string& text, int widest);

inline bool is_image_of(const ImageShape& image, std::int64_t columns) {
  return std::int64_t{image.height} * image.width * image.channels == columns;
}
/// "28x28x1".
std::string image_text(const ImageShape& image);
/// Also "28x28" for one channel; an empty text is no image. Throws Error{invalid_argument}.
std::optional<ImageShape> parse_image(const std::string& text);

}  // namespace cugad
