#include <algorithm>

#include "cugad/error.hpp"
#include "host/methods/detector_impl.hpp"

/// Which options go together, and what they mean for each method.
namespace cugad {

bool judges_pairs(Method method) {
  return method == Method::bigan || method == Method::ali || method == Method::egbad || method == Method::alad;
}

bool has_encoder(Method method) {
  return judges_pairs(method) || method == Method::ganomaly || method == Method::fanogan;
}

namespace {

ScoreRule usual_score(Method method) {
  switch (method) {
    case Method::anogan:
      return ScoreRule::bank;
    case Method::gan:
      return ScoreRule::discriminator;
    case Method::ganomaly:
      return ScoreRule::latent;
    case Method::alad:
      return ScoreRule::cycle_features;
    default:
      return ScoreRule::reconstruction;
  }
}

bool can_score(Method method, ScoreRule rule) {
  switch (rule) {
    case ScoreRule::discriminator:
      return method == Method::gan || has_encoder(method);
    case ScoreRule::reconstruction:
      return has_encoder(method) || method == Method::translation;
    case ScoreRule::latent:
      return has_encoder(method);
    case ScoreRule::cycle_features:
    case ScoreRule::cycle_logits:
      return method == Method::alad;
    default:
      return method != Method::translation || rule == ScoreRule::automatic;
  }
}

/// Generated rows of other conditions say nothing about a row: it is searched for under its own condition.
void settle_conditional(DetectorOptions& options) {
  if (options.score == ScoreRule::bank) options.score = ScoreRule::search;
  if (options.score != ScoreRule::search || options.search_from != SearchStart::bank) return;
  options.search_from = has_encoder(options.method) ? SearchStart::encoder : SearchStart::normal;
  if (options.search_steps > 0) return;
  // From random starts, steps and rates that bring them home.
  options.search_steps = 50;
  options.restarts = std::max(options.restarts, 4);
  if (options.search_rate == DetectorOptions{}.search_rate && options.search_until.empty()) {
    options.search_rate = {0.1f, 0.02f};
    options.search_until = {35};
  }
}

/// Isola 2016: no latent; the noise is dropout. Targets differ from their prediction: that is the score.
void settle_translation(DetectorOptions& options) {
  options.latent = 0;
  options.lambda = 0.0f;
  options.coverage = 0.0f;
  if (options.generator_dropout == 0.0f) options.generator_dropout = 0.1f;
}

/// What a method does not have cannot be asked of it.
void check_method(const DetectorOptions& options) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::invalid_argument, "method '" + get_option(options, "method") + "' " + what);
  };
  if (options.method == Method::translation && options.target.empty()) {
    refuse("needs the columns to predict: set target");
  }
  if (is_conditional(options) && has_encoder(options.method) && options.encoder_tanh) {
    refuse("takes conditions with a linear encoder only: set encoder_tanh = false");
  }
  if (!can_score(options.method, options.score)) refuse("has no score '" + get_option(options, "score") + "'");
  if (options.search_from == SearchStart::encoder && !has_encoder(options.method)) {
    refuse("has no encoder: its searches cannot start from one");
  }
  // Banks and random search starts are drawn from a prior.
  const bool searches = options.score == ScoreRule::search && options.search_from != SearchStart::encoder;
  if ((options.score == ScoreRule::bank || searches) && !definition_of(options.method).has_prior) {
    refuse("has no prior to draw from: " + std::string(searches ? "search_from must be encoder" : "it has no bank"));
  }
  // Features are the last hidden layer.
  const bool matches_features =
      options.generator_loss == GeneratorLoss::feature_matching || options.method == Method::ganomaly ||
      (options.method == Method::fanogan && options.encoder_training == EncoderTraining::izi_f);
  if (matches_features && options.discriminator_hidden.empty()) {
    refuse("matches features of its discriminator, which needs a hidden layer: set discriminator_hidden");
  }
  if (options.score == ScoreRule::cycle_features && options.cycle_hidden.empty()) {
    refuse("scores features of D(x, x'), which needs a hidden layer: set cycle_hidden, or score = cycle_logits");
  }
  if (!judges_pairs(options.method)) return;
  if (options.data_branch.empty() || options.latent_branch.empty()) {
    refuse("has a discriminator of pairs: data_branch and latent_branch need a layer each");
  }
  if (options.generator_loss == GeneratorLoss::wasserstein) refuse("has no Wasserstein loss");
}

