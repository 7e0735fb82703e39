#pragma once

#include "cugad/ops/types.hpp"

/// Rows: selection, random draws, transformations and statistics.
namespace cugad {

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
/// permutation_e being a new shuffle of the n rows in each epoch (a four-round Feistel network on Philox words with
/// cycle walking: stateless; its round keys are words 4 e to 4 e + 3 of the stream at step 0, see
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
/// u1 = ((first word >> 8) + 1) * 2^-24, u2 = (second word >> 8) * 2^-24. truncated: redrawn, from the same words
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
/// 2), v = the log variance clamped to [-10, 10]; backward: dmean = dz, dlog variance = dz * noise * s / 2, and 0 if
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
/// numbers without a jump or a turn), else identity. NaN stays NaN; what overflows is the largest float.
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
/// 2: uniform in [-limit, limit]^d. Meant for columns scaled to unit deviation. real, out [rows, columns]. The words of
/// each row: kernels/rows/fence_rows.cpp.
struct FenceRows {
  StackView<const float> real;
  RandomKey key;
  float limit = 3.5f;
  StackView<float> out;
};

/// out = replacement if x is NaN, else x. x, replacement, out [rows, columns]; out may be replacement. Exact.
struct FillMissing {
  StackView<const float> x, replacement;
  StackView<float> out;
};

/// Positions in a pool that depend on a row's contents alone, not on the other rows:
/// index[r * draws + k] = (hash(x_r) + 2654435761 k) mod 2^32 mod pool, hash = FNV-1a over the row's 32-bit words, 64
/// bits wide, its halves combined by exclusive or; every NaN counts as one value, and -0 as 0.
///   x [rows, columns], index [rows * draws, 1], pool >= 1, draws >= 1. Exact.
struct ContentIndex {
  StackView<const float> x;
  std::int32_t pool = 1;
  std::int32_t draws = 1;
  StackView<std::int32_t> index;
};

}  // namespace cugad
