#pragma once

#include "cugad/ops/types.hpp"

/// Hidden cells: chosen, drawn, judged and ranked. A generator predicts the cells that it does not see from those that
/// it sees, a discriminator judges cell by cell (Yoon 2018). A mask is not 0 where a cell is hidden. A NaN cell is
/// missing. `group` [1, columns], optional in all of them, makes adjacent columns one cell, a category: group[c] is the
/// first column of that of column c, c itself for a column alone. The columns of a category are hidden and missing
/// together; its value is the column whose x is the largest and above 0 (0/1 columns, centred or not).
namespace cugad {

/// Hides cells: out = [x, 0 in its hidden cells | mask], the mask being 1 where a cell is hidden, else 0.
///   x [rows, width]; out [rows, width + columns], columns <= width: cells of the first `columns` columns can be
///   hidden, those behind them (conditions) cannot. A NaN cell is hidden; as a condition it becomes 0 alone.
///   pattern [1, columns] (optional): the cells that are hidden in every row, not 0. Without it every row draws its
///   own: with B = ceil(columns / 4), row r owns the blocks r (1 + B) to r (1 + B) + B of the stream; word 0 of the
///   first gives the row's share p = lowest + (highest - lowest) u (fused), word 1 its chosen column k = word * columns
///   / 2^32 (rounded down); the words of the other blocks, in order, belong to the columns, and column c is hidden if
///   u_c < p or c = k. u = (word >> 8) * 2^-24. With groups (only without pattern) u_g stands for u_c, and group[k] = g
///   for k = c, g = group[c]. Exact. Batch-invariant with a pattern. Workspace: none.
struct MaskColumns {
  StackView<const float> x, pattern = {};
  StackView<const std::int32_t> group = {};
  RandomKey key;
  float lowest = 0.0f, highest = 1.0f;  ///< in [0, 1], lowest <= highest
  StackView<float> out;
};

/// Draws hidden cells from a generator's Gaussians: out = mean + s * noise (fused) in hidden cells, else x, with
/// s = exp(v / 2), v = the log variance clamped to [-7, 5]. A missing cell becomes 0.
///   statistics [rows, 2 k]: k means, then k log variances; x, out [rows, width], k <= width; mask, noise [rows, k].
///   Columns from k on are copied. A hidden category gets the probabilities of its values, the softmax of its means, in
///   place of its value: out = x + p, less 1 in the column of the value; without a value out = x + p. Nothing is drawn
///   there, so that the loss of a discriminator has a gradient. Aliasing: none. Batch-invariant, the same bits on all
///   backends. Bound: 4 eps (|mean| + |s noise|) in hidden cells, 8 eps (1 + |x| + b p) in categories with the largest
///   |mean| b, the others exact. Workspace: none.
struct GaussianImputation {
  StackView<const float> statistics, x, mask, noise;
  StackView<float> out;
  StackView<const std::int32_t> group = {};
};

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
struct GaussianLikelihood {
  StackView<const float> statistics, x, mask;
  float weight = 1.0f;
  StackView<float> dstatistics = {}, loss = {};
  StackView<const float> dimputed = {}, noise = {}, column_weight = {};
  StackView<float> cell = {};
  bool accumulate = false;
  StackView<const std::int32_t> group = {};
};

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
struct CellCrossEntropy {
  StackView<const float> logit, mask = {};
  float target = 1.0f, masked_target = 0.0f;  ///< in [0, 1]
  bool masked_only = false;
  float weight = 1.0f;
  StackView<float> dlogit = {}, loss = {}, mean_probability = {};
  bool accumulate = false;
  StackView<const float> x = {};
};

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
struct ColumnRanks {
  StackView<const float> value, x, table;
  StackView<const std::int32_t> count;
  bool leave_one_out = false;
  StackView<float> mean = {}, rank = {}, score = {};
  StackView<const std::int32_t> group = {};
};

}  // namespace cugad
