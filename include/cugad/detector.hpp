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
  truncated_normal,  ///< N(0, 1) drawn anew while |z| > 2
  bank,              ///< the latents of the nearest of `bank_rows` generated rows
  encoder,           ///< E(x); methods with an encoder
};

enum class ScoreRule {
  automatic,       ///< the method's own: anogan bank, gan discriminator, ganomaly latent, alad cycle_features, gain
                   ///< likelihood, others reconstruction
  search,          ///< loss of the latent search: (1 - lambda) residual + lambda discrimination
  bank,            ///< distance to the `neighbours`-th nearest of `bank_rows` generated rows
  discriminator,   ///< -log D(x): ranks as 1 - D(x) does, without its saturation
  reconstruction,  ///< (1 - lambda) residual(x, G(E(x))) + lambda discrimination (Zenati 2018)
  latent,          ///< distance of E(x) and E(G(E(x))) (Akcay 2018)
  cycle_features,  ///< |f(x, x) - f(x, G(E(x)))|_1, f of ALAD's D(x, x') (Zenati 2018b)
  cycle_logits,    ///< softplus(-D(x, G(E(x)))), ibid.
  likelihood,      ///< how unlikely each cell is given the others, as a p-value of its column; mean over columns
};

/// Which pair a bidirectional discriminator judges in the score (EGBAD's paper and its code differ).
enum class JudgedPair {
  reconstruction,  ///< (G(E(x)), E(x)), the reference code
  query,           ///< (x, E(x)), the paper
};

/// How f-AnoGAN's encoder is trained (Schlegl 2019, section 2.2).
enum class EncoderTraining {
  joint,  ///< with the GAN, which it also steers: reconstruction and latent cycle in one loss
  izi,    ///< afterwards, image to latent to image: mean (x - G(E(x)))^2
  ziz,    ///< afterwards, latent to image to latent: mean (z - E(G(z)))^2
  izi_f,  ///< afterwards, izi plus kappa times the residual of the critic's features
};

/// Scaling of columns, fitted on the training rows.
enum class Scale { none, minmax, standard, robust };

/// How a score becomes a number in [0, 1] that never falls as the score rises.
enum class Probability {
  rank,      ///< share of the calibrating scores that are no larger (smoothed): about uniform for new normal rows
  gaussian,  ///< clip(erf((score - mean) / (deviation sqrt 2)), 0, 1) of the calibrating scores: PyOD's "unify"
};

/// Everything that decides a detector's result. Defaults are the label-free recipe for tables; presets() reproduce
/// papers. Each field can be set by its name in TOML, in JSON and (with dashes) on the command line: see option_list().
struct DetectorOptions {
  Method method = Method::anogan;
  std::vector<Method> ensemble = {};  ///< further methods; their standardised scores are averaged
  int population = 8;                 ///< models trained and averaged; model m uses seed + m
  std::uint64_t seed = 42;

  // Columns
  std::vector<std::string> log1p = {
      "auto"};  ///< "auto": minimum >= 0 and skewness > 2; "none"; or column names; "numeric"
  Scale scale = Scale::standard;
  bool center = true;        ///< with scale none: subtract the mean
  bool deduplicate = false;  ///< train on distinct rows

  // Networks
  int latent = 0;                                      ///< latent size; 0: ceil(judged columns / 2), at least 2
  std::vector<int> hidden = {128, 128};                ///< generator's hidden layers (ReLU)
  std::vector<int> discriminator_hidden = {128, 128};  ///< discriminator's hidden layers (leaky ReLU)
  float slope = 0.2f;
  float dropout = 0.0f;                          ///< after each hidden layer of the discriminator, while training
  float generator_dropout = 0.0f;                ///< after each hidden layer of the generator; translation: 0 is 0.1
  bool generator_tanh = false;                   ///< G ends in tanh: judged columns within -1 and 1, or unreachable
  std::vector<int> encoder_hidden = {128, 128};  ///< encoder's hidden layers (leaky ReLU)
  bool encoder_tanh = false;                     ///< E ends in tanh (f-AnoGAN's tanh_fc)
  std::vector<int> data_branch = {128};          ///< joint discriminator: layers on x before the trunk
  std::vector<int> latent_branch = {128};        ///< joint discriminator: layers on z before the trunk
  std::vector<int> cycle_hidden = {128};         ///< hidden layers of ALAD's D(x, x')
  std::vector<int> latent_cycle_hidden = {32};   ///< hidden layers of ALAD's D(z, z')
  float cycle_dropout = 0.0f;                    ///< of both
  bool batch_norm = false;                       ///< ALAD: on the data branch's layers
  bool spectral_norm = false;                    ///< on the hidden layers of discriminators and encoder (Miyato 2018)
  int minibatch_kernels = 0;                     ///< minibatch discrimination (Salimans 2016, 3.2): kernels B; 0: none
  int minibatch_dimensions = 5;                  ///< and their dimensions C
  int virtual_batch = 0;  ///< virtual batch normalisation of G (ibid., 3.4): reference rows; 0: none

