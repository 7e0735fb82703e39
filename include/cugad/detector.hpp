#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cugad/detector_options.hpp"
#include "cugad/device.hpp"
#include "cugad/export.h"
#include "cugad/ops.hpp"
#include "cugad/tensor.hpp"

/// Anomaly detectors: fit on normal rows, score any rows. Higher scores are more anomalous.
namespace cugad {

/// Recent training statistics of one model of the population.
struct ModelTelemetry {
  float discriminator_loss = 0, generator_loss = 0;
  float real_probability = 0, fake_probability = 0;          ///< means of sigmoid(D(x)) and sigmoid(D(G(z)))
  float discriminator_gradient = 0, generator_gradient = 0;  ///< Euclidean norms
  int restorations = 0;                                      ///< restorations by the divergence guard
  bool resting = false;                                      ///< early stopping by the label-free criterion
};
struct FitProgress {
  std::int64_t step = 0, steps = 0;
  std::vector<ModelTelemetry> models;
};

/// Progress, cancellation and checkpoints of a fit; without influence on its result.
struct FitControl {
  std::function<void(const FitProgress&)> on_progress;  ///< every 100 steps and at the end, on the calling thread
  std::function<void(const std::string&)> on_message;   ///< one line: a model was restored, a column is constant, ...
  const std::atomic<bool>* cancel =
      nullptr;                          ///< when it becomes true, fit saves a checkpoint and throws Error{cancelled}
  std::string checkpoint_directory;     ///< empty: none; what another fit left there is renamed, not overwritten
  std::int64_t checkpoint_every = 100;  ///< steps, rounded up to a multiple of 100; the largest: only when cancelled
  bool resume = false;                  ///< continue from the directory's checkpoint if there is one
  /// For rows larger than memory, as of a file that is mapped: what a detector makes of them lies in this directory, in
  /// files without names that are mapped and go with the fit, once the size of the rows (twice with missing cells and
  /// the method gain). Besides it takes a byte of memory for each row, and some 100 MB. Empty: in memory. Not for the
  /// option trim, nor on a GPU without the memory for the rows: Error{unsupported}. Fleets keep theirs in memory.
  std::string row_directory;
};

/// Names and kinds of the columns of the training rows.
struct Columns {
  std::vector<std::string> names = {};  ///< one per column, UTF-8; empty: "0", "1", ...
  std::int64_t binary = 0;              ///< the number of 0/1 columns, which come last and are not scaled
};

/// What is the matter with a cell.
enum class Finding {
  residual,  ///< it differs from what the others of its row let expect
  missing,   ///< it has no value, against expectation
  unseen,    ///< a category, or a value of a constant column, that is not in the training rows
};
/// What a model expects in a cell, given the others of its row, in the units of the rows.
struct ExpectedCell {
  float low = 0, high = 0;    ///< of a number: 90 % lie between them (gain); or both are the model's one value
  int category = -1;          ///< of a category: the 0/1 column of its most likely value; -1: a number
  float likelihood = 0;       ///< of that value, in [0, 1]; NaN if the model gives none, and for a number
  float least = 0, most = 0;  ///< of a number: the range of the training rows; NaN if the model does not know it
};
/// The k columns of one row that explain its score best, as parallel lists. The 0/1 columns of a category are one,
/// which is named by the column of the row's value (by its first, if it is missing or unknown).
///
/// share: by how much the score falls if the cell alone gets its expected value, in relation to what all columns
/// together let it fall by: shares are in [0, 1], and those of all columns sum to 1; all are 0 if no column lowers the
/// score. Only the k (at least 8) columns of the largest residuals are tried, the others have 0. Missing and unseen
/// cells come first (an unseen value of a column whose values are often new is listed even if it adds nothing), then
/// columns by their share, equal ones by their residual. Cells that are missing as expected, and columns that
/// `condition` names, come last.
///
/// residual: in the units of the method: |x - G(z)| in transformed units, mean over the population; of gain the -log p
/// of the cell; of an ensemble the mean over its methods of the share in the row's sum. Of missing and unseen cells
/// what the score rises by.
struct Explanation {
  std::vector<int> column;
  std::vector<float> share;
  std::vector<float> residual;
  std::vector<Finding> finding;
  std::vector<ExpectedCell> expected;
};

/// How Detector::inpaint looks for the image behind the visible pixels (Yeh 2017, "Semantic image inpainting with deep
/// generative models").
struct Inpainting {
  int steps = 500;     ///< of Adam on each latent, at least 0
  float rate = 0.03f;  ///< its step size
  float prior = 0.1f;  ///< weight of the prior loss -log D(G(z)), at least 0
  int window = 7;      ///< lines and columns of the window whose missing pixels weigh a visible one, odd
};

class CUGAD_API Detector {
 public:
  explicit Detector(const Device& device, DetectorOptions options = default_options());
  ~Detector();
  /// A moved-from detector is empty: all of its functions throw Error{invalid_argument} until another is moved to it.
  Detector(Detector&&) noexcept;
  Detector& operator=(Detector&&) noexcept;

