#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cugad/table.hpp"

/// Images with a class each, in the files of MNIST: idx, also compressed.
namespace cugad::cli {

struct ClassImages {
  Matrix rows;  ///< pixels from 0 to 255
  std::vector<std::int64_t> label;
};

/// Reads `part` ("train" or "t10k") from `data` or from `folder` in it: a fixed random sample of `most` images, or all
/// (0). Throws as find_data_file() and expect_count() do, and Error{format} for images of other than 28 x 28 pixels.
ClassImages read_class_images(const std::string& data, const std::string& folder, const std::string& part,
                              std::int64_t most);
/// The images of `more` follow.
void append(ClassImages& images, const ClassImages& more);

}  // namespace cugad::cli
