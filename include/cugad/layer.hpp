#pragma once

#include <cstdint>

/// Entries of the lists of hidden layers in DetectorOptions.
namespace cugad {

/// A hidden layer; a number is a dense layer of that width. As text (set_option): `128`, a convolution of 64 channels
/// with windows of 4 x 4 pixels that stand 2 apart `conv64k4s2`, a transposed one `up64k4s2`; each may end in `bn`, as
/// `conv64k4s2bn`, for batch normalisation before the activation (of images: of each channel over rows and pixels), or
/// in `ln` for layer normalisation (of each row over its units, or pixels and channels).
/// Convolutions are padded as TensorFlow's SAME: of n lines `conv` makes ceil(n / stride), `up` makes n * stride, or as
/// many fewer as the image needs. They take rows that are images (DetectorOptions::image). `up64k4s2+1` joins the
/// layer's output with that of layer 1 of the list, of as many pixels, by channel: a skip of a U-Net.
struct Layer {
  enum class Kind : std::int32_t { dense, convolution, transposed };

  int out = 1;  ///< units, or channels
  Kind kind = Kind::dense;
  int window = 1, stride = 1;                   ///< of a convolution, in pixels
  bool batch_norm = false, layer_norm = false;  ///< not both
  int joined = 0;  ///< the number (from 1) of the earlier layer in the list whose output follows this one's; 0: none

  Layer() = default;
  Layer(int width) : out(width) {}
  bool convolves() const { return kind != Kind::dense; }
  bool operator==(const Layer&) const = default;
};

}  // namespace cugad