  // Columns by role
  /// Columns that G, D, E and the search are given (Mirza 2014): a row is judged by its other columns in the light of
  /// these. A category's name stands for all its 0/1 columns "name=value". The bank score, which cannot know a row's
  /// condition, becomes the search from E(x), or else from 4 random latents in 50 steps.
  std::vector<std::string> condition = {};
  std::vector<std::string> target = {};  ///< translation: columns to predict, named like these; all others: the source

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
  int r1_every = 4;              ///< applied every so many steps, times that many
  /// Weight of the coverage term; 0: none; -1: 1, or 30 if there are more than 30,000 distinct training rows, whose
  /// rare kinds a minibatch seldom shows.
  float coverage = -1.0f;
  int coverage_rows = 0;              ///< generated rows for the coverage term; 0: 256, or 1,024 likewise
  float fence = 0.3f;                 ///< weight of negatives made from real rows
  float historical_averaging = 0.0f;  ///< weight of |theta - mean of its past|^2 (Salimans 2016, 3.3)
  float adversarial = 1.0f;           ///< weight of D's view in the losses of G and E
  float reconstruction = 1.0f;        ///< encoder methods: weight of mean |x - G(E(x))| in the losses of G and E
  float latent_cycle = 1.0f;          ///< encoder methods: weight of mean (z - E(G(z)))^2, or GANomaly's encoder loss
  float contextual = 50.0f;           ///< GANomaly: weight of mean |x - G(E(x))|; translation: of mean |t - G(s)|
  bool latent_discriminator = true;   ///< ALAD: D(z, z') steers G and E
  float gradient_penalty = 10.0f;     ///< weight of the critic's penalty (generator_loss wasserstein)
  EncoderTraining encoder_training = EncoderTraining::joint;  ///< fanogan
  std::int64_t encoder_steps = 0;  ///< fanogan, unless joint: encoder updates after the GAN; 0: as many as steps
  float encoder_learning_rate = 5e-4f;
  float kappa = 1.0f;  ///< f-AnoGAN: weight of the feature residual, in izi_f and, in lambda's place, in the score
  int patience = 4;    ///< label-free stopping: checks without improvement before a model rests; 0: never

  // Search
  int search_steps = 0;
  std::vector<float> search_rate = {0.01f};  ///< learning rates of the pieces of the step schedule
  std::vector<int> search_until = {};        ///< where each piece but the last ends
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
  bool column_spread = false;  ///< reconstruction: residuals in units of their spread on training rows, at most 20 each
  bool standardise = true;     ///< scores in units of the training rows' spread; false: the papers' raw sums
  int neighbours = 5;
  float discriminator_weight = 0.5f;  ///< weight of max(standardised -D(x), 0) in the score
  float novelty = 1.0f;               ///< weight of missing and never seen cells in the score; 0: none, as in papers
  bool compress = true;               ///< standardised scores u become sign(u) log(1 + |u|)
  float contamination = 0.05f;        ///< about this share of new normal rows lies above the threshold
  /// > 0: in place of contamination, the conformal threshold, from which on a new row like the training rows lies with
  /// at most this probability (docs/calibration.md: what is guaranteed, and what is only measured).
  float false_alarm_rate = 0.0f;

  // Calibration
  /// Cross-fitting: the training rows are dealt out to this many folds, model m trains without fold (fold + m) mod
  /// folds and scores it for the calibration, so that no model is calibrated on rows that it has seen. 0: 5, which
  /// needs a population of 5 to use all rows; 1: none is left out, and the calibration is that of training rows.
  int folds = 0;
  int fold = 0;  ///< the fold that the first model leaves out
};

