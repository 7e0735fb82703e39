#pragma once

#include "cugad/ops/types.hpp"

/// Normalisations, and minibatch discrimination.
namespace cugad {

/// Batch normalisation (Ioffe and Szegedy 2015) followed by activation and dropout:
///   h^ = (x - mean) * inverse_deviation, y = dropout(act(scale * h^ + shift)),
/// mean and variance (divided by the number of rows) per column, inverse_deviation = 1 / sqrt(variance + epsilon).
///   x, y [rows, columns], rows >= 1; scale, shift [1, columns]; mean, inverse_deviation [1, columns]: outputs.
///   reference_rows R > 0: virtual batch normalisation (Salimans 2016, 3.4). The first R rows are the reference batch:
///   they are normalised with their own statistics, which are the outputs; row r >= R with those of the R rows and
///   itself: mean_r = (R mean + x_r) / (R + 1), the second moment likewise, variance_r = second moment - mean_r^2, in a
///   form that does not cancel. Such a row depends on the reference rows and itself alone.
///   moving_mean, moving_variance [1, columns], each optional, read and written:
///   moving = momentum * moving + (1 - momentum) * the batch's (biased) statistic, in double, rounded once.
/// Order: statistics in double, 16 interleaved sums of rows, then a tree; the variance from the differences to the mean
/// (double); mean and inverse_deviation are rounded once. All backends with a fused multiply-add give the same bits.
/// Bound: 2 eps of their terms for mean, inverse_deviation and moving statistics; before the activation
/// eps (|scale| (2 inverse_deviation |mean| + 12 |h^|) + 2 |shift|), then as in DenseForward. Workspace: none.
struct BatchNorm {
  StackView<const float> x, scale, shift;
  float epsilon = 1e-3f;            ///< positive
  std::int32_t reference_rows = 0;  ///< in [0, rows]
  Activation activation = Activation::identity;
  float slope = 0.0f;  ///< of leaky_relu; must be positive there
  Dropout dropout;
  StackView<float> y, mean, inverse_deviation;
  float momentum = 0.99f;  ///< in [0, 1]
  StackView<float> moving_mean, moving_variance;
};

/// The backward pass of BatchNorm from its input and its stored outputs: dH = dY * act'(y) as in DenseBackward, the
/// column sums dscale of dH h^ and dshift of dH, and dX, into which gradients flow through the statistics as well:
///   dX = scale * inverse_deviation * (dH - mean of dH - h^ * mean of dH h^).
///   reference_rows, epsilon as in the forward pass; with R > 0 the gradient of a reference row includes its part in
///   the statistics of every other row.
///   x, y [rows, columns] (y is not read for identity without dropout), scale, mean, inverse_deviation [1, columns];
///   dy [rows, columns]: overwritten with dH; dx [rows, columns]; dscale, dshift [1, columns], each optional.
///   accumulate: dscale and dshift are added to (dx is always overwritten). Order: sums over rows in double, as in
///   BatchNorm; bits as there. Bound: dH 5 eps |terms|; dscale and dshift 16 eps times the sum of |terms|; dx 24 eps
///   times the sum of its |terms| (means: of the terms of their sums). Workspace: none.
struct BatchNormBackward {
  StackView<const float> x, scale, y, mean, inverse_deviation;
  float epsilon = 1e-3f;
  std::int32_t reference_rows = 0;
  Activation activation = Activation::identity;
  float slope = 0.0f;
  float dropout_rate = 0.0f;
  StackView<float> dy, dx, dscale, dshift;
  bool accumulate = false;
};

/// Layer normalisation (Ba 2016) followed by activation and dropout; each row has statistics of its own:
///   h^ = (x - mean) * inverse_deviation, y = dropout(act(scale * h^ + shift)),
/// mean and variance (divided by the number of columns) over all columns of the row, of an image over its pixels and
/// channels, inverse_deviation = 1 / sqrt(variance + epsilon).
///   x, y [rows, columns], scale, shift [1, channels]: column c has number c % channels, so that the channels of an
///   image share theirs; `channels` divides the columns, and may be all of them.
///   tangent, derivative_of [rows, columns], both or neither: the tangent (forward mode) pass for a direction
///   `tangent` of x; derivative_of is the stored output of an earlier layer_norm of x with the same activation and
///   dropout rate. Then Y = act'(y) * dropout scale * scale * d h^, with
///   d h^ = inverse_deviation * (t - mean of t - h^ * mean of h^ t); shift and dropout draws are unused.
///   Random words of dropout are numbered over the columns of y, as in DenseForward. Order: sums in double, 128
///   interleaved sums of columns, then a tree; the variance from the differences to the mean (double); means and
///   inverse_deviation are rounded once. All backends with a fused multiply-add give the same bits. Bound: before the
///   activation eps (|scale| (2 inverse_deviation |mean| + 12 |h^|) + 2 |shift|), then as in DenseForward; tangents 24
///   eps times the sum of their |terms| (means: of the terms of their sums; |h^| counts as |h^| + inverse_deviation
///   |mean|). Workspace: none.
struct LayerNorm {
  StackView<const float> x, scale, shift;
  float epsilon = 1e-5f;  ///< positive
  Activation activation = Activation::identity;
  float slope = 0.0f;  ///< of leaky_relu; must be positive there
  Dropout dropout;
  StackView<float> y;
  StackView<const float> tangent, derivative_of;
};

/// The backward pass of LayerNorm from its input and its stored output: dH = dY * act'(y) as in DenseBackward,
///   dX = inverse_deviation * (u - mean of u - h^ * mean of h^ u), u = scale * dH, means over the columns of a row,
///   dscale = weight * the sum of dH h^, dshift = weight * the sum of dH, over rows and, of images, pixels.
///   x, scale, epsilon as there, y [rows, columns] (not read for identity without dropout); dy [rows, columns]:
///   overwritten with dH; dx [rows, columns]; dscale, dshift [1, channels], each optional.
///   tangent, signal [rows, columns], both or neither: adds the gradients of <signal, scale * d h^>, d h^ being that of
///   the tangent pass, which makes gradients of gradients (Gulrajani 2017) exact. With t = tangent, w = scale * signal,
///   a = mean of h^ w and b = mean of h^ t, q = inverse_deviation:
///     dX     += -q^2 (h^ (mean of w t - mean of w * mean of t - 3 a b) + b (w - mean of w) + a (t - mean of t))
///     dscale += weight * the sum of signal * d h^
///   accumulate: dscale and dshift are added to (dx is always overwritten). Order: sums over a row as in LayerNorm; the
///   others over rows, then pixels, in double, 16 interleaved sums, then a tree. Bits as in LayerNorm. Bound: dH 5 eps
///   |terms|; dscale and dshift 24 eps times the sum of |terms|; dx 48 eps times the sum of its |terms|, both as in the
///   tangents of LayerNorm. Workspace: four numbers per row.
struct LayerNormBackward {
  StackView<const float> x, scale, y;
  float epsilon = 1e-5f;
  Activation activation = Activation::identity;
  float slope = 0.0f;
  float dropout_rate = 0.0f;
  StackView<float> dy, dx, dscale, dshift;
  float weight = 1.0f;
  bool accumulate = false;
  StackView<const float> tangent, signal;
};

/// Spectral normalisation (Miyato 2018): power iterations on the weight W, then W divided by their estimate of its
/// largest singular value. An iteration: v = u W / |u W|, u = v W^T / |v W^T| (norms plus 1e-12); then
/// sigma = u W v^T, normalised = W / sigma.
///   weight, normalised [out, in]; u [1, out]: the start, overwritten with the last u if `update`; left [1, out]: the
///   last u; v [1, in]; sigma [1, 1]. If sigma is 0 (u W = 0), normalised is 0 and u is unchanged. Order: u W over
///   ascending rows; v W^T in 32 interleaved sums, then a tree; norms and sigma in double, 32 interleaved sums, then a
///   tree. All backends with a fused multiply-add give the same bits. Bound: the effect on the result of an error of
///   (terms + 2) eps of its |terms| in every sum, see tests/ops/spectral_norm.cpp. Workspace: none.
struct SpectralNorm {
  StackView<const float> weight;
  StackView<float> u;
  std::int32_t iterations = 1;  ///< at least 1
  bool update = true;
  StackView<float> v, sigma, normalised, left;
};

/// The backward pass of SpectralNorm, u and v counting as constants: dW = (dN - (sum dN . N) left^T v) / sigma.
///   normalised [out, in], left [1, out], v [1, in], sigma [1, 1]: outputs of SpectralNorm; gradient [out, in]: dN on
///   entry, dW on return (0 if sigma is 0). Order: the sum in double, 32 interleaved sums along each row, then a tree;
///   rows alike. Bits as in SpectralNorm. Bound: 6 eps (|dN| + |left v| sum |dN . N|) / sigma. Workspace: on CUDA a
///   number per model.
struct SpectralNormBackward {
  StackView<const float> normalised, left, v, sigma;
  StackView<float> gradient;
};

/// Minibatch discrimination (Salimans 2016, 3.2): the closeness of the other rows of the batch to each row,
///   out(i, b) = sum over rows j of exp(-sum_c |M(i, b, c) - M(j, b, c)|), j = i included.
///   projection [rows, kernels * dimensions]: M(i, b, c) is element (i, b * dimensions + c); out [rows, kernels].
///   A reduction over rows. Order: distances over ascending c; rows j in 16 interleaved sums, then a tree. The same
///   bits on all backends. Bound: ((rows / 16 + 8) eps + 2^-22) out(i, b) + (dimensions + 2) eps times the sum of
///   exp(-distance) * distance; distances beyond 87 count as 87. Workspace: a transposed kernel of the projection and
///   sums per thread (CUDA: none).
struct MinibatchDiscrimination {
  StackView<const float> projection;
  std::int32_t kernels = 1;  ///< at least 1; divides the columns of the projection
  StackView<float> out;
};

/// The backward pass of MinibatchDiscrimination, the derivative of |.| at 0 being 0:
///   dM(i, b, c) = -sum_j (g(i, b) + g(j, b)) exp(-distance_b(i, j)) sign(M(i, b, c) - M(j, b, c)), g = out_gradient.
///   projection, projection_gradient [rows, kernels * dimensions], out_gradient [rows, kernels]. Order, bits and
///   workspace as in the forward pass. Bound: ((rows / 16 + 10) eps + 2^-22) sum |terms| + (dimensions + 2) eps times
///   the sum of |terms| * distance.
struct MinibatchDiscriminationBackward {
  StackView<const float> projection, out_gradient;
  std::int32_t kernels = 1;
  StackView<float> projection_gradient;
};

}  // namespace cugad
