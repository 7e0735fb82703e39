#pragma once

#include "cugad/ops/types.hpp"

/// Convolutions of images that are rows of a matrix.
namespace cugad {

/// The window of a convolution. Window (p, q) lies at (p * stride - pad_top, q * stride - pad_left) in the larger
/// image, one window for each pixel (p, q) of the smaller one. A plain convolution gathers: its input is the larger
/// image, its output the smaller. A transposed one scatters: its input is the smaller image, its output the larger.
struct Window {
  std::int32_t height = 1, width = 1;      ///< in [1, 32768]
  std::int32_t stride = 1;                 ///< in [1, 32]
  std::int32_t pad_top = 0, pad_left = 0;  ///< at least 0, less than height and width
  bool transposed = false;
};

/// Y = dropout(act(convolution(X, W) + b)), plain or transposed; rows are images.
///   x [rows, from.height * from.width * from.channels], y [rows, to.height * to.width * to.channels],
///   weight [to.channels, window.height * window.width * from.channels] (a tensor [out, ky, kx, in]; also if
///   transposed), bias [1, to.channels] (null: none), derivative_of [rows, columns of y] (optional) as in DenseForward.
///   plain:      h(p, q, o) = b(o) + sum over ky, kx, c of
///                 x(p * stride - pad_top + ky, q * stride - pad_left + kx, c) * w(o, ky, kx, c)
///   transposed: h(y, x, o) = b(o) + sum over c, and the ky, kx for which p and q are whole numbers, of
///                 x(p, q, c) * w(o, ky, kx, c), p = (y + pad_top - ky) / stride, q = (x + pad_left - kx) / stride
///   Taps outside the image are left out, or count as 0. The shapes are explicit: what lies below and to the right of
///   the windows (a symmetric padding, TensorFlow's SAME, an output padding) follows from them; every window must
///   overlap the larger image. Order of sums: bias first, then ky, kx, c ascending, one chain of fused multiply-adds.
///   Random words of dropout are numbered over the columns of y, as in DenseForward. Aliasing: none. Workspace: packed
///   weights and, on the CPU, the windows of a few pixels. Bound and precision: as in DenseForward, with `in` the
///   columns of the weight; passes to at most four channels stay in float32.
struct ConvolutionForward {
  ImageShape from, to;
  Window window;
  StackView<const float> x, weight, bias;
  StackView<float> y;
  Activation activation = Activation::identity;
  float slope = 0.0f;  ///< of leaky_relu for negative inputs; must be positive there
  Dropout dropout;
  StackView<const float> derivative_of;
};

/// The backward pass of ConvolutionForward with the same shapes and window: dH = dY * act'(y) as in DenseBackward, dX,
/// dW = scale * the sum over rows and pixels of dH times input, db = scale * that of dH.
///   x, weight, y as there (y is not read for identity without dropout); dy [rows, columns of y]: overwritten with dH.
///   dx [rows, columns of x], dweight as weight, dbias [1, to.channels]: each optional (null: not computed).
///   accumulate: dweight and dbias are added to instead of overwritten (dx is always overwritten).
///   Order of sums: dX over ky, kx, then to.channels, ascending. dW over rows, then the pixels of the smaller image; db
///   over rows, to the sum of each over the pixels of `to`; both in chunks of whole rows, a new one after at least
///   1,024 pixels of the smaller image, at most 64 chunks, whose sums are added in ascending order. The chunks depend
///   on the shapes and the row count alone. Rows of dY that are 0 may be left out: with finite operands that changes no
///   bit. Workspace: packed weights, the chunks' sums, the rows' sums (CUDA). Bound: (terms + 4) eps sum |terms| for
///   each output, the terms being those of its sum. Precision: as in DenseBackward.
struct ConvolutionBackward {
  ImageShape from, to;
  Window window;
  StackView<const float> x, weight, y;
  StackView<float> dy, dx, dweight, dbias;
  Activation activation = Activation::identity;
  float slope = 0.0f;
  float dropout_rate = 0.0f;
  float scale = 1.0f;
  bool accumulate = false;
};

}  // namespace cugad