/// One settable field of DetectorOptions.
struct OptionInfo {
  std::string name;     ///< "learning_rate"
  std::string kind;     ///< "integer", "number", "text", "list", "boolean"
  std::string choices;  ///< "minimax|non_saturating", or empty
  std::string help;
  /// Of an integer or a number, or of each in a list of them, inclusive; `automatic` is a further value that lets the
  /// library choose. Null where there is none.
  std::optional<double> lowest = {}, highest = {}, automatic = {};
};
CUGAD_API const std::vector<OptionInfo>& option_list();
/// Sets a field from text (lists: comma-separated). Throws Error{invalid_argument}: unknown names name the nearest
/// known one.
CUGAD_API void set_option(DetectorOptions& options, const std::string& name, const std::string& value);
CUGAD_API std::string get_option(const DetectorOptions& options, const std::string& name);
/// Names of the options that change nothing about a detector with these options: they are of other methods or another
/// score, or switched off by another option.
CUGAD_API std::vector<std::string> options_without_effect(const DetectorOptions& options);
/// Named settings that reproduce a paper or protocol; apply_preset throws Error{invalid_argument} for an unknown name.
CUGAD_API std::vector<std::string> presets();
CUGAD_API void apply_preset(DetectorOptions& options, const std::string& name);
/// One flat JSON object with every option. Parsing starts from `base`, applies the key "preset" first, and is strict:
/// Error{invalid_argument} for an unknown key (naming the nearest known one), a key given twice, or a value of a wrong
/// type.
CUGAD_API std::string options_to_json(const DetectorOptions& options);
CUGAD_API DetectorOptions options_from_json(const std::string& json, DetectorOptions base = {});

/// What one model of the population did lately.
struct ModelTelemetry {
  float discriminator_loss = 0, generator_loss = 0;
  float real_probability = 0, fake_probability = 0;          ///< means of sigmoid(D(x)) and sigmoid(D(G(z)))
  float discriminator_gradient = 0, generator_gradient = 0;  ///< Euclidean norms
  int restorations = 0;                                      ///< how often the divergence guard put it back
  bool resting = false;                                      ///< stopped by the label-free criterion
};
struct FitProgress {
  std::int64_t step = 0, steps = 0;
  std::vector<ModelTelemetry> models;
};

/// How a fit is watched and steered; decides nothing about its result.
struct FitControl {
  std::function<void(const FitProgress&)> on_progress;  ///< every 100 steps and at the end, on the calling thread
  std::function<void(const std::string&)> on_message;   ///< one line: a model was restored, a column is constant, ...
  const std::atomic<bool>* cancel =
      nullptr;                          ///< when it becomes true, fit saves a checkpoint and throws Error{cancelled}
  std::string checkpoint_directory;     ///< empty: none; what another fit left there is renamed, not overwritten
  std::int64_t checkpoint_every = 100;  ///< steps, rounded up to a multiple of 100; the largest: only when cancelled
  bool resume = false;                  ///< continue from the directory's checkpoint if there is one
};

/// What the columns of the training rows are.
struct Columns {
  std::vector<std::string> names = {};  ///< one per column, UTF-8; empty: "0", "1", ...
  std::int64_t binary = 0;              ///< so many at the end are 0/1: taken as they are, where others are scaled
};

/// What makes a column a reason.
enum class Finding {
  residual,  ///< |x - G(z)|, mean over the population, in units of the scaled column
  missing,   ///< a cell without a value; the number is what the score rises by for it
  unseen,    ///< a category, or another value of a constant column, that training did not have; likewise
};
/// The k columns of one row that speak most against it: first what is missing or unseen, then the residuals, each the
/// largest number first. A value that is new as often as not raises no score, and is named all the same. Of a category
/// that is missing or not known, the first of its 0/1 columns stands for all.
struct Explanation {
  std::vector<int> column;
  std::vector<float> residual;
  std::vector<Finding> finding;
};

class CUGAD_API Detector {
 public:
  explicit Detector(const Device& device, DetectorOptions options = {});
  ~Detector();
  /// A detector that was moved from holds nothing: all of its functions throw Error{invalid_argument} until another is
  /// moved to it.
  Detector(Detector&&) noexcept;
  Detector& operator=(Detector&&) noexcept;

  /// Trains on normal rows (host or device memory; NaN = missing). Throws Error{invalid_argument} for columns that do
  /// not fit the rows, and Error{cancelled}. Deterministic: same options, rows and device kind give the same bits,
  /// whatever the number of threads.
  void fit(MatrixView<const float> rows, Columns columns, const FitControl& control = {});
  void fit(MatrixView<const float> rows, const FitControl& control = {}) { fit(rows, Columns{}, control); }

