#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cugad/export.h"
#include "cugad/image_shape.hpp"
#include "cugad/layer.hpp"
#include "cugad/ops/search.hpp"
#include "cugad/ops/training.hpp"

/// The settings of a detector.
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

}  // namespace cugad
