#include "host/options/method_options.hpp"

#include <algorithm>
#include <functional>

#include "cugad/error.hpp"
#include "host/options/image_options.hpp"
#include "host/options/option_record.hpp"

namespace cugad {

namespace {

/// Rows are searched for under their own condition: generated rows of other conditions are no reference.
void settle_conditional(DetectorOptions& options) {
  if (options.score == ScoreRule::bank) options.score = ScoreRule::search;
  if (options.score != ScoreRule::search || options.search_from != SearchStart::bank) return;
  options.search_from = definition_of(options.method).has_encoder ? SearchStart::encoder : SearchStart::normal;
  if (options.search_steps > 0) return;
  // From random starts, steps and rates that bring them home.
  options.search_steps = 50;
  if (!options.image) options.restarts = std::max(options.restarts, 4);
  if (options.search_rate == DetectorOptions{}.search_rate && options.search_until.empty()) {
    options.search_rate = {0.1f, 0.02f};
    options.search_until = {35};
  }
}

/// Rejects what the options' one method does not support.
void check_method(const DetectorOptions& options) {
  const MethodDefinition& method = definition_of(options.method);
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::invalid_argument, "method '" + std::string(method.name) + "' " + what);
  };
  if (method.reads("target") && options.target.empty())
    refuse("needs the columns to predict: set target (of images right, the half of each picture)");
  if (is_conditional(options) && !method.trains()) {
    refuse("takes no condition and no target: its distances are over all columns (reference_rows adds it)");
  }
  if (is_conditional(options) && !options.image && method.has_encoder && options.encoder_tanh) {
    refuse("takes conditions with a linear encoder only: set encoder_tanh = false");
  }
  if (is_conditional(options) && !options.image && options.generator_tanh) {
    refuse("takes conditions with a linear generator only: set generator_tanh = false");
  }
  check_images(options);
  if (!method.can_score(options.score)) refuse("has no score '" + get_option(options, "score") + "'");
  if (!method.trains()) return;
  const bool searches = options.score == ScoreRule::search;
  if (options.search_from == SearchStart::encoder && !method.has_encoder) {
    refuse("has no encoder: its searches cannot start from one");
  }
  if (searches && options.search_from != SearchStart::encoder && !method.has_prior) {
    refuse("has no prior to draw from: search_from must be encoder");
  }
  // Features are the last hidden layer.
  const bool matches_features =
      method.matches_features(options) || options.generator_loss == GeneratorLoss::feature_matching;
  if (matches_features && options.discriminator_hidden.empty()) {
    refuse("matches features of its discriminator, which needs a hidden layer: set discriminator_hidden");
  }
  if (options.score == ScoreRule::cycle_features && options.cycle_hidden.empty()) {
    refuse("scores features of D(x, x'), which needs a hidden layer: set cycle_hidden, or score = cycle_logits");
  }
  if (!method.judges_pairs) return;
  if (options.data_branch.empty() || options.latent_branch.empty()) {
    refuse("has a discriminator of pairs: data_branch and latent_branch need a layer each");
  }
  if (options.generator_loss == GeneratorLoss::wasserstein) refuse("has no Wasserstein loss");
}

/// Rejects techniques that the options' one method would ignore.
void check_techniques_of(const DetectorOptions& options) {
  const DetectorOptions defaults;
  const MethodDefinition& method = definition_of(options.method);
  for (const OptionRecord& option : option_records()) {
    if (!option.is_technique || option.is_known_to(method) || option.get(options) == option.get(defaults)) continue;
    std::string others;
    for (const MethodDefinition* one : all_methods()) {
      if (option.is_known_to(*one)) others += (others.empty() ? "" : ", ") + std::string(one->name);
    }
    throw Error(ErrorCode::invalid_argument, "method '" + std::string(method.name) + "' has no " + option.info.name +
                                                 ", expected a method that has: " + others);
  }
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

std::vector<Method> methods_of(const DetectorOptions& options) {
  std::vector<Method> methods = {options.method};
  methods.insert(methods.end(), options.ensemble.begin(), options.ensemble.end());
  const auto keeps_rows = [](Method method) { return !definition_of(method).trains(); };
  if (options.reference_rows == 0 || std::any_of(methods.begin(), methods.end(), keeps_rows)) return methods;
  for (const MethodDefinition* one : all_methods()) {
    if (keeps_rows(one->method)) methods.push_back(one->method);
  }
  return methods;
}

std::vector<DetectorOptions> options_of_methods(const DetectorOptions& resolved) {
  const std::vector<Method> methods = methods_of(resolved);
  std::vector<DetectorOptions> all;
  for (const Method method : methods) {
    DetectorOptions options = resolved;
    options.method = method;
    options.ensemble.clear();
    // Beside networks, `score` is theirs.
    const bool is_beside_networks = methods.size() > 1 && !definition_of(method).trains();
    if (options.score == ScoreRule::automatic || is_beside_networks)
      options.score = *definition_of(method).scores.begin();
    if (is_conditional(options)) settle_conditional(options);
    definition_of(method).settle(options);
    all.push_back(std::move(options));
  }
  return all;
}

std::vector<std::string> parts_of(const DetectorOptions& options) {
  std::vector<std::string> parts;
  for (const DetectorOptions& one : options_of_methods(options)) {
    const std::string method = definition_of(one.method).name;
    if (one.score == ScoreRule::nearest_and_mean) {
      parts.insert(parts.end(), {method + "_nearest", method + "_mean"});
    } else {
      parts.push_back(method);
    }
  }
  return parts;
}

bool trains_networks(const DetectorOptions& options) {
  const std::vector<Method> methods = methods_of(options);
  return std::any_of(methods.begin(), methods.end(), [](Method method) { return definition_of(method).trains(); });
}

bool keeps_training_rows(const DetectorOptions& options) {
  const std::vector<Method> methods = methods_of(options);
  return std::any_of(methods.begin(), methods.end(), [](Method method) { return !definition_of(method).trains(); });
}

void check_consistency(const DetectorOptions& options) {
  DetectorOptions copy;
  for (const OptionInfo& option : option_list()) set_option(copy, option.name, get_option(options, option.name));
  const auto has_target = [](Method method) { return definition_of(method).reads("target"); };
  const bool translates =
      has_target(options.method) || std::any_of(options.ensemble.begin(), options.ensemble.end(), has_target);
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
  const std::vector<int>& ends = options.search_until;
  if (std::adjacent_find(ends.begin(), ends.end(), std::greater_equal<>()) != ends.end()) {
    throw Error(ErrorCode::invalid_argument, "option 'search_until' is '" + get_option(options, "search_until") +
                                                 "', expected numbers of steps that grow");
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

void check_options(const DetectorOptions& options) {
  check_consistency(options);
  for (const DetectorOptions& one : options_of_methods(options)) check_techniques_of(one);
}

}  // namespace cugad
