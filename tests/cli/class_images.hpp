#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/command.hpp"

/// Made-up images of ten classes in the files of MNIST.
namespace cugad::cli_test {

/// An idx file of bytes.
inline std::string idx(const std::vector<unsigned>& shape, const std::string& bytes) {
  std::string text = {'\0', '\0', '\x08', static_cast<char>(shape.size())};
  for (const unsigned size : shape) {
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(size >> shift & 0xff);
  }
  return text + bytes;
}

/// Writes so many images of 28 x 28 pixels to `folder`, the classes in turn: the first 8 * class pixels are bright, a
/// few others vary.
inline void write_class_images(const std::string& folder, const std::string& part, unsigned count) {
  std::filesystem::create_directories(folder);
  std::string images, labels;
  for (unsigned row = 0; row < count; ++row) {
    std::string image(784, '\0');
    for (unsigned pixel = 0; pixel < 8 * (row % 10); ++pixel) image[pixel] = '\xff';
    for (unsigned pixel = 0; pixel < 16; ++pixel) image[400 + pixel] = static_cast<char>(row * (pixel + 3) * 7);
    images += image;
    labels += static_cast<char>(row % 10);
  }
  write_file(folder + "/" + part + "-images-idx3-ubyte", idx({count, 28, 28}, images));
  write_file(folder + "/" + part + "-labels-idx1-ubyte", idx({count}, labels));
}

}  // namespace cugad::cli_test
