#pragma once

#include <optional>

#include "cugad/detector.hpp"

namespace cugad {

/// The image that is judged: of translation half of a row's (DetectorOptions::target).
inline std::optional<ImageShape> judged_image(const DetectorOptions& options) {
  std::optional<ImageShape> image = options.image;
  if (image && !options.target.empty()) image->width /= 2;
  return image;
}

}  // namespace cugad
