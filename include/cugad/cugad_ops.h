#ifndef CUGAD_CUGAD_OPS_H
#define CUGAD_CUGAD_OPS_H

/// @file
/// The ops of cugad in C: the lowest level of the library, one function per op, on the caller's memory and stream.
///
/// For every op there are a struct of arguments and three functions. The comment above the struct is the op's contract;
/// the C++ struct DenseForward in a contract is cugad_dense_forward_args.
///
///     cugad_dense_forward_args args;
///     cugad_dense_forward_init(&args, sizeof args);         // struct_size and the defaults
///     args.x = (cugad_const_stack){x, 1, rows, in, rows * in, in};
///     ...
///     cugad_status status = cugad_dense_forward(device, &args);
///
/// Views: element (m, r, c) of a stack is data[m * model_stride + r * row_stride + c], strides counted in elements;
/// model_stride 0 shares an input among all models. data NULL leaves out an optional view. For all ops, unless the
/// contract states otherwise: row-major float32, `models` of all views agree, outputs are overwritten and may not
/// overlap inputs or each other, and sizes of 0 do nothing. eps is 2^-24; bounds are per element.
///
/// Memory: on the CPU every pointer is host memory; on CUDA it is memory of the device, managed memory, or pinned
/// memory of the host, which kernels read over the bus. Anything else is CUGAD_ERROR_INVALID_ARGUMENT if it can be
/// detected, as are a view that breaks the contract, an address that is not aligned to its elements, and a struct_size
/// other than sizeof of the struct. A refused call writes nothing.
///
/// Order: ops run one after the other on the stream of the device (cugad_device_use_stream), after work issued there
/// earlier, and work issued there later sees their results. Without a stream, an op returns when its results are
/// complete. With one it neither waits nor allocates, except for scratch memory that grows at a first call: run an op
/// once, with as many rows, before its stream is captured as a CUDA graph; growing during capture is
/// CUGAD_ERROR_UNSUPPORTED. The graph uses the device handle's scratch memory: it must be launched before the handle is
/// destroyed, and not at the same time as another op of the handle.
///
/// Later versions append members to a struct, and recognise its version by struct_size.
///
/// Rendered from include/cugad/ops by scripts/render_ops.py: change it there, then run the script.

// clang-format off

#include <stddef.h>
#include <stdint.h>

#include "cugad/cugad.h"

