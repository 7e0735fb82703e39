#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cugad/device.hpp"
#include "cugad/export.h"
#include "cugad/layer.hpp"
#include "cugad/ops.hpp"
#include "cugad/tensor.hpp"

/// Anomaly detectors: fit on normal rows, score any rows. Higher scores are more anomalous.
namespace cugad {

enum class Method {
  anogan,       ///< GAN and latent search (Schlegl 2017)
  gan,          ///< GAN alone, scored by its discriminator (Goodfellow 2014)
  bigan,        ///< bidirectional GAN with a deterministic encoder (Donahue 2017)
  ali,          ///< bidirectional GAN with Gaussian encoder and generator (Dumoulin 2017)
  egbad,        ///< BiGAN scored by reconstruction and discriminator (Zenati 2018)
  ganomaly,     ///< encoder, decoder, encoder (Akcay 2018)
  fanogan,      ///< Wasserstein GAN, then an encoder (Schlegl 2019)
  alad,         ///< bidirectional GAN with cycle discriminators (Zenati 2018b)
  translation,  ///< predicts target columns from the others by a conditional GAN (Isola 2016)
  sogaal,       ///< GAN whose discriminator trains on alone, twice as long (Liu 2019)
  knn,          ///< distances to the nearest training rows, which the model keeps; nothing is trained
  gain,         ///< predicts hidden cells from visible ones, judged cell by cell (Yoon 2018)
};

enum class GeneratorLoss {
  non_saturating,    ///< mean softplus(-D(G(z))), Goodfellow 2014, section 3
  minimax,           ///< mean log(1 - sigmoid(D(G(z)))), ibid., Algorithm 1
  feature_matching,  ///< |mean f(x) - mean f(G(z))|^2 over the batch, Salimans 2016, 3.1
  wasserstein,       ///< mean -D(G(z)), with a critic under gradient penalty, Gulrajani 2017
};

enum class SearchStart {
  normal,
  truncated_normal,  ///< N(0, 1), redrawn while |z| > 2
  bank,              ///< the latents of the nearest of `bank_rows` generated rows
  encoder,           ///< E(x); methods with an encoder
};

enum class ScoreRule {
  automatic,       ///< the method's default: anogan bank, gan discriminator, ganomaly latent, alad cycle_features, knn
                   ///< nearest_and_mean, gain likelihood, others reconstruction
  search,          ///< loss of the latent search: (1 - lambda) residual + lambda discrimination
  bank,            ///< distance to the `neighbours`-th nearest of `bank_rows` generated rows
  discriminator,   ///< -log D(x): ranks as 1 - D(x) does, without its saturation
  reconstruction,  ///< (1 - lambda) residual(x, G(E(x))) + lambda discrimination (Zenati 2018)
  latent,          ///< distance of E(x) and E(G(E(x))) (Akcay 2018)
  cycle_features,  ///< |f(x, x) - f(x, G(E(x)))|_1, f of ALAD's D(x, x') (Zenati 2018b)
  cycle_logits,    ///< softplus(-D(x, G(E(x)))), ibid.
  nearest_and_mean,  ///< two parts: the distance to the nearest reference row, the mean of `neighbours` nearest
  kth_nearest,       ///< distance to the `neighbours`-th nearest reference row (Ramaswamy 2000)
  mean_nearest,      ///< mean distance to the `neighbours` nearest reference rows (Angiulli 2002)
  likelihood,  ///< the p-value of each cell given the others among held-out values of its column; mean over columns
};

/// Which pair a bidirectional discriminator judges in the score (EGBAD's paper and its code differ).
enum class JudgedPair {
  reconstruction,  ///< (G(E(x)), E(x)), the reference code
  query,           ///< (x, E(x)), the paper
};

/// How f-AnoGAN's encoder is trained (Schlegl 2019, section 2.2).
enum class EncoderTraining {
  joint,  ///< with the GAN, whose loss it enters: reconstruction and latent cycle in one loss
  izi,    ///< afterwards, image to latent to image: mean (x - G(E(x)))^2
  ziz,    ///< afterwards, latent to image to latent: mean (z - E(G(z)))^2
  izi_f,  ///< afterwards, izi plus kappa times the residual of the critic's features
};

/// Scaling of columns, fitted on the training rows.
enum class Scale {
  none,
  minmax,
  standard,
  robust,
  range,  ///< one map for all columns, such as pixels: their lowest and highest value become -1 and 1
};

/// A monotone map from a score to [0, 1].
enum class Probability {
  rank,      ///< share of calibration scores that are no larger (smoothed): about uniform for new normal rows
  gaussian,  ///< clip(erf((score - mean) / (deviation sqrt 2)), 0, 1) of the calibration scores: PyOD's "unify"
};

/// All settings that affect a detector's result. The fields' defaults are those of one method that is named, anogan or
/// another; default_options() has the recipe for a table of which no more is known, and presets() have others and those
/// of papers. Each field can be set by its name in TOML, in JSON and (with dashes) on the command line: see
/// option_list().
struct DetectorOptions {
  Method method = Method::anogan;
  std::vector<Method> ensemble = {};  ///< further methods; their standardised scores are averaged
  int population = 8;                 ///< models trained and averaged; model m uses seed + m
  std::uint64_t seed = 42;

