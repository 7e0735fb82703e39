#pragma once

#include "cugad/ops/types.hpp"

/// Dense layers, losses and the optimiser: the ops of a training step.
namespace cugad {

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
struct DenseForward {
  StackView<const float> x, weight, bias;
  StackView<float> y;
  Activation activation = Activation::identity;
  float slope = 0.0f;  ///< of leaky_relu for negative inputs; must be positive there
  Dropout dropout;
  StackView<const float> derivative_of;
};

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
struct DenseBackward {
  StackView<const float> x, weight, y;
  StackView<float> dy, dx, dweight, dbias;
  Activation activation = Activation::identity;
  float slope = 0.0f;
  float dropout_rate = 0.0f;
  float scale = 1.0f;
  bool accumulate = false;
};

/// Sigmoid cross-entropy on logits, loss and gradient in one pass: per = max(l, 0) - l t + log1p(exp(-|l|)),
/// loss = weight * mean over rows, dlogit = weight * (sigmoid(l) - t) / rows. Soft targets are allowed.
///   logit [rows, 1], dlogit [rows, 1] (optional; may be the logit buffer itself), per_row [rows, 1] (optional,
///   unweighted), loss and mean_probability: [1, 1] per model, optional; mean_probability = mean of sigmoid(l).
///   accumulate: loss and mean_probability are added to. Reductions over rows: double, in an order that depends on the
///   number of rows alone (CPU: ascending; CUDA: see sigmoid_cross_entropy.cu), rounded once.
///   Bound: 6 eps (1 + |per|) per element; dlogit 6 eps weight / rows.
struct SigmoidCrossEntropy {
  StackView<const float> logit;
  float target = 0.0f;  ///< in [0, 1]
  float weight = 1.0f;
  StackView<float> dlogit, per_row, loss, mean_probability;
  bool accumulate = false;
};

/// The mean distance of two stacks and its gradient: loss = weight * mean over rows and columns of |a - b| (l1) or
/// (a - b)^2 (squared), da = weight / (rows columns) * sign(a - b) or 2 weight / (rows columns) * (a - b), db = -da.
///   a, b [rows, columns]; da, db [rows, columns] (each optional; may alias nothing); cell_weight [rows, columns]
///   (optional, null: 1): each term and each slope is multiplied by it, rounded once; loss [1, 1] per model (optional):
///   always overwritten. l2 is refused. Derivative of |.| at 0: 0. accumulate: da and db are added to, in one fused
///   multiply-add. The loss is a double sum in an order that depends on the shape alone, rounded once. Workspace: sums
///   of chunks (CUDA). Bound: 4 eps |da| (+ eps |result| if accumulating); 4 eps |loss|. Source: the L1 terms of Akcay
///   2018 and Isola 2016.
struct DifferenceLoss {
  StackView<const float> a, b;
  Distance metric = Distance::l1;
  float weight = 1.0f;
  StackView<float> da, db;
  bool accumulate = false;
  StackView<float> loss;
  StackView<const float> cell_weight = {};
};

/// Feature matching (Salimans 2016, 3.1): loss = weight * sum over columns of D_c^2, D_c = mean_r real - mean_r
/// generated, and its gradient dgenerated_rc = -2 weight / g * D_c, the same in every row.
///   real [n, columns], generated [g, columns], n and g at least 1; dgenerated [g, columns]: overwritten; loss [1, 1]
///   per model (optional). All in double, rounded once. Order of the means: row r goes to partial sum r % 8, then a
///   fixed tree; the loss in an order that depends on the columns alone. Workspace: sums of chunks (CUDA). Bound: 2 eps
///   |result|
///   + 2^-53 (n + g + 8) sum |terms|.
struct FeatureMatching {
  StackView<const float> real, generated;
  float weight = 1.0f;
  StackView<float> dgenerated;
  StackView<float> loss;
};

/// The loss of a Wasserstein critic (Arjovsky 2017): loss = weight * mean over rows of logit, dlogit = weight / rows.
///   logit [rows, 1]; dlogit [rows, 1] (optional; may be the logit buffer itself): overwritten; loss [1, 1] per model
///   (optional). accumulate: loss is added to. The sum is double, in an order that depends on the number of rows alone,
///   rounded once. Workspace: sums of chunks (CUDA). Bound: eps |dlogit|; 2 eps |loss| + 2^-53 rows |weight| mean
///   |logit|.
struct LinearLoss {
  StackView<const float> logit;
  float weight = 1.0f;
  StackView<float> dlogit, loss;
  bool accumulate = false;
};

/// The penalty on a critic's input gradient (Gulrajani 2017) and its derivative with respect to that gradient: loss =
/// weight * mean over rows of (|g_r| - target)^2, tangent_r = 2 weight / rows * (|g_r| - target) / |g_r| * g_r (target
/// 0: 2 weight / rows * g_r); if |g_r| is 0 the tangent is 0.
///   gradient g [rows, columns]; tangent [rows, columns] (may be the gradient itself): overwritten; loss [1, 1] per
///   model (optional): overwritten. Norm and factor of a row in double, 16 interleaved partial sums, then a fixed tree:
///   the tangent's bits are the same on all backends. The loss is a double sum in an order that depends on the number
///   of rows alone, rounded once. Workspace: sums of chunks (CUDA). Bound: 3 eps |tangent|; 2 eps |loss| + 2^-50 weight
///   mean
///   (|g| + target)^2.
struct GradientPenalty {
  StackView<const float> gradient;
  float target = 1.0f;  ///< at least 0
  float weight = 1.0f;
  StackView<float> tangent;
  StackView<float> loss;
};

enum class AdamForm : std::int32_t {
  standard,     ///< w -= lr * m^ / (sqrt(v^) + epsilon), Kingma and Ba 2015, Algorithm 1
  epsilon_hat,  ///< w -= lr sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon), the form before their section 2.1
};

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
struct Adam {
  StackView<float> parameter;
  StackView<const float> gradient;
  StackView<float> first_moment, second_moment, average;
  StackView<const float> model_scale;
  StackView<float> squared_norm;
  AdamForm form = AdamForm::standard;
  float learning_rate = 1e-3f;
  double beta1 = 0.9, beta2 = 0.999;  ///< double: 1 - 0.999f is 1.3e-5 off
  float epsilon = 1e-8f;
  float average_decay = 0.0f;
  std::int64_t step = 1;
  const std::uint32_t* step_counter = nullptr;
  std::int64_t step_stride = 1;  ///< at least 1
  const float* rate_scale = nullptr;
};

/// Historical averaging (Salimans 2016, 3.3): mean <- mean + (theta - mean) / t, then gradient += 2 weight (theta -
/// mean), with the history taken as constant. At t = 1 the mean becomes theta.
///   parameter (theta), mean, gradient [1, n]; model_scale [1, 1] per model (optional): 0 leaves a model alone, any
///   other value changes nothing. t is step, counted from 1; with a step_counter step + step_stride * *step_counter, as
///   in Adam. Two fused multiply-adds. Bound: mean 2 eps (|mean| + |theta|); gradient eps |gradient| + 8 eps |weight|
///   (|mean| + |theta|).
struct HistoricalAverage {
  StackView<const float> parameter;
  StackView<float> mean, gradient;
  StackView<const float> model_scale;
  float weight = 1.0f;
  std::int64_t step = 1;
  const std::uint32_t* step_counter = nullptr;
  std::int64_t step_stride = 1;  ///< at least 1
};

/// The last op of a training step whose counter lives on the device: adds one to *step_counter, then writes the factor
/// of the learning rates at the new step t, a cosine from 1 at step 0 to final_rate at decay_steps and beyond:
///   *rate_scale = final_rate + (1 - final_rate) (1 + cos(pi min(1, t / decay_steps))) / 2, or 1 if final_rate >= 1.
///   step_counter, rate_scale (optional): one number each, device memory. In double, rounded once. Bound: 2 eps.
struct AdvanceStep {
  std::uint32_t* step_counter = nullptr;
  float* rate_scale = nullptr;
  double final_rate = 1.0;       ///< at least 0
  std::int64_t decay_steps = 1;  ///< at least 1
};

}  // namespace cugad