/// A gradient penalty is a term per row: it needs discriminators in which rows do not see each other.
void check_techniques(const DetectorOptions& options) {
  const bool penalised =
      options.r1 > 0.0f || (options.generator_loss == GeneratorLoss::wasserstein && options.gradient_penalty > 0.0f);
  if (penalised && (options.batch_norm || options.minibatch_kernels > 0)) {
    throw Error(ErrorCode::invalid_argument,
                std::string(options.batch_norm ? "batch_norm" : "minibatch_kernels") +
                    " lets the rows of a batch see each other, which a gradient penalty excludes: set r1 = 0 and " +
                    "another generator_loss than wasserstein");
  }
  if (options.minibatch_kernels > 0 && options.discriminator_hidden.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "minibatch_kernels looks at the discriminator's last hidden layer: set discriminator_hidden");
  }
  if (options.virtual_batch > 0 && !options.condition.empty()) {
    throw Error(ErrorCode::invalid_argument, "virtual_batch takes no conditions: its reference rows have none");
  }
}

}  // namespace

std::vector<DetectorOptions> options_of_methods(const DetectorOptions& resolved) {
  std::vector<Method> methods = {resolved.method};
  methods.insert(methods.end(), resolved.ensemble.begin(), resolved.ensemble.end());
  std::vector<DetectorOptions> all;
  for (const Method method : methods) {
    DetectorOptions options = resolved;
    options.method = method;
    options.ensemble.clear();
    if (options.score == ScoreRule::automatic) options.score = usual_score(method);
    if (is_conditional(options)) settle_conditional(options);
    if (method == Method::translation) settle_translation(options);
    all.push_back(std::move(options));
  }
  return all;
}

void check_options(const DetectorOptions& options) {
  DetectorOptions copy;
  for (const OptionInfo& option : option_list()) set_option(copy, option.name, get_option(options, option.name));
  bool translates = options.method == Method::translation;
  for (const Method method : options.ensemble) translates = translates || method == Method::translation;
  if (!options.target.empty() && (!translates || !options.condition.empty())) {
    throw Error(ErrorCode::invalid_argument,
                translates ? "give either target or condition: with target, all other columns are the source"
                           : "target is of method translation: set method = translation, or use condition");
  }
  for (std::size_t i = 0; i < options.ensemble.size(); ++i) {
    const auto end = options.ensemble.begin() + static_cast<std::ptrdiff_t>(i);
    if (options.ensemble[i] == options.method || std::find(options.ensemble.begin(), end, options.ensemble[i]) != end) {
      throw Error(ErrorCode::invalid_argument,
                  "option 'method' is '" + get_option(options, "method") + "', expected each method once");
    }
  }
  if (options.search_rate.empty() || options.search_rate.size() != options.search_until.size() + 1) {
    throw Error(ErrorCode::invalid_argument,
                "search_rate has " + std::to_string(options.search_rate.size()) + " values and search_until " +
                    std::to_string(options.search_until.size()) + ", expected one more rate than ends");
  }
  if (is_conditional(options) && options.score == ScoreRule::bank) {
    throw Error(ErrorCode::invalid_argument,
                "score = bank takes no condition: generated rows have other conditions than the row; use search");
  }
  for (const DetectorOptions& one : options_of_methods(options)) check_method(one);
  check_techniques(options);
  if (options.discriminator_hidden.empty() && options.discrimination >= Discrimination::feature_l1) {
    throw Error(
        ErrorCode::invalid_argument,
        "feature matching needs a hidden layer in the discriminator: set discriminator_hidden, or discrimination = "
        "cross_entropy");
  }
}

}  // namespace cugad
