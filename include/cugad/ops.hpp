#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "cugad/export.h"
#include "cugad/rng.hpp"
#include "cugad/tensor.hpp"

/// The op contracts: the library's ground floor, usable on raw pointers and a stream.
///
/// Every op has four entries: can_run(context, args), workspace(context, args), run(context, args), and for people
/// path(context, args): which of its ways the backend would take, empty where it has one. The arguments
/// are trivially copyable structs of views into the context's device memory. run() validates (Error{invalid_argument}
/// naming the op and the field), then works asynchronously on the context's stream, allocating nothing but scratch.
///
/// For all ops: float32, row-major; `models` of all views agree (model_stride 0 shares an input among models); outputs
/// may not overlap inputs or each other unless the contract says so; outputs are overwritten unless it says
/// "accumulate"; results do not depend on the number of threads or models, a row's result does not depend on the other
/// rows ("batch-invariant") unless the op is a reduction over rows, and reductions have one fixed order.
/// Zero models, rows or columns are allowed and do nothing, unless said otherwise.
/// eps = 2^-24. Bounds are per element, for finite inputs without overflow. Numbers below 2^-126 in magnitude count as
/// 0 in arithmetic, on the CPU on x86 only; copies and rankings keep them. The caller's mode of arithmetic stays as it
/// was.
namespace cugad {

class Context;  // cugad/device.hpp

enum class Activation : std::int32_t { identity, relu, leaky_relu, sigmoid, tanh };
enum class Distance : std::int32_t { l1, l2, squared };

/// Whether an op can serve the arguments on this backend; when not, why, in one line.
struct Verdict {
  std::string reason;
  explicit operator bool() const { return reason.empty(); }
};

/// Inverted dropout: a unit is dropped where its random word is below rate * 2^32, survivors are scaled by
/// 1 / (1 - rate). The word of unit (r, c) is word r * columns + c of the stream `key`. Dropped units are stored as
/// -0.0f and kept ones never are, which is how the backward pass knows them: no mask is stored.
struct Dropout {
  float rate = 0.0f;  ///< in [0, 1)
  RandomKey key;
};

/// Y = dropout(act(X W^T + b)).
///   x [rows, in], weight [out, in], bias [1, out] (null: none), y [rows, out]
///   derivative_of [rows, out] (optional): the stored output h of an earlier dense_forward with the same activation and
///   dropout rate. Then Y = act'(h) * dropout scale * (X W^T), bias and dropout draws unused: the tangent (forward
///   mode) pass. Order of sums: bias first, then k = 0, 1, ... Aliasing: none. Workspace: packed weights on the CPU.
///   Bound before the activation: (in + 2) eps (|b| + sum_k |x_k w_k|); activations add 4 eps relative (+ 4 eps
///   absolute for sigmoid and tanh) and are 1-Lipschitz. Precision (Context::precision): in tf32 and bf16 a backend
///   with tensor cores rounds x and w to nearest first, with u = 2^-11 and u = 2^-8; it adds blocks of 8 and of 16 k in
///   ascending order, in an order of its own inside a block, the same for every row, and may truncate instead of
///   rounding. Bound: (4 (in + 2) eps + 2 u + u^2) (|b| + sum ...). Where all operands and sums are exact in the mode,
///   results are. Layers of at most four outputs stay in float32.
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
///   sum |terms| for each output (terms = out for dX, rows for dW and db, plus the accumulated value where
///   accumulating). Precision: as in DenseForward for dX and dW, whose bound becomes (4 (terms
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
///   a, b [rows, columns]; da, db [rows, columns] (each optional; may alias nothing); loss [1, 1] per model (optional):
///   always overwritten. l2 is refused. Derivative of |.| at 0: 0. accumulate: da and db are added to, in one fused
///   multiply-add. The loss is a double sum in an order that depends on the shape alone, rounded once. Workspace: sums
///   of chunks (CUDA). Bound: 4 eps |da| (+ eps |result| where accumulating); 4 eps |loss|. Source: the L1 terms of
///   Akcay 2018 and Isola 2016.
struct DifferenceLoss {
  StackView<const float> a, b;
  Distance metric = Distance::l1;
  float weight = 1.0f;
  StackView<float> da, db;
  bool accumulate = false;
  StackView<float> loss;
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
/// 0: 2 weight / rows * g_r); where |g_r| is 0 the tangent is 0.
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
///   model_scale [1, 1] per model (optional): multiplies the learning rate; 0 freezes a model: nothing of it changes.
///   squared_norm [1, 1] per model (optional): the squared Euclidean norm of the gradient (double sum, in an order that
///   depends on n alone; 0 where n is 0).
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
/// mean), with the history taken as constant. At t = 1 the mean becomes theta, whatever it held.
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
/// that the new step t puts on the learning rates, a cosine from 1 at step 0 to final_rate at decay_steps and beyond:
///   *rate_scale = final_rate + (1 - final_rate) (1 + cos(pi min(1, t / decay_steps))) / 2, or 1 where final_rate >= 1.
///   step_counter, rate_scale (optional): one number each, device memory. In double, rounded once. Bound: 2 eps.
struct AdvanceStep {
  std::uint32_t* step_counter = nullptr;
  float* rate_scale = nullptr;
  double final_rate = 1.0;       ///< at least 0
  std::int64_t decay_steps = 1;  ///< at least 1
};

/// One dense layer of frozen weights inside a flat buffer: weight [out, in] without padding, bias [out].
struct LayerView {
  const float* weight = nullptr;
  const float* bias = nullptr;
  std::int64_t model_stride = 0;  ///< from one model's layer to the next model's, in elements
  std::int32_t in = 0, out = 0;
  Activation activation = Activation::identity;
  float slope = 0.0f;
};

/// A stack of dense layers, without dropout.
struct NetworkView {
  static constexpr int max_layers = 8;
  std::int32_t layers = 0;
  LayerView layer[max_layers];
};

enum class Discrimination : std::int32_t {
  none,
  cross_entropy,    ///< softplus(-D(G(z))), sigmoid cross-entropy with label 1
  feature_l1,       ///< sum |f(x) - f(G(z))|, f = output of D's last hidden layer (Schlegl 2017)
  feature_l2,       ///< its Euclidean norm
  feature_squared,  ///< its square
};

/// A step schedule: rate[i] holds while step < until[i] (steps count from 0); the last rate holds for the rest.
struct StepSchedule {
  static constexpr int max_pieces = 4;
  std::int32_t pieces = 1;
  float rate[max_pieces] = {0.01f};
  std::int32_t until[max_pieces] = {0};
  constexpr float at(std::int64_t step) const {
    int piece = 0;
    while (piece + 1 < pieces && step >= until[piece]) ++piece;
    return rate[piece];
  }
};

/// The latent search of AnoGAN (Schlegl 2017): per query x and restart, `steps` Adam updates of z on
///   loss(z) = (1 - lambda) residual(x, G(z)) + lambda discrimination(x, G(z))
///             - prior_weight softplus(D(G(z))) + latent_weight |z|^2
/// (third term: log(1 - D(G(z))), Yeh 2017), then clipping of z to [-latent_clip, latent_clip] when that is > 0.
/// The last fixed_columns columns of z are constants (the condition of a conditional generator): the generator reads
/// them, but they are neither updated nor clipped, and |z|^2 leaves them out.
///   x [rows, d] (NaN marks a missing cell: left out of the residual, and filled from G(z) where D looks at x; the
///   filled cells count as constants of the step), z [rows * restarts, latent]: start on entry, final z on return;
///   the restarts of query r are rows r * restarts + i.
///   Outputs, each optional, all for the restart with the smallest final loss (ties: the first): loss, residual,
///   discrimination [rows, 1] (parts unweighted); best_z [rows, latent]; feature_residual [rows, d]: |x - G(z)| per
///   column (missing cells: 0); reconstruction [rows, d]: G(z).
///   Losses are those after the last update. steps may be 0. The search is per-row: batch-invariant, any order.
///   Bound: see tests/ops/latent_search.cpp (Adam's early steps amplify rounding where a sign flips).
struct LatentSearch {
  NetworkView generator, discriminator;
  StackView<const float> x;
  StackView<float> z;
  std::int32_t restarts = 1;
  std::int32_t steps = 0;
  StepSchedule learning_rate;
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  Distance residual_distance = Distance::l1;
  Discrimination discrimination_kind = Discrimination::feature_l1;
  float lambda = 0.1f;
  float prior_weight = 0.0f;
  float latent_weight = 0.0f;
  float latent_clip = 0.0f;
  StackView<float> loss, residual, discrimination, best_z, feature_residual, reconstruction;
  std::int32_t fixed_columns = 0;  ///< of z, from 0 to latent
};

/// Scores through an encoder, for whole batches in one pass: z = E(x), then the losses that LatentSearch has for this
/// z,
///   loss = (1 - lambda) residual(x, G(z)) + lambda discrimination(x, G(z)).
///   x [rows, d]: a missing cell (NaN) enters the encoder as 0; then as in LatentSearch it is left out of the residual
///   and filled from G(z) where D looks at x. The discriminator is used unless discrimination_kind is none.
///   column_scale [1, d], optional: the residual takes |x - G(z)| * column_scale instead of |x - G(z)|. limit, where
///   > 0: no cell counts for more than limit in the residual, after scaling. feature_residual is neither scaled nor
///   limited. A scale of ones and no limit change no bit.
///   Outputs, each optional: loss, residual, discrimination [rows, 1] (parts unweighted); latent [rows, latent]: z;
///   feature_residual [rows, d]: |x - G(z)| per column (missing cells: 0); reconstruction [rows, d]: G(z).
///   Order of sums: as in DenseForward and LatentSearch. Batch-invariant. Bound: six times what moving every sum by 4
///   eps of its terms does to the result, see tests/ops/reconstruction_score.cpp.
struct ReconstructionScore {
  NetworkView encoder, generator, discriminator;
  StackView<const float> x;
  Distance residual_distance = Distance::l1;
  Discrimination discrimination_kind = Discrimination::feature_l1;
  float lambda = 0.1f;
  StackView<float> loss, residual, discrimination, latent, feature_residual, reconstruction;
  StackView<const float> column_scale;
  float limit = 0.0f;  ///< 0: none
};

/// distance[r] = |a_r - b_r| under `metric`; NaN cells of a are left out.
///   a, b [rows, columns], distance [rows, 1]. column_scale [1, columns] per model (optional, at least 0): each |a - b|
///   is multiplied by it; limit > 0: then clamped to at most limit; then summed or squared. Order: 16 interleaved
///   partial sums, then a fixed tree. Bound: (columns + 4) eps * the sum of |terms| (l2: of the result);
///   with column_scale (columns + 8) eps.
struct RowDistance {
  StackView<const float> a, b;
  Distance metric = Distance::l1;
  StackView<float> distance;
  StackView<const float> column_scale;
  float limit = 0.0f;  ///< 0: none
};

/// The k nearest rows of a bank for every query, nearest first, ties by the smaller index; NaN cells of a query are
/// left out.
///   query [rows, columns], bank [bank rows, columns], distance [rows, k], index [rows, k] (optional).
///   1 <= k <= min(bank rows, max_neighbours). Order of a distance's sum: columns ascending. Bound: (columns + 4) eps
///   times the result for each distance; indices are exact with respect to the computed distances.
struct NearestRows {
  static constexpr int max_neighbours = 64;
  StackView<const float> query, bank;
  std::int32_t neighbours = 1;
  Distance metric = Distance::l2;
  StackView<float> distance;
  StackView<std::int32_t> index;
};

/// out[r] = source[index[r]]. index [rows, 1]; source [source rows, columns]; out [rows, columns].
/// Every index must lie in [0, source rows): the CPU backend checks, a GPU clamps. Exact.
struct GatherRows {
  StackView<const float> source;
  StackView<const std::int32_t> index;
  StackView<float> out;
};

/// y += scale * x, one fused multiply-add per element. x, y [rows, columns]. Bound: eps |y|.
struct AddRows {
  StackView<const float> x;
  float scale = 1.0f;
  StackView<float> y;
};

/// Rows between two rows (Gulrajani 2017): out_r = u_r a_r + (1 - u_r) b_r, u_r = (word r of the stream >> 8) * 2^-24,
/// computed as b + u (a - b) with the product fused.
///   a, b, out [rows, columns]; out may be a or b. Bound: eps (|a - b| + |out|).
struct InterpolateRows {
  StackView<const float> a, b;
  RandomKey key;
  StackView<float> out;
};

/// Minibatches without replacement: index[i] = first_row + permutation_e(p mod n), p = step * rows + i, e = p / n,
/// where permutation_e shuffles the n rows anew each epoch (a four-round Feistel network on Philox words with cycle
/// walking: stateless; its round keys are words 4 e to 4 e + 3 of the stream at step 0, see
/// kernels/random/permutation.hpp). The step is that of the key.
///   index [rows, 1]; a model owns rows [first_row[m], first_row[m] + row_count[m]) if these are given ([1, 1] per
///   model), else [0, source_rows). left_out_first and left_out_count (optional, [1, 1] per model, only beside
///   first_row): rows [left_out_first[m], left_out_first[m] + left_out_count[m]) are skipped, so that the model's
///   row_count[m] rows are those around them (cross-fitting). Exact.
struct SampleRows {
  StackView<std::int32_t> index;
  std::int32_t source_rows = 0;
  StackView<const std::int32_t> first_row, row_count;
  RandomKey key;
  StackView<const std::int32_t> left_out_first = {}, left_out_count = {};
};

/// Normal numbers mean + deviation * N(0, 1): element e = r * columns + c of each model takes words 2 (e / 2) and
/// 2 (e / 2) + 1 of the stream through Box and Muller: sqrt(-2 log u1) (cosine for even e, sine for odd e)(2 pi u2),
/// u1 = ((first word >> 8) + 1) * 2^-24, u2 = (second word >> 8) * 2^-24. truncated: drawn anew, from the same words
/// of lane + 1, + 2, ... of the stream, while |N| > 2. out [rows, columns]. The transform uses fused multiply-add
/// polynomials only, so every backend draws the same bits. Bound against exact Box and Muller: 1e-6 absolute for
/// deviation 1.
struct FillNormal {
  StackView<float> out;
  RandomKey key;
  float mean = 0.0f, deviation = 1.0f;
  bool truncated = false;
};

/// Uniform numbers low + (high - low) * u, u = (word >> 8) * 2^-24 in [0, 1), word e = r * columns + c. Exact u.
struct FillUniform {
  StackView<float> out;
  RandomKey key;
  float low = 0.0f, high = 1.0f;
};

/// A draw from N(mean, exp(log variance)) that gradients pass through (Kingma 2014): z = mean + s * noise, s = exp(v /
/// 2), v = the log variance clamped to [-10, 10]; backward: dmean = dz, dlog variance = dz * noise * s / 2, and 0 where
/// the log variance lies outside.
///   statistics [rows, 2 k]: k means, then k log variances; noise, z [rows, k] (z null: not computed); dz [rows, k],
///   given together with dstatistics [rows, 2 k], which is overwritten. Aliasing: none. Batch-invariant, the same bits
///   on all backends. Bound: 4 eps (|mean| + |s noise|); dlog variance 6 eps |result|.
struct Reparameterise {
  StackView<const float> statistics;
  StackView<const float> noise;
  StackView<float> z;
  StackView<const float> dz;
  StackView<float> dstatistics;
};

/// Per column over the rows, NaN cells left out, in double with a fixed order:
///   out [6, columns] = count, mean, standard deviation (divided by count), skewness (third standardised moment, 0 for
///   a constant column), minimum, maximum. A column with no value (rows may be 0) gives count 0 and zeros.
///   x [rows, columns].
struct ColumnStatistics {
  StackView<const float> x;
  StackView<double> out;
};

/// y = (f(x) - shift) * scale per column, f(x) = sign(x) log1p(|x|) if log1p is non-zero (log1p, continued to negative
/// numbers without a jump or a turn), else identity. NaN stays NaN.
///   x, y [rows, columns] (y may be x); shift, scale [1, columns]; log1p [1, columns] (optional).
///   The subtraction and log1p are done in double, so that large columns keep their digits. Bound: 2 eps |y|.
struct ScaleColumns {
  StackView<const float> x;
  StackView<const double> shift, scale;
  StackView<const std::uint8_t> log1p;
  StackView<float> y;
};

/// Quantiles with linear interpolation (numpy's default), one set per row of values.
///   values [rows, n], n >= 1, no NaN; probability in [0, 1]; out [rows, count]. Computed in double, rounded once.
struct Quantile {
  static constexpr int max_count = 16;
  StackView<const float> values;
  std::int32_t count = 1;
  double probability[max_count] = {0.5};
  StackView<float> out;
};

/// Coverage term of the generator loss: for each real row the nearest generated row j (squared distance, ties by the
/// smaller index), loss = weight * mean over real rows and columns of (x - g_j)^2; its gradient goes to the chosen
/// rows.
///   generated [g, d], g >= 1, real [n, d], dgenerated [g, d]: accumulated in ascending order of the real rows;
///   loss [1, 1] per model (optional). Bound: (n + 4) eps sum |terms| given the chosen rows.
struct Coverage {
  StackView<const float> generated, real;
  float weight = 1.0f;
  StackView<float> dgenerated, loss;
};

/// Negatives made from real rows ("fences"), a third each by row number: r % 3 == 0: Gaussian noise whose deviation is
/// log-uniform in [.1, 2], one per row; 1: a random share of the columns taken from the next row (r + 1 mod rows);
/// 2: uniform in [-limit, limit]^d. Meant for columns scaled to unit deviation. real, out [rows, columns]. Which words
/// each row uses: kernels/rows/fence_rows.cpp.
struct FenceRows {
  StackView<const float> real;
  RandomKey key;
  float limit = 3.5f;
  StackView<float> out;
};

/// out = replacement where x is NaN, else x. x, replacement, out [rows, columns]; out may be replacement. Exact.
struct FillMissing {
  StackView<const float> x, replacement;
  StackView<float> out;
};

/// Positions in a pool that depend on a row's contents alone, so that they do not depend on the rows beside it:
/// index[r * draws + k] = (hash(x_r) + 2654435761 k) mod 2^32 mod pool, hash = FNV-1a over the row's 32-bit words, 64
/// bits wide, its halves combined by exclusive or; every NaN counts as one value, and -0 as 0.
///   x [rows, columns], index [rows * draws, 1], pool >= 1, draws >= 1. Exact.
struct ContentIndex {
  StackView<const float> x;
  std::int32_t pool = 1;
  std::int32_t draws = 1;
  StackView<std::int32_t> index;
};

/// What cells of a row are absent or new: its surprise, and the residual that the cells stand for.
/// Source s is `source` row s = {first column c, columns n, kind} of x, and its state in a row is
///   kind 0, a number (n = 1):             missing if x[c] is NaN, else usual;
///   kind 1, one number only (n = 1):      missing if x[c] is NaN, unseen if x[c] differs from constant[s], else usual;
///   kind 2, 0/1 columns of one category:  missing if one of x[c..c+n) is NaN, unseen if all are 0, else usual.
/// surprise[r] = sum over s of weight[s, 0] if missing, weight[s, 1] if unseen; NaN if every source is missing.
/// residual[r] = the same sum with `expected` in the place of `weight`.
///   x [rows, columns]; source [sources, 3], constant [sources, 1], weight, expected [sources, 2]; surprise, residual
///   (optional) [rows, 1]. Sources in ascending order, in double, rounded once. Bound: eps |sum|.
struct CellSurprise {
  StackView<const float> x;
  StackView<const std::int32_t> source;
  StackView<const float> constant, weight, expected;
  StackView<float> surprise, residual;
};

/// The score of a population. Model m's residual and -logit are standardised, u = (value - median) / spread, and if
/// `compress` is set become sign(u) log1p(|u|);
///   score[r] = mean_m u_residual + discriminator_weight * max(mean_m u_discriminator, 0); NaN becomes +infinity.
///   residual, logit (optional: no second term) [rows, 1] per model; statistics [1, 4] per model: median and spread (>
///   0) of the residual, median and spread of -logit; score [rows, 1] of one model.
/// Cells that the residual leaves out (optional): absent [rows, 1] of one model is what they stand for in it, added as
///   residual + absent_weight absent or, if absent_squared, sqrt(residual^2 + absent_weight absent).
/// surprise [rows, 1] of one model (optional) is added to the score; if it is NaN, so is the score.
/// In double, models in ascending order, rounded once. Bound: 2 eps (|score| + |surprise|).
struct CombineScores {
  StackView<const float> residual, logit, statistics;
  bool compress = false;
  float discriminator_weight = 0.0f;
  StackView<float> score;
  StackView<const float> absent = {}, surprise = {};
  float absent_weight = 1.0f;
  bool absent_squared = false;
};

/// How well scores rank anomalies above normal rows, one pair of measures per row of scores:
///   out [rows, 2] = area under the ROC curve (ties count one half), average precision (tied scores enter together).
///   score [rows, n], n >= 1, no NaN, higher = more anomalous; label [rows, n], non-zero = anomaly. Counts are whole
///   numbers, so the area is rounded once; the terms of the average precision are summed in double in one fixed shape
///   (see kernels/ranking/ranking.cpp): bound (n + 4) 2^-53. The same bits on all backends. Without anomalies both are
///   NaN; without normal rows the area is.
struct RankingMetrics {
  StackView<const float> score;
  StackView<const std::uint8_t> label;
  StackView<double> out;
};

/// Batch normalisation (Ioffe and Szegedy 2015) with activation and dropout behind it:
///   h^ = (x - mean) * inverse_deviation, y = dropout(act(scale * h^ + shift)),
/// mean and variance (divided by the number of rows) per column, inverse_deviation = 1 / sqrt(variance + epsilon).
///   x, y [rows, columns], rows >= 1; scale, shift [1, columns]; mean, inverse_deviation [1, columns]: outputs.
///   reference_rows R > 0: virtual batch normalisation (Salimans 2016, 3.4). The first R rows are the reference batch:
///   they are normalised with their own statistics, which are the outputs; row r >= R with those of the R rows and
///   itself: mean_r = (R mean + x_r) / (R + 1), the second moment alike, variance_r = second moment - mean_r^2, in a
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
///   reference_rows, epsilon as in the forward pass; with R > 0 a reference row also gets its part in the statistics of
///   every other row.
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

/// Spectral normalisation (Miyato 2018): power iterations on the weight W, then W divided by its largest singular value
/// as they estimate it. An iteration: v = u W / |u W|, u = v W^T / |v W^T| (norms plus 1e-12); then
/// sigma = u W v^T, normalised = W / sigma.
///   weight, normalised [out, in]; u [1, out]: the start, overwritten with the last u where `update`; left [1, out]:
///   the last u; v [1, in]; sigma [1, 1]. Where sigma is 0 (u sees nothing of W), normalised is 0 and u is left as it
///   was. Order: u W over ascending rows; v W^T in 32 interleaved sums, then a tree; norms and sigma in double, 32
///   interleaved sums, then a tree. All backends with a fused multiply-add give the same bits. Bound: what moving every
///   sum by (terms + 2) eps of its |terms| does to the result, see tests/ops/spectral_norm.cpp. Workspace: none.
struct SpectralNorm {
  StackView<const float> weight;
  StackView<float> u;
  std::int32_t iterations = 1;  ///< at least 1
  bool update = true;
  StackView<float> v, sigma, normalised, left;
};

/// The backward pass of SpectralNorm, u and v counting as constants: dW = (dN - (sum dN . N) left^T v) / sigma.
///   normalised [out, in], left [1, out], v [1, in], sigma [1, 1]: outputs of SpectralNorm; gradient [out, in]: dN on
///   entry, dW on return (0 where sigma is 0). Order: the sum in double, 32 interleaved sums along each row, then a
///   tree; rows alike. Bits as in SpectralNorm. Bound: 6 eps (|dN| + |left v| sum |dN . N|) / sigma. Workspace: on CUDA
///   a number per model.
struct SpectralNormBackward {
  StackView<const float> normalised, left, v, sigma;
  StackView<float> gradient;
};

/// Minibatch discrimination (Salimans 2016, 3.2): how near the other rows of the batch are to each row,
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

/// The ops: function name, argument struct. The table of ops and backends is generated from this list.
#define CUGAD_OPS(X)                                   \
  X(dense_forward, DenseForward)                       \
  X(dense_backward, DenseBackward)                     \
  X(sigmoid_cross_entropy, SigmoidCrossEntropy)        \
  X(difference_loss, DifferenceLoss)                   \
  X(feature_matching, FeatureMatching)                 \
  X(linear_loss, LinearLoss)                           \
  X(gradient_penalty, GradientPenalty)                 \
  X(adam, Adam)                                        \
  X(historical_average, HistoricalAverage)             \
  X(advance_step, AdvanceStep)                         \
  X(latent_search, LatentSearch)                       \
  X(reconstruction_score, ReconstructionScore)         \
  X(row_distance, RowDistance)                         \
  X(nearest_rows, NearestRows)                         \
  X(gather_rows, GatherRows)                           \
  X(add_rows, AddRows)                                 \
  X(interpolate_rows, InterpolateRows)                 \
  X(sample_rows, SampleRows)                           \
  X(fill_normal, FillNormal)                           \
  X(fill_uniform, FillUniform)                         \
  X(reparameterise, Reparameterise)                    \
  X(column_statistics, ColumnStatistics)               \
  X(scale_columns, ScaleColumns)                       \
  X(quantile, Quantile)                                \
  X(coverage, Coverage)                                \
  X(fence_rows, FenceRows)                             \
  X(fill_missing, FillMissing)                         \
  X(content_index, ContentIndex)                       \
  X(cell_surprise, CellSurprise)                       \
  X(combine_scores, CombineScores)                     \
  X(ranking_metrics, RankingMetrics)                   \
  X(batch_norm, BatchNorm)                             \
  X(batch_norm_backward, BatchNormBackward)            \
  X(spectral_norm, SpectralNorm)                       \
  X(spectral_norm_backward, SpectralNormBackward)      \
  X(minibatch_discrimination, MinibatchDiscrimination) \
  X(minibatch_discrimination_backward, MinibatchDiscriminationBackward)

#define CUGAD_DECLARE(name, Args)                                            \
  CUGAD_API Verdict can_run(const Context& context, const Args& args);       \
  CUGAD_API std::size_t workspace(const Context& context, const Args& args); \
  CUGAD_API std::string path(const Context& context, const Args& args);      \
  CUGAD_API void run(Context& context, const Args& args);
CUGAD_OPS(CUGAD_DECLARE)
#undef CUGAD_DECLARE

}  // namespace cugad
