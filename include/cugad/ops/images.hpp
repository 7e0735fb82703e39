#pragma once

#include "cugad/ops/types.hpp"

/// Images that are rows of a matrix: joined in their channels, mirrored and moved.
namespace cugad {

/// Two images side by side in the channels of each pixel p: y(p) = [a(p) | b(p)], b(p) = max(b(p), 0) if rectify.
///   a [rows, pixels * A], b [rows, pixels * B], or [rows, B]: one pixel for all; y [rows, pixels * (A + B)]. Aliasing:
///   none. Exact. Source: the skips of a U-Net (Ronneberger 2015), with ReLU as in Isola 2016.
struct JoinChannels {
  StackView<const float> a, b;
  StackView<float> y;
  std::int32_t pixels = 1;
  bool rectify = false;
};

/// The backward pass of JoinChannels with b of all pixels: da(p) = dy(p, first A channels); db(p) += dy(p, the others),
/// if rectify only where b(p) > 0.
///   dy [rows, pixels * (A + B)]; da [rows, pixels * A] (null: not computed), db [rows, pixels * B] (likewise); b as
///   db, read only with rectify and db. A or B follow from the output that is given. Aliasing: none. Exact; one rounded
///   addition per element of db.
struct SplitChannels {
  StackView<const float> dy, b;
  StackView<float> da, db;
  std::int32_t pixels = 1;
  bool rectify = false;
};

/// Minibatches of images that are mirrored and moved: out[r] = augmented(source[index[r]]), in which
///   pixel (y, x) = pixel (clamp(y - u), mirror(clamp(x - v))) of the source row,
/// clamp to the image's lines or columns, u and v uniform in [-shift, shift], mirror(x) = width - 1 - x in half of the
/// rows if flip is set. Row r takes words 4 r to 4 r + 2 of the stream: mirrored if the first is odd, u = (second * (2
/// shift + 1) >> 32) - shift, v likewise from the third.
///   source [source rows, columns], index [rows, 1], out [rows, columns]. The first columns of a row are `image`, the
///   next an image of as many pixels and `more_channels` channels, which moves alike; the rest is copied. shift: at
///   least 0 and less than height and width. Indices as in GatherRows. Exact.
struct AugmentImages {
  StackView<const float> source;
  StackView<const std::int32_t> index;
  StackView<float> out;
  ImageShape image;
  std::int32_t more_channels = 0;
  std::int32_t shift = 0;
  bool flip = false;
  RandomKey key;
};

}  // namespace cugad