#ifdef __cplusplus
extern "C" {
#endif

/// For the ops that take one.
typedef int32_t cugad_activation;
enum {
  CUGAD_ACTIVATION_IDENTITY = 0,
  CUGAD_ACTIVATION_RELU = 1,
  CUGAD_ACTIVATION_LEAKY_RELU = 2,
  CUGAD_ACTIVATION_SIGMOID = 3,
  CUGAD_ACTIVATION_TANH = 4
};

/// For the ops that take one.
typedef int32_t cugad_distance;
enum {
  CUGAD_DISTANCE_L1 = 0,
  CUGAD_DISTANCE_L2 = 1,
  CUGAD_DISTANCE_SQUARED = 2
};

/// For the ops that take one.
typedef int32_t cugad_adam_form;
enum {
  CUGAD_ADAM_FORM_STANDARD = 0,  ///< w -= lr * m^ / (sqrt(v^) + epsilon), Kingma and Ba 2015, Algorithm 1
  CUGAD_ADAM_FORM_EPSILON_HAT = 1  ///< w -= lr sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon), the form before their section 2.1
};

/// For the ops that take one.
typedef int32_t cugad_discrimination;
enum {
  CUGAD_DISCRIMINATION_NONE = 0,
  CUGAD_DISCRIMINATION_CROSS_ENTROPY = 1,  ///< softplus(-D(G(z))), sigmoid cross-entropy with label 1
  CUGAD_DISCRIMINATION_FEATURE_L1 = 2,  ///< sum |f(x) - f(G(z))|, f = output of D's last hidden layer (Schlegl 2017)
  CUGAD_DISCRIMINATION_FEATURE_L2 = 3,  ///< its Euclidean norm
  CUGAD_DISCRIMINATION_FEATURE_SQUARED = 4  ///< its square
};

/// The purpose of a stream of random numbers. Reproducibility depends on the values: never renumber.
typedef uint32_t cugad_random_purpose;
enum {
  CUGAD_RANDOM_PURPOSE_INITIAL_WEIGHTS = 1,
  CUGAD_RANDOM_PURPOSE_MINIBATCH = 2,
  CUGAD_RANDOM_PURPOSE_LATENT = 3,
  CUGAD_RANDOM_PURPOSE_DROPOUT = 4,
  CUGAD_RANDOM_PURPOSE_FENCE = 5,
  CUGAD_RANDOM_PURPOSE_SEARCH_START = 6,
  CUGAD_RANDOM_PURPOSE_BANK = 7,
  CUGAD_RANDOM_PURPOSE_SAMPLE = 8,
  CUGAD_RANDOM_PURPOSE_CALIBRATION = 9,
  CUGAD_RANDOM_PURPOSE_EVALUATION = 10,
  CUGAD_RANDOM_PURPOSE_SYNTHESIS = 11,
  CUGAD_RANDOM_PURPOSE_AUGMENTATION = 12
};

/// A stack of matrices of `float`, see above.
typedef struct cugad_stack {
  float* data;
  int64_t models, rows, columns, model_stride, row_stride;
} cugad_stack;
/// A stack of matrices of `const float`, see above.
typedef struct cugad_const_stack {
  const float* data;
  int64_t models, rows, columns, model_stride, row_stride;
} cugad_const_stack;
/// A stack of matrices of `double`, see above.
typedef struct cugad_double_stack {
  double* data;
  int64_t models, rows, columns, model_stride, row_stride;
} cugad_double_stack;
/// A stack of matrices of `const double`, see above.
typedef struct cugad_const_double_stack {
  const double* data;
  int64_t models, rows, columns, model_stride, row_stride;
} cugad_const_double_stack;
/// A stack of matrices of `int32_t`, see above.
typedef struct cugad_int32_stack {
  int32_t* data;
  int64_t models, rows, columns, model_stride, row_stride;
} cugad_int32_stack;
/// A stack of matrices of `const int32_t`, see above.
typedef struct cugad_const_int32_stack {
  const int32_t* data;
  int64_t models, rows, columns, model_stride, row_stride;
} cugad_const_int32_stack;
/// A stack of matrices of `const uint8_t`, see above.
typedef struct cugad_const_uint8_stack {
  const uint8_t* data;
  int64_t models, rows, columns, model_stride, row_stride;
} cugad_const_uint8_stack;

/// Names one stream. Model m of a stack draws with the key `seed + m`, so that a population of N with seed s equals
/// N populations of one with seeds s, s + 1, ..., or with its own of `model_seeds`. Word w of the stream is word w % 4
/// of the Philox block with counter {block low, block high, step, purpose + 256 * lane}, block = w / 4. In cuRAND's
/// terms: subsequence = step + (counter word 3 << 32), offset = w.
typedef struct cugad_random_key {
  uint64_t seed;
  cugad_random_purpose purpose;
  uint32_t lane;  ///< distinguishes streams of one purpose (layer, network, pass)
  uint32_t step;  ///< training or search step
  const uint32_t* step_counter;  ///< when given (device memory), see step_stride
  uint32_t step_stride;  ///< step used = step + step_stride * *step_counter, modulo 2^32
  const uint64_t* model_seeds;  ///< when given (device memory), model m draws with model_seeds[m]
} cugad_random_key;

/// Inverted dropout: a unit is dropped if its random word is below rate * 2^32, kept units are scaled by
/// 1 / (1 - rate). The word of unit (r, c) is word r * columns + c of the stream `key`. Dropped units are stored as
/// -0.0f and kept ones never are, which the backward pass relies on: no mask is stored.
typedef struct cugad_dropout {
  float rate;  ///< in [0, 1)
  cugad_random_key key;
} cugad_dropout;

/// One dense layer of frozen weights inside a flat buffer: weight [out, in] without padding, bias [out].
typedef struct cugad_layer_view {
  const float* weight;
  const float* bias;
  int64_t model_stride;  ///< from one model's layer to the next model's, in elements
  int32_t in;
  int32_t out;
  cugad_activation activation;
  float slope;
} cugad_layer_view;

enum {
  CUGAD_NETWORK_VIEW_MAX_LAYERS = 8
};
/// A stack of dense layers, without dropout.
typedef struct cugad_network_view {
  int32_t layers;
  cugad_layer_view layer[CUGAD_NETWORK_VIEW_MAX_LAYERS];
} cugad_network_view;

enum {
  CUGAD_STEP_SCHEDULE_MAX_PIECES = 4
};
/// A step schedule: rate[i] holds while step < until[i] (steps count from 0); the last rate holds for the rest.
typedef struct cugad_step_schedule {
  int32_t pieces;
  float rate[CUGAD_STEP_SCHEDULE_MAX_PIECES];
  int32_t until[CUGAD_STEP_SCHEDULE_MAX_PIECES];
} cugad_step_schedule;

/// An image as a row of at most 2^30 numbers: column (y * width + x) * channels + c is channel c of the pixel in line y
/// and column x (NHWC).
typedef struct cugad_image_shape {
  int32_t height;
  int32_t width;
  int32_t channels;
} cugad_image_shape;

/// The window of a convolution. Window (p, q) lies at (p * stride - pad_top, q * stride - pad_left) in the larger
/// image, one window for each pixel (p, q) of the smaller one. A plain convolution gathers: its input is the larger
/// image, its output the smaller. A transposed one scatters: its input is the smaller image, its output the larger.
typedef struct cugad_window {
  int32_t height;  ///< in [1, 32768]
  int32_t width;  ///< in [1, 32768]
  int32_t stride;  ///< in [1, 32]
  int32_t pad_top;  ///< at least 0, less than height and width
  int32_t pad_left;  ///< at least 0, less than height and width
  int32_t transposed;  ///< 0 or 1
} cugad_window;

/// Y = dropout(act(X W^T + b)).
///   x [rows, in], weight [out, in], bias [1, out] (null: none), y [rows, out]
///   derivative_of [rows, out] (optional): the stored output h of an earlier dense_forward with the same activation and
///   dropout rate. Then Y = act'(h) * dropout scale * (X W^T), bias and dropout draws unused: the tangent (forward
///   mode) pass. Order of sums: bias first, then k = 0, 1, ... Aliasing: none. Workspace: packed weights on the CPU.
///   Bound before the activation: (in + 2) eps (|b| + sum_k |x_k w_k|); activations add 4 eps relative (+ 4 eps
///   absolute for sigmoid and tanh) and are 1-Lipschitz. Precision (Context::precision): tf32 (not on the CPU) and bf16
///   round x and w to nearest first, with u = 2^-11 and u = 2^-8. Tensor cores add blocks of 8 and of 16 k in ascending
///   order, in their own order inside a block, the same for every row, and may truncate instead of rounding; the CPU
///   adds k = 0, 1, ... Bound: (4 (in + 2) eps + 2 u + u^2) (|b| + sum ...). If all operands and sums are exact in the
///   mode, so are the results. Layers of at most four outputs stay in float32.
typedef struct cugad_dense_forward_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack x;
  cugad_const_stack weight;
  cugad_const_stack bias;
  cugad_stack y;
  cugad_activation activation;
  float slope;  ///< of leaky_relu for negative inputs; must be positive there
  cugad_dropout dropout;
  cugad_const_stack derivative_of;
} cugad_dense_forward_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_dense_forward_args).
CUGAD_API cugad_status cugad_dense_forward_init(cugad_dense_forward_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_dense_forward(cugad_device* device, const cugad_dense_forward_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_dense_forward_workspace(cugad_device* device,
                                                     const cugad_dense_forward_args* args,
                                                     size_t* bytes);

/// The backward pass of DenseForward: dH = dY * act'(y) (the derivative from the stored output y),
/// dX = dH W, dW = scale * dH^T X, db = scale * column sums of dH.
///   x [rows, in], weight [out, in], y [rows, out] (not read for identity without dropout), dy [rows, out]: overwritten
///   with dH. dx [rows, in], dweight [out, in], dbias [1, out]: each optional (null: not computed).
///   accumulate: dweight and dbias are added to instead of overwritten (dx is always overwritten).
///   Derivative at exactly 0: relu 0, leaky_relu slope. Order of sums: ascending, dX over out, dW and db over rows. On
///   CUDA dW and db of more than 1,024 rows are summed in at most 64 chunks of at least 1,024 rows, whose sums are
///   added in ascending order; the chunks depend on the row count alone. Rows of dY that are 0 may be left out: with
///   finite operands that changes no bit. Workspace: packed operands (CPU), the chunks' sums. Bound: (terms + 4) eps
///   sum |terms| for each output (terms = out for dX, rows for dW and db, plus the accumulated value if accumulating).
///   Precision: as in DenseForward for dX and dW, whose bound becomes (4 (terms
///   + 4) eps + 2 u + u^2) sum |terms|; dH and db are float32 in every mode.
typedef struct cugad_dense_backward_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack x;
  cugad_const_stack weight;
  cugad_const_stack y;
  cugad_stack dy;
  cugad_stack dx;
  cugad_stack dweight;
  cugad_stack dbias;
  cugad_activation activation;
  float slope;
  float dropout_rate;
  float scale;
  int32_t accumulate;  ///< 0 or 1
} cugad_dense_backward_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_dense_backward_args).
CUGAD_API cugad_status cugad_dense_backward_init(cugad_dense_backward_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_dense_backward(cugad_device* device, const cugad_dense_backward_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_dense_backward_workspace(cugad_device* device,
                                                      const cugad_dense_backward_args* args,
                                                      size_t* bytes);

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
typedef struct cugad_convolution_forward_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_image_shape from;
  cugad_image_shape to;
  cugad_window window;
  cugad_const_stack x;
  cugad_const_stack weight;
  cugad_const_stack bias;
  cugad_stack y;
  cugad_activation activation;
  float slope;  ///< of leaky_relu for negative inputs; must be positive there
  cugad_dropout dropout;
  cugad_const_stack derivative_of;
} cugad_convolution_forward_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_convolution_forward_args).
CUGAD_API cugad_status cugad_convolution_forward_init(cugad_convolution_forward_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_convolution_forward(cugad_device* device, const cugad_convolution_forward_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_convolution_forward_workspace(cugad_device* device,
                                                           const cugad_convolution_forward_args* args,
                                                           size_t* bytes);

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
typedef struct cugad_convolution_backward_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_image_shape from;
  cugad_image_shape to;
  cugad_window window;
  cugad_const_stack x;
  cugad_const_stack weight;
  cugad_const_stack y;
  cugad_stack dy;
  cugad_stack dx;
  cugad_stack dweight;
  cugad_stack dbias;
  cugad_activation activation;
  float slope;
  float dropout_rate;
  float scale;
  int32_t accumulate;  ///< 0 or 1
} cugad_convolution_backward_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_convolution_backward_args).
CUGAD_API cugad_status cugad_convolution_backward_init(cugad_convolution_backward_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_convolution_backward(cugad_device* device, const cugad_convolution_backward_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_convolution_backward_workspace(cugad_device* device,
                                                            const cugad_convolution_backward_args* args,
                                                            size_t* bytes);

/// Two images side by side in the channels of each pixel p: y(p) = [a(p) | b(p)], b(p) = max(b(p), 0) if rectify.
///   a [rows, pixels * A], b [rows, pixels * B], or [rows, B]: one pixel for all; y [rows, pixels * (A + B)]. Aliasing:
///   none. Exact. Source: the skips of a U-Net (Ronneberger 2015), with ReLU as in Isola 2016.
typedef struct cugad_join_channels_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack a;
  cugad_const_stack b;
  cugad_stack y;
  int32_t pixels;
  int32_t rectify;  ///< 0 or 1
} cugad_join_channels_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_join_channels_args).
CUGAD_API cugad_status cugad_join_channels_init(cugad_join_channels_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_join_channels(cugad_device* device, const cugad_join_channels_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_join_channels_workspace(cugad_device* device,
                                                     const cugad_join_channels_args* args,
                                                     size_t* bytes);

/// The backward pass of JoinChannels with b of all pixels: da(p) = dy(p, first A channels); db(p) += dy(p, the others),
/// if rectify only where b(p) > 0.
///   dy [rows, pixels * (A + B)]; da [rows, pixels * A] (null: not computed), db [rows, pixels * B] (likewise); b as
///   db, read only with rectify and db. A or B follow from the output that is given. Aliasing: none. Exact; one rounded
///   addition per element of db.
typedef struct cugad_split_channels_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack dy;
  cugad_const_stack b;
  cugad_stack da;
  cugad_stack db;
  int32_t pixels;
  int32_t rectify;  ///< 0 or 1
} cugad_split_channels_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_split_channels_args).
CUGAD_API cugad_status cugad_split_channels_init(cugad_split_channels_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_split_channels(cugad_device* device, const cugad_split_channels_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_split_channels_workspace(cugad_device* device,
                                                      const cugad_split_channels_args* args,
                                                      size_t* bytes);

/// Minibatches of images that are mirrored and moved: out[r] = augmented(source[index[r]]), in which
///   pixel (y, x) = pixel (clamp(y - u), mirror(clamp(x - v))) of the source row,
/// clamp to the image's lines or columns, u and v uniform in [-shift, shift], mirror(x) = width - 1 - x in half of the
/// rows if flip is set. Row r takes words 4 r to 4 r + 2 of the stream: mirrored if the first is odd, u = (second * (2
/// shift + 1) >> 32) - shift, v likewise from the third.
///   source [source rows, columns], index [rows, 1], out [rows, columns]. The first columns of a row are `image`, the
///   next an image of as many pixels and `more_channels` channels, which moves alike; the rest is copied. shift: at
///   least 0 and less than height and width. Indices as in GatherRows. Exact.
typedef struct cugad_augment_images_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack source;
  cugad_const_int32_stack index;
  cugad_stack out;
  cugad_image_shape image;
  int32_t more_channels;
  int32_t shift;
  int32_t flip;  ///< 0 or 1
  cugad_random_key key;
} cugad_augment_images_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_augment_images_args).
CUGAD_API cugad_status cugad_augment_images_init(cugad_augment_images_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_augment_images(cugad_device* device, const cugad_augment_images_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_augment_images_workspace(cugad_device* device,
                                                      const cugad_augment_images_args* args,
                                                      size_t* bytes);

/// Sigmoid cross-entropy on logits, loss and gradient in one pass: per = max(l, 0) - l t + log1p(exp(-|l|)),
/// loss = weight * mean over rows, dlogit = weight * (sigmoid(l) - t) / rows. Soft targets are allowed.
///   logit [rows, 1], dlogit [rows, 1] (optional; may be the logit buffer itself), per_row [rows, 1] (optional,
///   unweighted), loss and mean_probability: [1, 1] per model, optional; mean_probability = mean of sigmoid(l).
///   accumulate: loss and mean_probability are added to. Reductions over rows: double, in an order that depends on the
///   number of rows alone (CPU: ascending; CUDA: see sigmoid_cross_entropy.cu), rounded once.
///   Bound: 6 eps (1 + |per|) per element; dlogit 6 eps weight / rows.
typedef struct cugad_sigmoid_cross_entropy_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack logit;
  float target;  ///< in [0, 1]
  float weight;
  cugad_stack dlogit;
  cugad_stack per_row;
  cugad_stack loss;
  cugad_stack mean_probability;
  int32_t accumulate;  ///< 0 or 1
} cugad_sigmoid_cross_entropy_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_sigmoid_cross_entropy_args).
CUGAD_API cugad_status cugad_sigmoid_cross_entropy_init(cugad_sigmoid_cross_entropy_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_sigmoid_cross_entropy(cugad_device* device, const cugad_sigmoid_cross_entropy_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_sigmoid_cross_entropy_workspace(cugad_device* device,
                                                             const cugad_sigmoid_cross_entropy_args* args,
                                                             size_t* bytes);

/// The mean distance of two stacks and its gradient: loss = weight * mean over rows and columns of |a - b| (l1) or
/// (a - b)^2 (squared), da = weight / (rows columns) * sign(a - b) or 2 weight / (rows columns) * (a - b), db = -da.
///   a, b [rows, columns]; da, db [rows, columns] (each optional; may alias nothing); cell_weight [rows, columns]
///   (optional, null: 1): each term and each slope is multiplied by it, rounded once; loss [1, 1] per model (optional):
///   always overwritten. l2 is refused. Derivative of |.| at 0: 0. accumulate: da and db are added to, in one fused
///   multiply-add. The loss is a double sum in an order that depends on the shape alone, rounded once. Workspace: sums
///   of chunks (CUDA). Bound: 4 eps |da| (+ eps |result| if accumulating); 4 eps |loss|. Source: the L1 terms of Akcay
///   2018 and Isola 2016.
typedef struct cugad_difference_loss_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack a;
  cugad_const_stack b;
  cugad_distance metric;
  float weight;
  cugad_stack da;
  cugad_stack db;
  int32_t accumulate;  ///< 0 or 1
  cugad_stack loss;
  cugad_const_stack cell_weight;
} cugad_difference_loss_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_difference_loss_args).
CUGAD_API cugad_status cugad_difference_loss_init(cugad_difference_loss_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_difference_loss(cugad_device* device, const cugad_difference_loss_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_difference_loss_workspace(cugad_device* device,
                                                       const cugad_difference_loss_args* args,
                                                       size_t* bytes);

/// Feature matching (Salimans 2016, 3.1): loss = weight * sum over columns of D_c^2, D_c = mean_r real - mean_r
/// generated, and its gradient dgenerated_rc = -2 weight / g * D_c, the same in every row.
///   real [n, columns], generated [g, columns], n and g at least 1; dgenerated [g, columns]: overwritten; loss [1, 1]
///   per model (optional). All in double, rounded once. Order of the means: row r goes to partial sum r % 8, then a
///   fixed tree; the loss in an order that depends on the columns alone. Workspace: sums of chunks (CUDA). Bound: 2 eps
///   |result|
///   + 2^-53 (n + g + 8) sum |terms|.
typedef struct cugad_feature_matching_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack real;
  cugad_const_stack generated;
  float weight;
  cugad_stack dgenerated;
  cugad_stack loss;
} cugad_feature_matching_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_feature_matching_args).
CUGAD_API cugad_status cugad_feature_matching_init(cugad_feature_matching_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_feature_matching(cugad_device* device, const cugad_feature_matching_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_feature_matching_workspace(cugad_device* device,
                                                        const cugad_feature_matching_args* args,
                                                        size_t* bytes);

/// The loss of a Wasserstein critic (Arjovsky 2017): loss = weight * mean over rows of logit, dlogit = weight / rows.
///   logit [rows, 1]; dlogit [rows, 1] (optional; may be the logit buffer itself): overwritten; loss [1, 1] per model
///   (optional). accumulate: loss is added to. The sum is double, in an order that depends on the number of rows alone,
///   rounded once. Workspace: sums of chunks (CUDA). Bound: eps |dlogit|; 2 eps |loss| + 2^-53 rows |weight| mean
///   |logit|.
typedef struct cugad_linear_loss_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack logit;
  float weight;
  cugad_stack dlogit;
  cugad_stack loss;
  int32_t accumulate;  ///< 0 or 1
} cugad_linear_loss_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_linear_loss_args).
CUGAD_API cugad_status cugad_linear_loss_init(cugad_linear_loss_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_linear_loss(cugad_device* device, const cugad_linear_loss_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_linear_loss_workspace(cugad_device* device,
                                                   const cugad_linear_loss_args* args,
                                                   size_t* bytes);

/// The penalty on a critic's input gradient (Gulrajani 2017) and its derivative with respect to that gradient: loss =
/// weight * mean over rows of (|g_r| - target)^2, tangent_r = 2 weight / rows * (|g_r| - target) / |g_r| * g_r (target
/// 0: 2 weight / rows * g_r); if |g_r| is 0 the tangent is 0.
///   gradient g [rows, columns]; tangent [rows, columns] (may be the gradient itself): overwritten; loss [1, 1] per
///   model (optional): overwritten. Norm and factor of a row in double, 16 interleaved partial sums, then a fixed tree:
///   the tangent's bits are the same on all backends. The loss is a double sum in an order that depends on the number
///   of rows alone, rounded once. Workspace: sums of chunks (CUDA). Bound: 3 eps |tangent|; 2 eps |loss| + 2^-50 weight
///   mean
///   (|g| + target)^2.
typedef struct cugad_gradient_penalty_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack gradient;
  float target;  ///< at least 0
  float weight;
  cugad_stack tangent;
  cugad_stack loss;
} cugad_gradient_penalty_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_gradient_penalty_args).
CUGAD_API cugad_status cugad_gradient_penalty_init(cugad_gradient_penalty_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_gradient_penalty(cugad_device* device, const cugad_gradient_penalty_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_gradient_penalty_workspace(cugad_device* device,
                                                        const cugad_gradient_penalty_args* args,
                                                        size_t* bytes);

/// Adam on flat buffers, all models in one pass, with an optional moving average of the weights in the same pass:
/// average = average_decay * average + (1 - average_decay) * w (w after the step).
///   parameter, gradient, first_moment, second_moment, average (optional): [1, n].
///   model_scale [1, 1] per model (optional): multiplies the learning rate; 0 freezes a model.
///   squared_norm [1, 1] per model (optional): the squared Euclidean norm of the gradient (double sum, in an order that
///   depends on n alone; 0 if n is 0).
///   step counts from 1; with a step_counter (device memory) the step used is step + step_stride * *step_counter.
///   rate_scale (optional, device memory, one float) multiplies the learning rate of all models: a captured graph reads
///   its decaying rate there (see AdvanceStep). Bias corrections are computed in double.
///   Bound: moments 5 eps relative to sum of |terms|; step 8 eps |step| + eps |w|.
typedef struct cugad_adam_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_stack parameter;
  cugad_const_stack gradient;
  cugad_stack first_moment;
  cugad_stack second_moment;
  cugad_stack average;
  cugad_const_stack model_scale;
  cugad_stack squared_norm;
  cugad_adam_form form;
  float learning_rate;
  double beta1;  ///< double: 1 - 0.999f is 1.3e-5 off
  double beta2;  ///< double: 1 - 0.999f is 1.3e-5 off
  float epsilon;
  float average_decay;
  int64_t step;
  const uint32_t* step_counter;
  int64_t step_stride;  ///< at least 1
  const float* rate_scale;
} cugad_adam_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_adam_args).
CUGAD_API cugad_status cugad_adam_init(cugad_adam_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_adam(cugad_device* device, const cugad_adam_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_adam_workspace(cugad_device* device, const cugad_adam_args* args, size_t* bytes);

/// Historical averaging (Salimans 2016, 3.3): mean <- mean + (theta - mean) / t, then gradient += 2 weight (theta -
/// mean), with the history taken as constant. At t = 1 the mean becomes theta.
///   parameter (theta), mean, gradient [1, n]; model_scale [1, 1] per model (optional): 0 leaves a model alone, any
///   other value changes nothing. t is step, counted from 1; with a step_counter step + step_stride * *step_counter, as
///   in Adam. Two fused multiply-adds. Bound: mean 2 eps (|mean| + |theta|); gradient eps |gradient| + 8 eps |weight|
///   (|mean| + |theta|).
typedef struct cugad_historical_average_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack parameter;
  cugad_stack mean;
  cugad_stack gradient;
  cugad_const_stack model_scale;
  float weight;
  int64_t step;
  const uint32_t* step_counter;
  int64_t step_stride;  ///< at least 1
} cugad_historical_average_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_historical_average_args).
CUGAD_API cugad_status cugad_historical_average_init(cugad_historical_average_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_historical_average(cugad_device* device, const cugad_historical_average_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_historical_average_workspace(cugad_device* device,
                                                          const cugad_historical_average_args* args,
                                                          size_t* bytes);

/// The last op of a training step whose counter lives on the device: adds one to *step_counter, then writes the factor
/// of the learning rates at the new step t, a cosine from 1 at step 0 to final_rate at decay_steps and beyond:
///   *rate_scale = final_rate + (1 - final_rate) (1 + cos(pi min(1, t / decay_steps))) / 2, or 1 if final_rate >= 1.
///   step_counter, rate_scale (optional): one number each, device memory. In double, rounded once. Bound: 2 eps.
typedef struct cugad_advance_step_args {
  size_t struct_size;  ///< sizeof of this struct
  uint32_t* step_counter;
  float* rate_scale;
  double final_rate;  ///< at least 0
  int64_t decay_steps;  ///< at least 1
} cugad_advance_step_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_advance_step_args).
CUGAD_API cugad_status cugad_advance_step_init(cugad_advance_step_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_advance_step(cugad_device* device, const cugad_advance_step_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_advance_step_workspace(cugad_device* device,
                                                    const cugad_advance_step_args* args,
                                                    size_t* bytes);

/// The latent search of AnoGAN (Schlegl 2017): per query x and restart, `steps` Adam updates of z on
///   loss(z) = (1 - lambda) residual(x, G(z)) + lambda discrimination(x, G(z))
///             - prior_weight softplus(D(G(z))) + latent_weight |z|^2
/// (third term: log(1 - D(G(z))), Yeh 2017), then clipping of z to [-latent_clip, latent_clip] when that is > 0.
/// The last fixed_columns columns of z are constants (the condition of a conditional generator): the generator reads
/// them, but they are neither updated nor clipped, and excluded from |z|^2.
///   x [rows, d] (NaN marks a missing cell: excluded from the residual, and filled from G(z) in the input of D; the
///   filled cells count as constants of the step), z [rows * restarts, latent]: start on entry, final z on return;
///   the restarts of query r are rows r * restarts + i.
///   Outputs, each optional, all for the restart with the smallest final loss (ties: the first): loss, residual,
///   discrimination [rows, 1] (parts unweighted); best_z [rows, latent]; feature_residual [rows, d]: |x - G(z)| per
///   column (missing cells: 0); reconstruction [rows, d]: G(z).
///   Losses are those after the last update. steps may be 0. The search is per-row: batch-invariant, any order.
///   Bound: see tests/ops/latent_search.cpp (Adam's early steps amplify rounding if a sign flips).
typedef struct cugad_latent_search_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_network_view generator;
  cugad_network_view discriminator;
  cugad_const_stack x;
  cugad_stack z;
  int32_t restarts;
  int32_t steps;
  cugad_step_schedule learning_rate;
  float beta1;
  float beta2;
  float epsilon;
  cugad_distance residual_distance;
  cugad_discrimination discrimination_kind;
  float lambda;
  float prior_weight;
  float latent_weight;
  float latent_clip;
  cugad_stack loss;
  cugad_stack residual;
  cugad_stack discrimination;
  cugad_stack best_z;
  cugad_stack feature_residual;
  cugad_stack reconstruction;
  int32_t fixed_columns;  ///< of z, from 0 to latent
} cugad_latent_search_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_latent_search_args).
CUGAD_API cugad_status cugad_latent_search_init(cugad_latent_search_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_latent_search(cugad_device* device, const cugad_latent_search_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_latent_search_workspace(cugad_device* device,
                                                     const cugad_latent_search_args* args,
                                                     size_t* bytes);

/// Scores through an encoder, for whole batches in one pass: z = E(x), then the losses of LatentSearch at this z,
///   loss = (1 - lambda) residual(x, G(z)) + lambda discrimination(x, G(z)).
///   x [rows, d]: a missing cell (NaN) enters the encoder as 0; then as in LatentSearch it is excluded from the
///   residual and filled from G(z) in the input of D. The discriminator is used unless discrimination_kind is none.
///   column_scale [1, d], optional: the residual takes |x - G(z)| * column_scale instead of |x - G(z)|. limit >
///   0: bounds the part of each cell in the residual, after scaling. feature_residual is neither scaled nor
///   limited. A scale of ones without a limit changes no bit.
///   Outputs, each optional: loss, residual, discrimination [rows, 1] (parts unweighted); latent [rows, latent]: z;
///   feature_residual [rows, d]: |x - G(z)| per column (missing cells: 0); reconstruction [rows, d]: G(z).
///   Order of sums: as in DenseForward and LatentSearch. Batch-invariant. Bound: six times the effect on the result of
///   an error of 4 eps of its terms in every sum, see tests/ops/reconstruction_score.cpp.
typedef struct cugad_reconstruction_score_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_network_view encoder;
  cugad_network_view generator;
  cugad_network_view discriminator;
  cugad_const_stack x;
  cugad_distance residual_distance;
  cugad_discrimination discrimination_kind;
  float lambda;
  cugad_stack loss;
  cugad_stack residual;
  cugad_stack discrimination;
  cugad_stack latent;
  cugad_stack feature_residual;
  cugad_stack reconstruction;
  cugad_const_stack column_scale;
  float limit;  ///< 0: none
} cugad_reconstruction_score_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_reconstruction_score_args).
CUGAD_API cugad_status cugad_reconstruction_score_init(cugad_reconstruction_score_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_reconstruction_score(cugad_device* device, const cugad_reconstruction_score_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_reconstruction_score_workspace(cugad_device* device,
                                                            const cugad_reconstruction_score_args* args,
                                                            size_t* bytes);

/// distance[r] = |a_r - b_r| under `metric`; NaN cells of a are left out.
///   a, b [rows, columns], distance [rows, 1]. column_scale [1, columns] per model (optional, at least 0): each |a - b|
///   is multiplied by it; limit > 0: then clamped to at most limit; then summed or squared. Order: 16 interleaved
///   partial sums, then a fixed tree. Bound: (columns + 4) eps * the sum of |terms| (l2: of the result);
///   with column_scale (columns + 8) eps.
typedef struct cugad_row_distance_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack a;
  cugad_const_stack b;
  cugad_distance metric;
  cugad_stack distance;
  cugad_const_stack column_scale;
  float limit;  ///< 0: none
} cugad_row_distance_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_row_distance_args).
CUGAD_API cugad_status cugad_row_distance_init(cugad_row_distance_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_row_distance(cugad_device* device, const cugad_row_distance_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_row_distance_workspace(cugad_device* device,
                                                    const cugad_row_distance_args* args,
                                                    size_t* bytes);

enum {
  CUGAD_NEAREST_ROWS_MAX_NEIGHBOURS = 64
};
/// The k nearest rows of a bank for every query, nearest first, ties by the smaller index; NaN cells of a query are
/// left out.
///   query [rows, columns], bank [bank rows, columns], distance [rows, k], index [rows, k] (optional).
///   1 <= k <= min(bank rows, max_neighbours). Order of a distance's sum: columns ascending. Bound: (columns + 4) eps
///   times the result for each distance; indices are exact with respect to the computed distances.
typedef struct cugad_nearest_rows_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack query;
  cugad_const_stack bank;
  int32_t neighbours;
  cugad_distance metric;
  cugad_stack distance;
  cugad_int32_stack index;
} cugad_nearest_rows_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_nearest_rows_args).
CUGAD_API cugad_status cugad_nearest_rows_init(cugad_nearest_rows_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_nearest_rows(cugad_device* device, const cugad_nearest_rows_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_nearest_rows_workspace(cugad_device* device,
                                                    const cugad_nearest_rows_args* args,
                                                    size_t* bytes);

/// out[r] = source[index[r]]. index [rows, 1]; source [source rows, columns]; out [rows, columns].
/// Every index must lie in [0, source rows): the CPU backend checks, a GPU clamps. Exact.
typedef struct cugad_gather_rows_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack source;
  cugad_const_int32_stack index;
  cugad_stack out;
} cugad_gather_rows_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_gather_rows_args).
CUGAD_API cugad_status cugad_gather_rows_init(cugad_gather_rows_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_gather_rows(cugad_device* device, const cugad_gather_rows_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_gather_rows_workspace(cugad_device* device,
                                                   const cugad_gather_rows_args* args,
                                                   size_t* bytes);

/// y += scale * x, one fused multiply-add per element. x, y [rows, columns]. Bound: eps |y|.
typedef struct cugad_add_rows_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack x;
  float scale;
  cugad_stack y;
} cugad_add_rows_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_add_rows_args).
CUGAD_API cugad_status cugad_add_rows_init(cugad_add_rows_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_add_rows(cugad_device* device, const cugad_add_rows_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_add_rows_workspace(cugad_device* device, const cugad_add_rows_args* args, size_t* bytes);

/// Rows between two rows (Gulrajani 2017): out_r = u_r a_r + (1 - u_r) b_r, u_r = (word r of the stream >> 8) * 2^-24,
/// computed as b + u (a - b) with the product fused.
///   a, b, out [rows, columns]; out may be a or b. Bound: eps (|a - b| + |out|).
typedef struct cugad_interpolate_rows_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack a;
  cugad_const_stack b;
  cugad_random_key key;
  cugad_stack out;
} cugad_interpolate_rows_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_interpolate_rows_args).
CUGAD_API cugad_status cugad_interpolate_rows_init(cugad_interpolate_rows_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_interpolate_rows(cugad_device* device, const cugad_interpolate_rows_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_interpolate_rows_workspace(cugad_device* device,
                                                        const cugad_interpolate_rows_args* args,
                                                        size_t* bytes);

/// Minibatches without replacement: index[i] = first_row + permutation_e(p mod n), p = step * rows + i, e = p / n,
/// permutation_e being a new shuffle of the n rows in each epoch (a four-round Feistel network on Philox words with
/// cycle walking: stateless; its round keys are words 4 e to 4 e + 3 of the stream at step 0, see
/// kernels/random/permutation.hpp). The step is that of the key.
///   index [rows, 1]; a model owns rows [first_row[m], first_row[m] + row_count[m]) if these are given ([1, 1] per
///   model), else [0, source_rows). left_out_first and left_out_count (optional, [1, 1] per model, only beside
///   first_row): rows [left_out_first[m], left_out_first[m] + left_out_count[m]) are skipped, so that the model's
///   row_count[m] rows are those around them (cross-fitting). Exact.
typedef struct cugad_sample_rows_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_int32_stack index;
  int32_t source_rows;
  cugad_const_int32_stack first_row;
  cugad_const_int32_stack row_count;
  cugad_random_key key;
  cugad_const_int32_stack left_out_first;
  cugad_const_int32_stack left_out_count;
} cugad_sample_rows_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_sample_rows_args).
CUGAD_API cugad_status cugad_sample_rows_init(cugad_sample_rows_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_sample_rows(cugad_device* device, const cugad_sample_rows_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_sample_rows_workspace(cugad_device* device,
                                                   const cugad_sample_rows_args* args,
                                                   size_t* bytes);

/// Normal numbers mean + deviation * N(0, 1): element e = r * columns + c of each model takes words 2 (e / 2) and
/// 2 (e / 2) + 1 of the stream through Box and Muller: sqrt(-2 log u1) (cosine for even e, sine for odd e)(2 pi u2),
/// u1 = ((first word >> 8) + 1) * 2^-24, u2 = (second word >> 8) * 2^-24. truncated: redrawn, from the same words
/// of lane + 1, + 2, ... of the stream, while |N| > 2. out [rows, columns]. The transform uses fused multiply-add
/// polynomials only, so every backend draws the same bits. Bound against exact Box and Muller: 1e-6 absolute for
/// deviation 1.
typedef struct cugad_fill_normal_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_stack out;
  cugad_random_key key;
  float mean;
  float deviation;
  int32_t truncated;  ///< 0 or 1
} cugad_fill_normal_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_fill_normal_args).
CUGAD_API cugad_status cugad_fill_normal_init(cugad_fill_normal_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_fill_normal(cugad_device* device, const cugad_fill_normal_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_fill_normal_workspace(cugad_device* device,
                                                   const cugad_fill_normal_args* args,
                                                   size_t* bytes);

/// Uniform numbers low + (high - low) * u, u = (word >> 8) * 2^-24 in [0, 1), word e = r * columns + c. Exact u.
typedef struct cugad_fill_uniform_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_stack out;
  cugad_random_key key;
  float low;
  float high;
} cugad_fill_uniform_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_fill_uniform_args).
CUGAD_API cugad_status cugad_fill_uniform_init(cugad_fill_uniform_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_fill_uniform(cugad_device* device, const cugad_fill_uniform_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_fill_uniform_workspace(cugad_device* device,
                                                    const cugad_fill_uniform_args* args,
                                                    size_t* bytes);

/// A draw from N(mean, exp(log variance)) that gradients pass through (Kingma 2014): z = mean + s * noise, s = exp(v /
/// 2), v = the log variance clamped to [-10, 10]; backward: dmean = dz, dlog variance = dz * noise * s / 2, and 0 if
/// the log variance lies outside.
///   statistics [rows, 2 k]: k means, then k log variances; noise, z [rows, k] (z null: not computed); dz [rows, k],
///   given together with dstatistics [rows, 2 k], which is overwritten. Aliasing: none. Batch-invariant, the same bits
///   on all backends. Bound: 4 eps (|mean| + |s noise|); dlog variance 6 eps |result|.
typedef struct cugad_reparameterise_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack statistics;
  cugad_const_stack noise;
  cugad_stack z;
  cugad_const_stack dz;
  cugad_stack dstatistics;
} cugad_reparameterise_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_reparameterise_args).
CUGAD_API cugad_status cugad_reparameterise_init(cugad_reparameterise_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_reparameterise(cugad_device* device, const cugad_reparameterise_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_reparameterise_workspace(cugad_device* device,
                                                      const cugad_reparameterise_args* args,
                                                      size_t* bytes);

/// Per column over the rows, NaN cells left out, in double with a fixed order:
///   out [6, columns] = count, mean, standard deviation (divided by count), skewness (third standardised moment, 0 for
///   a constant column), minimum, maximum. A column with no value (rows may be 0) gives count 0 and zeros.
///   x [rows, columns].
typedef struct cugad_column_statistics_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack x;
  cugad_double_stack out;
} cugad_column_statistics_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_column_statistics_args).
CUGAD_API cugad_status cugad_column_statistics_init(cugad_column_statistics_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_column_statistics(cugad_device* device, const cugad_column_statistics_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_column_statistics_workspace(cugad_device* device,
                                                         const cugad_column_statistics_args* args,
                                                         size_t* bytes);

/// y = (f(x) - shift) * scale per column, f(x) = sign(x) log1p(|x|) if log1p is non-zero (log1p, continued to negative
/// numbers without a jump or a turn), else identity. NaN stays NaN; what overflows is the largest float.
///   x, y [rows, columns] (y may be x); shift, scale [1, columns]; log1p [1, columns] (optional).
///   The subtraction and log1p are done in double, so that large columns keep their digits. Bound: 2 eps |y|.
typedef struct cugad_scale_columns_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack x;
  cugad_const_double_stack shift;
  cugad_const_double_stack scale;
  cugad_const_uint8_stack log1p;
  cugad_stack y;
} cugad_scale_columns_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_scale_columns_args).
CUGAD_API cugad_status cugad_scale_columns_init(cugad_scale_columns_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_scale_columns(cugad_device* device, const cugad_scale_columns_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_scale_columns_workspace(cugad_device* device,
                                                     const cugad_scale_columns_args* args,
                                                     size_t* bytes);

enum {
  CUGAD_QUANTILE_MAX_COUNT = 16
};
/// Quantiles with linear interpolation (numpy's default), one set per row of values.
///   values [rows, n], n >= 1, no NaN; probability in [0, 1]; out [rows, count]. Computed in double, rounded once.
typedef struct cugad_quantile_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack values;
  int32_t count;
  double probability[CUGAD_QUANTILE_MAX_COUNT];
  cugad_stack out;
} cugad_quantile_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_quantile_args).
CUGAD_API cugad_status cugad_quantile_init(cugad_quantile_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_quantile(cugad_device* device, const cugad_quantile_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_quantile_workspace(cugad_device* device, const cugad_quantile_args* args, size_t* bytes);

/// Coverage term of the generator loss: for each real row the nearest generated row j (squared distance, ties by the
/// smaller index), loss = weight * mean over real rows and columns of (x - g_j)^2; its gradient goes to the chosen
/// rows.
///   generated [g, d], g >= 1, real [n, d], dgenerated [g, d]: accumulated in ascending order of the real rows;
///   loss [1, 1] per model (optional). Bound: (n + 4) eps sum |terms| given the chosen rows.
typedef struct cugad_coverage_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack generated;
  cugad_const_stack real;
  float weight;
  cugad_stack dgenerated;
  cugad_stack loss;
} cugad_coverage_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_coverage_args).
CUGAD_API cugad_status cugad_coverage_init(cugad_coverage_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_coverage(cugad_device* device, const cugad_coverage_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_coverage_workspace(cugad_device* device, const cugad_coverage_args* args, size_t* bytes);

/// Negatives made from real rows ("fences"), a third each by row number: r % 3 == 0: Gaussian noise whose deviation is
/// log-uniform in [.1, 2], one per row; 1: a random share of the columns taken from the next row (r + 1 mod rows);
/// 2: uniform in [-limit, limit]^d. Meant for columns scaled to unit deviation. real, out [rows, columns]. The words of
/// each row: kernels/rows/fence_rows.cpp.
typedef struct cugad_fence_rows_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack real;
  cugad_random_key key;
  float limit;
  cugad_stack out;
} cugad_fence_rows_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_fence_rows_args).
CUGAD_API cugad_status cugad_fence_rows_init(cugad_fence_rows_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_fence_rows(cugad_device* device, const cugad_fence_rows_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_fence_rows_workspace(cugad_device* device,
                                                  const cugad_fence_rows_args* args,
                                                  size_t* bytes);

/// out = replacement if x is NaN, else x. x, replacement, out [rows, columns]; out may be replacement. Exact.
typedef struct cugad_fill_missing_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack x;
  cugad_const_stack replacement;
  cugad_stack out;
} cugad_fill_missing_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_fill_missing_args).
CUGAD_API cugad_status cugad_fill_missing_init(cugad_fill_missing_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_fill_missing(cugad_device* device, const cugad_fill_missing_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_fill_missing_workspace(cugad_device* device,
                                                    const cugad_fill_missing_args* args,
                                                    size_t* bytes);

/// Positions in a pool that depend on a row's contents alone, not on the other rows:
/// index[r * draws + k] = (hash(x_r) + 2654435761 k) mod 2^32 mod pool, hash = FNV-1a over the row's 32-bit words, 64
/// bits wide, its halves combined by exclusive or; every NaN counts as one value, and -0 as 0.
///   x [rows, columns], index [rows * draws, 1], pool >= 1, draws >= 1. Exact.
typedef struct cugad_content_index_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack x;
  int32_t pool;
  int32_t draws;
  cugad_int32_stack index;
} cugad_content_index_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_content_index_args).
CUGAD_API cugad_status cugad_content_index_init(cugad_content_index_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_content_index(cugad_device* device, const cugad_content_index_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_content_index_workspace(cugad_device* device,
                                                     const cugad_content_index_args* args,
                                                     size_t* bytes);

/// The surprise of a row's missing and unseen cells, and the residual expected of them.
/// Source s is `source` row s = {first column c, columns n, kind} of x, and its state in a row is
///   kind 0, a number (n = 1):             missing if x[c] is NaN, else usual;
///   kind 1, one number only (n = 1):      missing if x[c] is NaN, unseen if x[c] differs from constant[s], else usual;
///   kind 2, 0/1 columns of one category:  missing if one of x[c..c+n) is NaN, unseen if all are 0, else usual.
/// surprise[r] = sum over s of weight[s, 0] if missing, weight[s, 1] if unseen; NaN if every source is missing.
/// residual[r] = the same sum with `expected` instead of `weight`.
///   x [rows, columns]; source [sources, 3], constant [sources, 1], weight, expected [sources, 2]; surprise, residual
///   (optional) [rows, 1]. Sources in ascending order, in double, rounded once. Bound: eps |sum|.
typedef struct cugad_cell_surprise_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack x;
  cugad_const_int32_stack source;
  cugad_const_stack constant;
  cugad_const_stack weight;
  cugad_const_stack expected;
  cugad_stack surprise;
  cugad_stack residual;
} cugad_cell_surprise_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_cell_surprise_args).
CUGAD_API cugad_status cugad_cell_surprise_init(cugad_cell_surprise_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_cell_surprise(cugad_device* device, const cugad_cell_surprise_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_cell_surprise_workspace(cugad_device* device,
                                                     const cugad_cell_surprise_args* args,
                                                     size_t* bytes);

/// The score of a population. Model m's residual and -logit are standardised, u = (value - median) / spread, and if
/// `compress` is set become sign(u) log1p(|u|);
///   score[r] = mean_m u_residual + discriminator_weight * max(mean_m u_discriminator, 0); NaN becomes +infinity.
///   residual, logit (optional: no second term) [rows, 1] per model; statistics [1, 4] per model: median and spread (>
///   0) of the residual, median and spread of -logit; score [rows, 1] of one model.
/// Cells that the residual excludes (optional): absent [rows, 1] of one model is the residual expected of them, added
/// as
///   residual + absent_weight absent or, if absent_squared, sqrt(residual^2 + absent_weight absent).
/// surprise [rows, 1] of one model (optional) is added to the score; if it is NaN, so is the score.
/// In double, models in ascending order, rounded once. Bound: 2 eps (|score| + |surprise|).
typedef struct cugad_combine_scores_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack residual;
  cugad_const_stack logit;
  cugad_const_stack statistics;
  int32_t compress;  ///< 0 or 1
  float discriminator_weight;
  cugad_stack score;
  cugad_const_stack absent;
  cugad_const_stack surprise;
  float absent_weight;
  int32_t absent_squared;  ///< 0 or 1
} cugad_combine_scores_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_combine_scores_args).
CUGAD_API cugad_status cugad_combine_scores_init(cugad_combine_scores_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_combine_scores(cugad_device* device, const cugad_combine_scores_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_combine_scores_workspace(cugad_device* device,
                                                      const cugad_combine_scores_args* args,
                                                      size_t* bytes);

/// How well scores rank anomalies above normal rows, one pair of measures per row of scores:
///   out [rows, 2] = area under the ROC curve (ties count one half), average precision (tied scores enter together).
///   score [rows, n], n >= 1, no NaN, higher = more anomalous; label [rows, n], non-zero = anomaly. Counts are whole
///   numbers, so the area is rounded once; the terms of the average precision are summed in double in one fixed shape
///   (see kernels/ranking/ranking.cpp): bound (n + 4) 2^-53. The same bits on all backends. Without anomalies both are
///   NaN; without normal rows the area is.
typedef struct cugad_ranking_metrics_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack score;
  cugad_const_uint8_stack label;
  cugad_double_stack out;
} cugad_ranking_metrics_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_ranking_metrics_args).
CUGAD_API cugad_status cugad_ranking_metrics_init(cugad_ranking_metrics_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_ranking_metrics(cugad_device* device, const cugad_ranking_metrics_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_ranking_metrics_workspace(cugad_device* device,
                                                       const cugad_ranking_metrics_args* args,
                                                       size_t* bytes);

/// Hides cells: out = [x, 0 in its hidden cells | mask], the mask being 1 where a cell is hidden, else 0.
///   x [rows, width]; out [rows, width + columns], columns <= width: cells of the first `columns` columns can be
///   hidden, those behind them (conditions) cannot. A NaN cell is hidden; as a condition it becomes 0 alone.
///   pattern [1, columns] (optional): the cells that are hidden in every row, not 0. Without it every row draws its
///   own: with B = ceil(columns / 4), row r owns the blocks r (1 + B) to r (1 + B) + B of the stream; word 0 of the
///   first gives the row's share p = lowest + (highest - lowest) u (fused), word 1 its chosen column k = word * columns
///   / 2^32 (rounded down); the words of the other blocks, in order, belong to the columns, and column c is hidden if
///   u_c < p or c = k. u = (word >> 8) * 2^-24. With groups (only without pattern) u_g stands for u_c, and group[k] = g
///   for k = c, g = group[c]. Exact. Batch-invariant with a pattern. Workspace: none.
typedef struct cugad_mask_columns_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack x;
  cugad_const_stack pattern;
  cugad_const_int32_stack group;
  cugad_random_key key;
  float lowest;  ///< in [0, 1], lowest <= highest
  float highest;  ///< in [0, 1], lowest <= highest
  cugad_stack out;
} cugad_mask_columns_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_mask_columns_args).
CUGAD_API cugad_status cugad_mask_columns_init(cugad_mask_columns_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_mask_columns(cugad_device* device, const cugad_mask_columns_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_mask_columns_workspace(cugad_device* device,
                                                    const cugad_mask_columns_args* args,
                                                    size_t* bytes);

/// Draws hidden cells from a generator's Gaussians: out = mean + s * noise (fused) in hidden cells, else x, with
/// s = exp(v / 2), v = the log variance clamped to [-7, 5]. A missing cell becomes 0.
///   statistics [rows, 2 k]: k means, then k log variances; x, out [rows, width], k <= width; mask, noise [rows, k].
///   Columns from k on are copied. A hidden category gets the probabilities of its values, the softmax of its means, in
///   place of its value: out = x + p, less 1 in the column of the value; without a value out = x + p. Nothing is drawn
///   there, so that the loss of a discriminator has a gradient. Aliasing: none. Batch-invariant, the same bits on all
///   backends. Bound: 4 eps (|mean| + |s noise|) in hidden cells, 8 eps (1 + |x| + b p) in categories with the largest
///   |mean| b, the others exact. Workspace: none.
typedef struct cugad_gaussian_imputation_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack statistics;
  cugad_const_stack x;
  cugad_const_stack mask;
  cugad_const_stack noise;
  cugad_stack out;
  cugad_const_int32_stack group;
} cugad_gaussian_imputation_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_gaussian_imputation_args).
CUGAD_API cugad_status cugad_gaussian_imputation_init(cugad_gaussian_imputation_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_gaussian_imputation(cugad_device* device, const cugad_gaussian_imputation_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_gaussian_imputation_workspace(cugad_device* device,
                                                           const cugad_gaussian_imputation_args* args,
                                                           size_t* bytes);

/// The negative log-likelihood of hidden cells under a generator's Gaussians (Nix and Weigend 1994), constants left
/// out:
///   l = ((mean - x)^2 exp(-v) + v) / 2, v as in GaussianImputation; over hidden cells that are not missing. A row's
///   loss is its mean over these cells (0 without any), loss = weight * mean over rows. Of a category l is the
///   cross-entropy of the softmax of its means and its value; a row without a value there has the least likely one.
///   statistics [rows, 2 k], x, mask [rows, k]; loss [1, 1] per model (optional). dstatistics [rows, 2 k] (optional):
///   the gradient of the loss, 0 in all other cells, and 0 for a log variance outside the clamp's range. dimputed,
///   noise [rows, k] (optional, together, only with dstatistics): the gradient of a further loss with respect to the
///   cells that GaussianImputation drew with this noise; in every cell that counts its chain is added: dimputed to
///   dmean, dimputed * noise * s / 2 to dlog variance (0 outside the range); in a category that of its probabilities p:
///   p (dimputed - sum of p dimputed) to dmean. cell [rows, k] (optional): column_weight * l in these cells, in all
///   columns of a category, 0 in others; accumulate: added to (fused), others left as they are. column_weight [1, k]
///   (optional: 1). The loss is a double sum in an order that depends on the shape alone, rounded once; all other
///   outputs are batch-invariant but for the factor 1 / rows, and have the same bits on all backends. Bound, with q =
///   (mean - x)^2 exp(-v) and a = |weight| / (rows hidden cells): cell 6 eps |column_weight| (q + |v|) (+ eps |cell|
///   where accumulating); loss 6 eps |weight| mean of (q + |v|); dmean 6 eps (a sqrt(q exp(-v)) + |dimputed|); dlog
///   variance 8 eps (a (1 + q) + |dimputed noise| s); in a category with the largest |mean| b, cell 6 eps
///   |column_weight| (1 + b + l), loss likewise, dmean 8 eps (1 + b) (a + p (|dimputed| + sum of p |dimputed|)).
///   Workspace: sums of chunks (CUDA).
typedef struct cugad_gaussian_likelihood_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack statistics;
  cugad_const_stack x;
  cugad_const_stack mask;
  float weight;
  cugad_stack dstatistics;
  cugad_stack loss;
  cugad_const_stack dimputed;
  cugad_const_stack noise;
  cugad_const_stack column_weight;
  cugad_stack cell;
  int32_t accumulate;  ///< 0 or 1
  cugad_const_int32_stack group;
} cugad_gaussian_likelihood_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_gaussian_likelihood_args).
CUGAD_API cugad_status cugad_gaussian_likelihood_init(cugad_gaussian_likelihood_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_gaussian_likelihood(cugad_device* device, const cugad_gaussian_likelihood_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_gaussian_likelihood_workspace(cugad_device* device,
                                                           const cugad_gaussian_likelihood_args* args,
                                                           size_t* bytes);

/// Sigmoid cross-entropy of a discriminator that judges every cell: with per = max(l, 0) - l t + log1p(exp(-|l|)) of a
/// cell's logit l and target t, a row's loss is its mean over its cells, loss = weight * mean over rows.
///   logit [rows, columns]; dlogit [rows, columns] (optional; may be the logit buffer itself): the gradient. mask
///   [rows, columns] (optional): hidden cells have the target masked_target, all others `target`. masked_only (with a
///   mask): the hidden cells alone count, a row without any has loss 0. x [rows, columns] (optional): missing cells do
///   not count, nor have they a gradient. loss, mean_probability [1, 1] per model, optional. mean_probability = mean
///   over rows of the mean of sigmoid(l) over the row's hidden cells, without a mask over all cells; 0 for a row
///   without any. accumulate: both are added to. Both are double sums in an order that depends on the shape alone,
///   rounded once; dlogit has the same bits on all backends. Bound: dlogit 6 eps |weight| / (rows cells of the row that
///   count); loss 6 eps |weight| mean of (1 + |per|); mean_probability 6 eps. Workspace: sums of chunks (CUDA).
typedef struct cugad_cell_cross_entropy_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack logit;
  cugad_const_stack mask;
  float target;  ///< in [0, 1]
  float masked_target;  ///< in [0, 1]
  int32_t masked_only;  ///< 0 or 1
  float weight;
  cugad_stack dlogit;
  cugad_stack loss;
  cugad_stack mean_probability;
  int32_t accumulate;  ///< 0 or 1
  cugad_const_stack x;
} cugad_cell_cross_entropy_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_cell_cross_entropy_args).
CUGAD_API cugad_status cugad_cell_cross_entropy_init(cugad_cell_cross_entropy_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_cell_cross_entropy(cugad_device* device, const cugad_cell_cross_entropy_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_cell_cross_entropy_workspace(cugad_device* device,
                                                          const cugad_cell_cross_entropy_args* args,
                                                          size_t* bytes);

/// How rare the values of a row's cells are among those of other rows, column by column: conformal p-values (Vovk 2005)
/// on a logarithmic scale. value = mean over models of `value` (double, models in ascending order, rounded once);
///   rank = log((count + 1) / (1 + #)), # = the entries of the column's table that are at least the cell's value;
///   leave_one_out: the row has an entry of its own in the tables, which is left out: log(count / max(#, 1)). A value
///   above all (other) entries has log(1 + min(excess / spread, 1e30)) more, so that such values do not tie: excess
///   over the largest of n entries, spread between it and the one at (n - 1) / 2 (from 0, rounded down); nothing
///   without a spread. A category is one cell, at its first column: its value is the mean over its columns, too. A NaN
///   value counts as infinite. score = mean over the row's cells of rank, NaN without a cell that
///   counts. value [rows, columns] per model; x [rows, columns] of one model: a missing cell does not count; table
///   [columns, n] of one model: the first count[c] entries of row c ascend; count [columns, 1] of one model, in [0, n].
///   mean, rank [rows, columns], score [rows, 1] of one model, each optional: the cell's value in all its columns, NaN
///   if it does not count; the rank, 0 there. Order: the sum over columns in double, column c in partial sum c % 16,
///   then a tree, rounded once. Batch-invariant, the same bits on all backends. Bound: mean eps |value|; rank 6 eps (1
///   + rank) for the value as rounded; score the mean of these, and eps |score|. Workspace: none.
typedef struct cugad_column_ranks_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack value;
  cugad_const_stack x;
  cugad_const_stack table;
  cugad_const_int32_stack count;
  int32_t leave_one_out;  ///< 0 or 1
  cugad_stack mean;
  cugad_stack rank;
  cugad_stack score;
  cugad_const_int32_stack group;
} cugad_column_ranks_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_column_ranks_args).
CUGAD_API cugad_status cugad_column_ranks_init(cugad_column_ranks_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_column_ranks(cugad_device* device, const cugad_column_ranks_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_column_ranks_workspace(cugad_device* device,
                                                    const cugad_column_ranks_args* args,
                                                    size_t* bytes);

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
typedef struct cugad_batch_norm_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack x;
  cugad_const_stack scale;
  cugad_const_stack shift;
  float epsilon;  ///< positive
  int32_t reference_rows;  ///< in [0, rows]
  cugad_activation activation;
  float slope;  ///< of leaky_relu; must be positive there
  cugad_dropout dropout;
  cugad_stack y;
  cugad_stack mean;
  cugad_stack inverse_deviation;
  float momentum;  ///< in [0, 1]
  cugad_stack moving_mean;
  cugad_stack moving_variance;
} cugad_batch_norm_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_batch_norm_args).
CUGAD_API cugad_status cugad_batch_norm_init(cugad_batch_norm_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_batch_norm(cugad_device* device, const cugad_batch_norm_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_batch_norm_workspace(cugad_device* device,
                                                  const cugad_batch_norm_args* args,
                                                  size_t* bytes);

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
typedef struct cugad_batch_norm_backward_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack x;
  cugad_const_stack scale;
  cugad_const_stack y;
  cugad_const_stack mean;
  cugad_const_stack inverse_deviation;
  float epsilon;
  int32_t reference_rows;
  cugad_activation activation;
  float slope;
  float dropout_rate;
  cugad_stack dy;
  cugad_stack dx;
  cugad_stack dscale;
  cugad_stack dshift;
  int32_t accumulate;  ///< 0 or 1
} cugad_batch_norm_backward_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_batch_norm_backward_args).
CUGAD_API cugad_status cugad_batch_norm_backward_init(cugad_batch_norm_backward_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_batch_norm_backward(cugad_device* device, const cugad_batch_norm_backward_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_batch_norm_backward_workspace(cugad_device* device,
                                                           const cugad_batch_norm_backward_args* args,
                                                           size_t* bytes);

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
typedef struct cugad_layer_norm_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack x;
  cugad_const_stack scale;
  cugad_const_stack shift;
  float epsilon;  ///< positive
  cugad_activation activation;
  float slope;  ///< of leaky_relu; must be positive there
  cugad_dropout dropout;
  cugad_stack y;
  cugad_const_stack tangent;
  cugad_const_stack derivative_of;
} cugad_layer_norm_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_layer_norm_args).
CUGAD_API cugad_status cugad_layer_norm_init(cugad_layer_norm_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_layer_norm(cugad_device* device, const cugad_layer_norm_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_layer_norm_workspace(cugad_device* device,
                                                  const cugad_layer_norm_args* args,
                                                  size_t* bytes);

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
typedef struct cugad_layer_norm_backward_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack x;
  cugad_const_stack scale;
  cugad_const_stack y;
  float epsilon;
  cugad_activation activation;
  float slope;
  float dropout_rate;
  cugad_stack dy;
  cugad_stack dx;
  cugad_stack dscale;
  cugad_stack dshift;
  float weight;
  int32_t accumulate;  ///< 0 or 1
  cugad_const_stack tangent;
  cugad_const_stack signal;
} cugad_layer_norm_backward_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_layer_norm_backward_args).
CUGAD_API cugad_status cugad_layer_norm_backward_init(cugad_layer_norm_backward_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_layer_norm_backward(cugad_device* device, const cugad_layer_norm_backward_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_layer_norm_backward_workspace(cugad_device* device,
                                                           const cugad_layer_norm_backward_args* args,
                                                           size_t* bytes);

/// Spectral normalisation (Miyato 2018): power iterations on the weight W, then W divided by their estimate of its
/// largest singular value. An iteration: v = u W / |u W|, u = v W^T / |v W^T| (norms plus 1e-12); then
/// sigma = u W v^T, normalised = W / sigma.
///   weight, normalised [out, in]; u [1, out]: the start, overwritten with the last u if `update`; left [1, out]: the
///   last u; v [1, in]; sigma [1, 1]. If sigma is 0 (u W = 0), normalised is 0 and u is unchanged. Order: u W over
///   ascending rows; v W^T in 32 interleaved sums, then a tree; norms and sigma in double, 32 interleaved sums, then a
///   tree. All backends with a fused multiply-add give the same bits. Bound: the effect on the result of an error of
///   (terms + 2) eps of its |terms| in every sum, see tests/ops/spectral_norm.cpp. Workspace: none.
typedef struct cugad_spectral_norm_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack weight;
  cugad_stack u;
  int32_t iterations;  ///< at least 1
  int32_t update;  ///< 0 or 1
  cugad_stack v;
  cugad_stack sigma;
  cugad_stack normalised;
  cugad_stack left;
} cugad_spectral_norm_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_spectral_norm_args).
CUGAD_API cugad_status cugad_spectral_norm_init(cugad_spectral_norm_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_spectral_norm(cugad_device* device, const cugad_spectral_norm_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_spectral_norm_workspace(cugad_device* device,
                                                     const cugad_spectral_norm_args* args,
                                                     size_t* bytes);

/// The backward pass of SpectralNorm, u and v counting as constants: dW = (dN - (sum dN . N) left^T v) / sigma.
///   normalised [out, in], left [1, out], v [1, in], sigma [1, 1]: outputs of SpectralNorm; gradient [out, in]: dN on
///   entry, dW on return (0 if sigma is 0). Order: the sum in double, 32 interleaved sums along each row, then a tree;
///   rows alike. Bits as in SpectralNorm. Bound: 6 eps (|dN| + |left v| sum |dN . N|) / sigma. Workspace: on CUDA a
///   number per model.
typedef struct cugad_spectral_norm_backward_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack normalised;
  cugad_const_stack left;
  cugad_const_stack v;
  cugad_const_stack sigma;
  cugad_stack gradient;
} cugad_spectral_norm_backward_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_spectral_norm_backward_args).
CUGAD_API cugad_status cugad_spectral_norm_backward_init(cugad_spectral_norm_backward_args* args, size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_spectral_norm_backward(cugad_device* device,
                                                    const cugad_spectral_norm_backward_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_spectral_norm_backward_workspace(cugad_device* device,
                                                              const cugad_spectral_norm_backward_args* args,
                                                              size_t* bytes);

/// Minibatch discrimination (Salimans 2016, 3.2): the closeness of the other rows of the batch to each row,
///   out(i, b) = sum over rows j of exp(-sum_c |M(i, b, c) - M(j, b, c)|), j = i included.
///   projection [rows, kernels * dimensions]: M(i, b, c) is element (i, b * dimensions + c); out [rows, kernels].
///   A reduction over rows. Order: distances over ascending c; rows j in 16 interleaved sums, then a tree. The same
///   bits on all backends. Bound: ((rows / 16 + 8) eps + 2^-22) out(i, b) + (dimensions + 2) eps times the sum of
///   exp(-distance) * distance; distances beyond 87 count as 87. Workspace: a transposed kernel of the projection and
///   sums per thread (CUDA: none).
typedef struct cugad_minibatch_discrimination_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack projection;
  int32_t kernels;  ///< at least 1; divides the columns of the projection
  cugad_stack out;
} cugad_minibatch_discrimination_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_minibatch_discrimination_args).
CUGAD_API cugad_status cugad_minibatch_discrimination_init(cugad_minibatch_discrimination_args* args,
                                                           size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_minibatch_discrimination(cugad_device* device,
                                                      const cugad_minibatch_discrimination_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_minibatch_discrimination_workspace(cugad_device* device,
                                                                const cugad_minibatch_discrimination_args* args,
                                                                size_t* bytes);

/// The backward pass of MinibatchDiscrimination, the derivative of |.| at 0 being 0:
///   dM(i, b, c) = -sum_j (g(i, b) + g(j, b)) exp(-distance_b(i, j)) sign(M(i, b, c) - M(j, b, c)), g = out_gradient.
///   projection, projection_gradient [rows, kernels * dimensions], out_gradient [rows, kernels]. Order, bits and
///   workspace as in the forward pass. Bound: ((rows / 16 + 10) eps + 2^-22) sum |terms| + (dimensions + 2) eps times
///   the sum of |terms| * distance.
typedef struct cugad_minibatch_discrimination_backward_args {
  size_t struct_size;  ///< sizeof of this struct
  cugad_const_stack projection;
  cugad_const_stack out_gradient;
  int32_t kernels;
  cugad_stack projection_gradient;
} cugad_minibatch_discrimination_backward_args;
/// Sets struct_size and the defaults; `struct_size` is sizeof(cugad_minibatch_discrimination_backward_args).
CUGAD_API cugad_status cugad_minibatch_discrimination_backward_init(cugad_minibatch_discrimination_backward_args* args,
                                                                    size_t struct_size);
/// Runs the op.
CUGAD_API cugad_status cugad_minibatch_discrimination_backward(cugad_device* device,
                                                               const cugad_minibatch_discrimination_backward_args* args);
/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.
CUGAD_API cugad_status cugad_minibatch_discrimination_backward_workspace(cugad_device* device,
                                                                         const cugad_minibatch_discrimination_backward_args* args,
                                                                         size_t* bytes);

#ifdef __cplusplus
}
#endif

#endif