  /// Scores, one per row. Batch-invariant: a row's score does not depend on the rows beside it. A row without any value
  /// has no score: NaN.
  std::vector<float> score(MatrixView<const float> rows);
  /// The same into memory of the caller's, on the host or on the detector's device: one float per row, or
  /// Error{invalid_argument}.
  void score(MatrixView<const float> rows, std::span<float> scores);
  /// As score(), but returns while the scores are still to come: `event` (cudaEvent_t, or null) is recorded behind them
  /// on the detector's stream, and synchronize() waits for them, too. `scores` is pinned host memory or device memory.
  /// Rows in pinned host memory or device memory are read until then; others are copied before the call returns, which
  /// waits for earlier rows where they are more than two chunks. On the CPU the scores are there on return, and `event`
  /// must be null. Throws Error{invalid_argument} for scores in other memory.
  void submit(MatrixView<const float> rows, std::span<float> scores, void* event = nullptr);
  /// Scores together with those of each method of an ensemble: method_scores becomes rows x methods, in the order of
  /// the option `method`.
  std::vector<float> score_methods(MatrixView<const float> rows, std::vector<float>& method_scores);
  /// Scores together with the `count` largest residuals of each row.
  std::vector<float> explain(MatrixView<const float> rows, int count, std::vector<Explanation>& explanations);
  /// Synthetic rows in the units of the training data: row i of the output comes from model i % population (of an
  /// ensemble's first method). Throws Error{unsupported} for a method without a prior, and for conditional models.
  /// Deterministic in (model, seed). Writes count x columns() floats, row by row, to host memory, or throws
  /// Error{invalid_argument} where `rows` are not as many.
  void sample(std::int64_t count, std::uint64_t seed, std::span<float> rows);
  /// Scores as probabilities, by the scores of rows that are new to the models. Throws Error{invalid_argument} before
  /// fit or load, Error{unsupported} for a model file of a version that kept no calibration; so does confidence().
  std::vector<float> probability(std::span<const float> scores, Probability kind) const;
  /// For each score how sure its label at the threshold is, in [0, 1]: the probability that the label would be the
  /// same, had other rows of the same distribution been trained on (Perini, Vercruyssen, Davis 2020).
  std::vector<float> confidence(std::span<const float> scores) const;
  /// Rows are anomalous from this score on: what contamination, or else false_alarm_rate, asks for of the scores of
  /// rows that are new to the models.
  float threshold() const;
  /// Sets the threshold anew, as a fit with this contamination, in [0, 0.5], would have set it. Throws
  /// Error{invalid_argument} before fit or load, or for another number; Error{unsupported} for a model file of a
  /// version that kept no calibration.
  void set_contamination(float contamination);
  /// The same with a false alarm rate in (0, 0.5].
  void set_false_alarm_rate(float rate);
  /// What the calibration rests on: scores of so many rows, each by the models that left out its fold; of 1 fold, or if
  /// the model file is of an older version, they are scores of rows that all models were trained on, and new normal
  /// rows pass the threshold more often than asked.
  struct Calibration {
    std::int64_t rows = 0, folds = 1;
  };
  /// No rows before fit or load, and for a model file that kept no calibration.
  Calibration calibration() const;

  /// The calls that score look at *cancel between two chunks of rows (up to some thousands), and throw Error{cancelled}
  /// where it is true. Null (the default): they do not. The flag must outlive the calls. share() does not hand it on.
  void cancel_by(const std::atomic<bool>* cancel);

  bool fitted() const;
  std::int64_t columns() const;
  const std::vector<std::string>& column_names() const;
  const DetectorOptions& options() const;
  /// Scores on the caller's stream (cudaStream_t; null: a stream of the detector's own again, behind what was issued on
  /// CUDA's legacy default stream before each call): after what was issued there before, and before what is issued
  /// there later. Rows and scores that are both in device memory are scored
  /// without allocating and without waiting once a first call with as many rows has made the buffers: such calls can be
  /// captured as a CUDA graph, which then needs the detector's memory for as long as it is launched. Throws
  /// Error{invalid_argument} before fit or load.
  void use_stream(void* stream);
  /// Waits for the scores that were asked for.
  void synchronize();
  /// Another detector on this one's model: one copy of the weights and of the bank, working memory and a stream of its
  /// own. Both may score at once, in different threads, and give the same bits. Attachments are copied; fitting one of
  /// them gives that one a model of its own. Throws Error{invalid_argument} before fit or load.
  Detector share();
  /// How the latent search of a full batch runs on this device ("resident", "general", "layers"); empty where there is
  /// one way, or the score needs no search.
  std::string search_path() const;
  /// Training summary per model, as at the end of fit.
  const std::vector<ModelTelemetry>& telemetry() const;

  /// Text kept in the model file under a name (the command keeps its table encoder here). Both are UTF-8:
  /// Error{invalid_argument} otherwise.
  void attach(const std::string& name, const std::string& text);
  const std::string* attachment(const std::string& name) const;

  /// safetensors, written aside, synced and renamed. Byte-identical for identical detectors.
  void save(const std::string& path) const;
  /// The bytes of that file.
  std::vector<std::byte> save() const;
  /// Validates everything before use; Error{format} for a damaged or hostile file, also for one of a later version.
  static Detector load(const Device& device, const std::string& path);
  /// The same of the bytes of a file, which are copied.
  static Detector load(const Device& device, std::span<const std::byte> bytes);

 private:
  friend class Fleet;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cugad