  // Columns
  /// Rows are images, an NHWC image being a row: column (y * width + x) * channels + c is channel c of pixel (x, y).
  /// Lists of layers may then have convolutions; those that have their defaults get some that suit the image's size.
  /// Columns of `condition` may follow the pixels.
  std::optional<ImageShape> image = {};
  bool flip = false;  ///< training images: half of each minibatch's, drawn by the seed, are mirrored left to right
  int shift = 0;      ///< and each is moved by up to so many pixels down, up, right or left; its edges are repeated
  std::vector<std::string> log1p = {
      "auto"};  ///< "auto": minimum >= 0 and skewness > 2; "none"; or column names; "numeric"
  Scale scale = Scale::standard;
  bool center = true;        ///< with scale none: subtract the mean
  bool deduplicate = false;  ///< train on distinct rows
  /// For training rows that are not all normal: at most this share of them, the most surprising ones by their distance
  /// to the others, is left out, without labels. They calibrate all the same. 0: none; -1: as many as lie apart.
  float trim = 0.0f;

  // Networks
  int latent = 0;                                        ///< latent size; 0: ceil(judged columns / 2), at least 2
  std::vector<Layer> hidden = {128, 128};                ///< generator's hidden layers (ReLU)
  std::vector<Layer> discriminator_hidden = {128, 128};  ///< discriminator's hidden layers (leaky ReLU)
  float slope = 0.2f;
  float dropout = 0.0f;                            ///< after each hidden layer of the discriminator, while training
  float generator_dropout = 0.0f;                  ///< after each hidden layer of the generator; translation: 0 is 0.1
  bool generator_tanh = false;                     ///< G ends in tanh: it reaches only judged columns within -1 and 1
  std::vector<Layer> encoder_hidden = {128, 128};  ///< encoder's hidden layers (leaky ReLU)
  bool encoder_tanh = false;                       ///< E ends in tanh (f-AnoGAN's tanh_fc)
  std::vector<Layer> data_branch = {128};          ///< joint discriminator: layers on x before the trunk
  std::vector<Layer> latent_branch = {128};        ///< joint discriminator: layers on z before the trunk
  std::vector<Layer> cycle_hidden = {128};         ///< hidden layers of ALAD's D(x, x')
  std::vector<Layer> latent_cycle_hidden = {32};   ///< hidden layers of ALAD's D(z, z')
  float cycle_dropout = 0.0f;                      ///< of both
  bool batch_norm = false;                         ///< ALAD: on the data branch's layers
  bool spectral_norm = false;                      ///< on the hidden layers of discriminators and encoder (Miyato 2018)
  int minibatch_kernels = 0;     ///< minibatch discrimination (Salimans 2016, 3.2): kernels B; 0: none
  int minibatch_dimensions = 5;  ///< and their dimensions C
  int virtual_batch = 0;         ///< virtual batch normalisation of G (ibid., 3.4): reference rows; 0: none