  /// Trains on normal rows (host or device memory; NaN = missing). Throws Error{invalid_argument} for columns that do
  /// not match the rows, and Error{cancelled}. Deterministic: same options, rows and kind of device give the same bits
  /// for any number of threads.
  void fit(MatrixView<const float> rows, Columns columns, const FitControl& control = {});
  void fit(MatrixView<const float> rows, const FitControl& control = {}) { fit(rows, Columns{}, control); }

  /// Scores, one per row. Batch-invariant: a row's score does not depend on the rows beside it. A row without any value
  /// has no score: NaN.
  std::vector<float> score(MatrixView<const float> rows);
  /// Writes the scores to the caller's memory, on the host or on the detector's device: one float per row, or
  /// Error{invalid_argument}.
  void score(MatrixView<const float> rows, std::span<float> scores);
  /// As score(), but asynchronous: `event` (cudaEvent_t, or null) is recorded after the scores on the detector's
  /// stream, and synchronize() waits for them, too. `scores` is pinned host memory or device memory. Rows in pinned
  /// host memory or device memory are read until then; others are copied before the call returns, which waits for
  /// earlier rows if they are more than two chunks. On the CPU the scores are complete on return, and `event` must be
  /// null. Throws Error{invalid_argument} for scores in other memory.
  void submit(MatrixView<const float> rows, std::span<float> scores, void* event = nullptr);
  /// Names of the parts of the score, which is the mean of them, standardised: the methods of an ensemble, in the order
  /// of the option `method`; for knn its two distances, "knn_nearest" and "knn_mean". One name if it is not made of
  /// parts.
  std::vector<std::string> parts() const;
  /// Scores together with those of each part: method_scores becomes rows x parts().
  std::vector<float> score_methods(MatrixView<const float> rows, std::vector<float>& method_scores);
  /// Scores together with the residual of each cell: residuals becomes rows x columns numbers, of columns that
  /// `condition` names 0. They are those of Explanation, but that missing and unseen cells are not told apart. A score
  /// by the discriminator alone, which rebuilds no row, gives the distance to the column's centre. Deterministic, and
  /// batch-invariant.
  std::vector<float> score_cells(MatrixView<const float> rows, std::vector<float>& residuals);
  /// Scores together with the `count` columns that explain each row's score best; costs about 1 + 2 max(count, 8)
  /// scores of every row. Deterministic, and batch-invariant.
  std::vector<float> explain(MatrixView<const float> rows, int count, std::vector<Explanation>& explanations);
  /// The rows with their missing cells (NaN) filled by what the others of their row say: for a detector with the method
  /// gain, alone or in an ensemble. A value is the mean of the predicted distribution in the units of the rows (the
  /// least expected squared error), within the range of the training rows: a column of integers gets fractions, the
  /// columns of a category the probabilities of its values, without bands. A cell of a column that `condition` names is
  /// not predicted: it gets its column's centre. Observed cells are returned as they are, infinite ones too; a row
  /// without any value gets what the generator expects of a row that it sees nothing of. Deterministic, and
  /// batch-invariant. Throws Error{unsupported} for other methods than those of inpaint(), which then fills them, and
  /// for a model file of a version without the residuals of cells.
  std::vector<float> fill(MatrixView<const float> rows);
  /// The same to the caller's memory: rows x columns floats each; and, where they are given, the ends of bands that
  /// contain the true value in a share `coverage`, in (0, 1), of all cells. That share holds on average over a column
  /// whose cells are missing at random, whatever the distribution (residuals of training rows, each by the models that
  /// held out its fold; with the option folds 1 by models that saw them, and bands are too narrow). A band of an
  /// observed cell is its value. Bands end with the range of the training rows, but for one that lies beyond it as a
  /// whole: it begins there, and is no promise. Returns the number of these.
  std::int64_t fill(MatrixView<const float> rows, std::span<float> filled, std::span<float> low = {},
                    std::span<float> high = {}, float coverage = 0.9f);
  /// Images with their missing pixels (NaN; a pixel counts as missing if one of its channels is) replaced by those of
  /// the generated image that fits the visible ones best (Yeh 2017): G(z) at the latent z that minimises
  ///   sum over visible pixels and channels of w |x - G(z)|, w = missing share of the window around the pixel, clipped
  ///   at the border, + prior * softplus(-D(G(z))),
  /// by Adam from the nearest of 512 drawn latents; of the models of a population that with the least loss counts.
  /// Visible pixels are returned as they are. For a detector of images whose method has a prior and a discriminator of
  /// images alone (gan, anogan), without conditions, alone or first in an ensemble: Error{unsupported} otherwise.
  /// fill() of such a detector does the same with the defaults, without bands. Deterministic, and batch-invariant. Of
  /// translation it is the target of each row, G(source), that replaces missing cells; `how` has no part in it.
  void inpaint(MatrixView<const float> rows, std::span<float> filled, const Inpainting& how = {});
  /// Synthetic rows in the units of the training data: row i of the output comes from model i % population (of an
  /// ensemble's first method). Throws Error{unsupported} for a method without a prior, and for conditional models.
  /// Deterministic in (model, seed). Writes count x columns() floats, row by row, to host memory, or throws
  /// Error{invalid_argument} if `rows` has another size.
  void sample(std::int64_t count, std::uint64_t seed, std::span<float> rows);
  /// The same of a conditional model, given the condition (Mirza 2014): the values of the condition columns in the
  /// order of column_names(), in the units of the rows (NaN: their columns' centre), which the rows repeat.
  void sample(std::int64_t count, std::uint64_t seed, std::span<const float> condition, std::span<float> rows);
  /// Conditional samples, for a detector with the method gain: `count` draws of each given row, whose missing cells
  /// (NaN) are drawn, one after the other in a random order, each from its distribution given the row's observed cells
  /// and those that are drawn, so that dependences between them hold; then each is drawn again given all others, twice.
  /// Draw k of row i is row i * count + k of `rows` (host memory, given.rows x count x columns() floats); observed
  /// cells are copied. Deterministic in (model, seed, position), whatever rows are given beside. Values lie within the
  /// range of the training rows; missing conditions get their column's centre. Errors as those of fill().
  void sample(MatrixView<const float> given, std::int64_t count, std::uint64_t seed, std::span<float> rows);
  /// Scores as probabilities, from the calibration scores. Throws Error{invalid_argument} before fit or load,
  /// Error{unsupported} for a model file of a version without calibration; so does confidence().
  std::vector<float> probability(std::span<const float> scores, Probability kind) const;
  /// The confidence of each score's label at the threshold, in [0, 1]: the probability of the same label after training
  /// on other rows of the same distribution (Perini, Vercruyssen, Davis 2020).
  std::vector<float> confidence(std::span<const float> scores) const;
  /// Rows are anomalous from this score on: the quantile of the calibration scores that contamination, or else
  /// false_alarm_rate, selects.
  float threshold() const;
  /// Replaces the threshold by that of a fit with this contamination, in [0, 0.5]. Throws Error{invalid_argument}
  /// before fit or load, or for another number; Error{unsupported} for a model file of a version without calibration.
  void set_contamination(float contamination);
  /// Replaces the threshold by that of a fit with this false alarm rate, in (0, 0.5].
  void set_false_alarm_rate(float rate);
  /// The basis of the calibration: scores of `rows` rows, each by the models that held out its fold. With 1 fold, or in
  /// a model file of an older version, they are scores of training rows, and new normal rows exceed the threshold more
  /// often than requested.
  struct Calibration {
    std::int64_t rows = 0, folds = 1;
  };
  /// 0 rows before fit or load, and for a model file without calibration.
  Calibration calibration() const;

  /// Scoring calls read *cancel between two chunks of rows (up to some thousands), and throw Error{cancelled} if it is
  /// true. Null (the default): no cancellation. The flag must outlive the calls. share() does not copy it.
  void cancel_by(const std::atomic<bool>* cancel);

  /// What a user of the scores has to know, a line each: rows that were left out, a column that one value dominates,
  /// training rows in the model file, and what the threshold cannot promise. A model file keeps them.
  std::vector<std::string> notes() const;
  bool fitted() const;
  std::int64_t columns() const;
  const std::vector<std::string>& column_names() const;
  const DetectorOptions& options() const;
  /// How many training rows the model keeps (DetectorOptions::reference_rows has the most); 0 if it keeps none.
  std::int64_t reference_rows() const;
  /// Scores on the caller's stream (cudaStream_t; null: the detector's own stream again, after the work issued on
  /// CUDA's legacy default stream before each call): after work issued there earlier, and before work issued there
  /// later. If rows and scores are both in device memory, scoring neither allocates nor waits after a first call with
  /// as many rows has allocated the buffers: such calls can be captured as a CUDA graph, which then needs the
  /// detector's memory for as long as it is launched. Throws Error{invalid_argument} before fit or load.
  void use_stream(void* stream);
  /// Waits until all submitted scores are written.
  void synchronize();
  /// Returns another detector that shares this one's weights and bank, with its own working memory and stream. Both may
  /// score at once, in different threads, and give the same bits. Attachments are copied; fitting one of them leaves
  /// the other's model as it is. Throws Error{invalid_argument} before fit or load.
  Detector share();
  /// The implementation of the latent search of a full batch on this device ("resident", "general", "layers"); empty if
  /// there is only one, or if the score needs no search.
  std::string search_path() const;
  /// Training statistics per model, at the end of fit.
  const std::vector<ModelTelemetry>& telemetry() const;

  /// Text stored in the model file under a name (the command stores its table encoder here). Both are UTF-8:
  /// Error{invalid_argument} otherwise.
  void attach(const std::string& name, const std::string& text);
  const std::string* attachment(const std::string& name) const;

  /// Writes a safetensors file atomically: to a temporary file, synced and renamed. Byte-identical for identical
  /// detectors.
  void save(const std::string& path) const;
  /// Returns the bytes of that file.
  std::vector<std::byte> save() const;
  /// Reads a model file. Validates everything before use; Error{format} for a damaged or hostile file, also for one of
  /// a later version.
  static Detector load(const Device& device, const std::string& path);
  /// Reads the bytes of a model file, which are copied.
  static Detector load(const Device& device, std::span<const std::byte> bytes);

 private:
  friend class Fleet;
  friend struct DetectorContents;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cugad