  // Columns by role
  /// Columns that G, D, E and the search receive as the condition (Mirza 2014): a row is judged by its other columns,
  /// given these. A category's name selects all its 0/1 columns "name=value". The bank score has no access to a row's
  /// condition; it is replaced by the search from E(x), or else from 4 random latents in 50 steps.
  std::vector<std::string> condition = {};
  /// translation: columns to predict, named as above; all others: the source. Of images the half to predict of each
  /// picture, "right" or "left"; the other half is the source.
  std::vector<std::string> target = {};

  // Reference rows
  /// So many distinct training rows are kept in the model; the method knn, which becomes a further method if it is not
  /// among them, scores the distances to them. More distinct rows than that are drawn at random, by the seed. -1:
  /// 20,000; 0: none, and 20,000 if knn is among the methods.
  std::int64_t reference_rows = 0;

  // Training
  std::int64_t steps = 8000;
  std::int64_t epochs = 0;  ///< when > 0, steps = epochs * (rows / batch)
  int batch = 64;
  /// Of G; 0: 5e-4, or 1e-3 if there are more than 30,000 distinct training rows.
  float learning_rate = 0.0f;
  float discriminator_learning_rate = 5e-4f;
  float beta1 = 0.5f, beta2 = 0.99f;
  AdamForm adam_form = AdamForm::standard;
  float final_rate = 0.02f;      ///< the learning rates decay to this share of themselves along a cosine; 1: constant
  std::int64_t decay_steps = 0;  ///< steps of the decay; 0: the larger of steps and 4,000
  float average_decay = 0.995f;  ///< moving average of weights, used for scoring; 0: none
  bool average_discriminator = true;
  int discriminator_steps = 1;  ///< per generator step (k of Goodfellow 2014, Algorithm 1)
  GeneratorLoss generator_loss = GeneratorLoss::non_saturating;
  float label_smoothing = 0.0f;  ///< one-sided (Salimans 2016): real target 1 - label_smoothing
  float r1 = 0.3f;               ///< gamma of the R1 penalty gamma/2 |grad_x D(x)|^2 (Mescheder 2018)
  int r1_every = 4;              ///< the penalty is applied every r1_every steps, multiplied by r1_every
  /// Weight of the coverage term; 0: none; -1: 1, or 30 if there are more than 30,000 distinct training rows, as a
  /// minibatch then rarely contains the rare ones.
  float coverage = -1.0f;
  int coverage_rows = 0;              ///< generated rows for the coverage term; 0: 256, or 1,024 likewise
  float fence = 0.3f;                 ///< weight of negatives made from real rows
  float historical_averaging = 0.0f;  ///< weight of |theta - mean of its past|^2 (Salimans 2016, 3.3)
  float adversarial = 1.0f;           ///< weight of D's output in the losses of G and E
  float reconstruction = 1.0f;        ///< encoder methods: weight of mean |x - G(E(x))| in the losses of G and E
  float latent_cycle = 1.0f;          ///< encoder methods: weight of mean (z - E(G(z)))^2, or GANomaly's encoder loss
  float contextual = 50.0f;           ///< GANomaly: weight of mean |x - G(E(x))|; translation: of mean |t - G(s)|
  bool latent_discriminator = true;   ///< ALAD: D(z, z') enters the losses of G and E
  float gradient_penalty = 10.0f;     ///< weight of the critic's penalty (generator_loss wasserstein)
  EncoderTraining encoder_training = EncoderTraining::joint;  ///< fanogan
  std::int64_t encoder_steps = 0;  ///< fanogan, unless joint: encoder updates after the GAN; 0: as many as steps
  float encoder_learning_rate = 5e-4f;
  float kappa = 1.0f;  ///< f-AnoGAN: weight of the feature residual, in izi_f and, in lambda's place, in the score
  int patience = 4;    ///< label-free early stopping after so many checks without improvement; 0: never

  // Search
  int search_steps = 0;
  std::vector<float> search_rate = {0.01f};  ///< learning rates of the pieces of the step schedule
  std::vector<int> search_until = {};        ///< the step at which each piece but the last ends
  SearchStart search_from = SearchStart::bank;
  int restarts = 1;
  int bank_rows = 0;  ///< generated rows kept per model; 0: 3,000, or 12,000 if there are so many distinct rows
  Discrimination discrimination = Discrimination::feature_l1;
  float lambda = 0.1f;
  Distance residual = Distance::l1;
  float prior_weight = 0.0f, latent_weight = 0.0f, latent_clip = 0.0f;

  // Score
  ScoreRule score = ScoreRule::automatic;
  JudgedPair judged_pair = JudgedPair::reconstruction;
  bool column_spread = false;  ///< reconstruction: residuals divided by their spread on training rows, at most 20 each
  bool standardise = true;     ///< scores divided by their spread on training rows; false: the papers' raw sums
  int neighbours = 5;
  float discriminator_weight = 0.5f;  ///< weight of max(standardised -D(x), 0) in the score
  float novelty = 1.0f;               ///< weight of missing and unseen cells in the score; 0: none, as in papers
  bool compress = true;               ///< standardised scores u become sign(u) log(1 + |u|)
  float contamination = 0.05f;        ///< expected share of new normal rows above the threshold
  /// > 0: replaces contamination by the conformal threshold, which a new row of the training distribution reaches with
  /// at most this probability (docs/calibration.md: which guarantees hold, and which rates are only measured).
  float false_alarm_rate = 0.0f;

  // Calibration
  /// Cross-fitting: the training rows are split into this many folds, model m trains without fold (fold + m) mod folds
  /// and scores it for the calibration, so that no model is calibrated on its own training rows. 0: 5, which needs a
  /// population of 5 to use all rows; 1: no fold is held out, and training rows calibrate.
  int folds = 0;
  int fold = 0;  ///< the held-out fold of the first model
};

/// One settable field of DetectorOptions.
struct OptionInfo {
  std::string name;     ///< "learning_rate"
  std::string kind;     ///< "integer", "number", "text", "list", "boolean"
  std::string choices;  ///< "minimax|non_saturating", or empty
  std::string help;
  /// Inclusive bounds of an integer or a number, or of each number in a list; `automatic` is a further value that lets
  /// the library choose. Empty if there is no bound.
  std::optional<double> lowest = {}, highest = {}, automatic = {};
};
CUGAD_API const std::vector<OptionInfo>& option_list();
/// Sets a field from text (lists: comma-separated). Throws Error{invalid_argument}; for an unknown name the message has
/// the nearest known one.
CUGAD_API void set_option(DetectorOptions& options, const std::string& name, const std::string& value);
CUGAD_API std::string get_option(const DetectorOptions& options, const std::string& name);
/// Names of the options without effect on a detector with these options: other methods or another score use them, or
/// another option disables them.
CUGAD_API std::vector<std::string> options_without_effect(const DetectorOptions& options);
/// Named settings that reproduce a paper or protocol; apply_preset throws Error{invalid_argument} for an unknown name.
CUGAD_API std::vector<std::string> presets();
CUGAD_API void apply_preset(DetectorOptions& options, const std::string& name);
/// One flat JSON object with every option. Parsing applies the key "preset" first, and is strict:
/// Error{invalid_argument} for an unknown key (naming the nearest known one), a key given twice, a value of a wrong
/// type, or a "method" that is not the preset's. It starts from `base`; without one, with "image" from the preset
/// "images"; else with "method" from the defaults; else from the default recipe: the preset "tables", which keeps
/// training rows; with "reference_rows": 0 "tables-without-rows", with "condition" "gain-tables", with "target" method
/// translation. A key that the recipe does not read is then an Error{invalid_argument} that names methods that do.
CUGAD_API std::string options_to_json(const DetectorOptions& options);
CUGAD_API DetectorOptions options_from_json(const std::string& json, DetectorOptions base);
CUGAD_API DetectorOptions options_from_json(const std::string& json);
/// The recipe for a table of which no more is known, as the command takes it: options_from_json("{}").
CUGAD_API DetectorOptions default_options();

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
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cugad
