#include <charconv>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <type_traits>

#include "cugad/detector.hpp"
#include "cugad/error.hpp"
#include "host/floating_point.hpp"
#include "host/methods/presets.hpp"
#include "host/table/cell.hpp"
#include "host/table/json.hpp"
#include "host/table/list_text.hpp"
#include "host/table/nearest_name.hpp"

namespace cugad {
namespace {

struct Option {
  OptionInfo info;
  std::function<std::string(const DetectorOptions&)> get;
  std::function<void(DetectorOptions&, const std::string&)> set;
};

[[noreturn]] void refuse(const std::string& name, const std::string& value, const std::string& expected) {
  throw Error(ErrorCode::invalid_argument,
              "option '" + name + "' is '" + one_line(value, 200) + "', expected " + expected);
}

template <class T>
std::string number_text(T value) {
  char buffer[64];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

template <class T>
T parse_number(const std::string& name, const std::string& text, double low, double high,
               std::optional<double> automatic = std::nullopt) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto number = static_cast<double>(value);
  const bool ok = error == std::errc() && end == text.data() + text.size() && std::isfinite(number) &&
                  ((number >= low && number <= high) || number == automatic);
  if (!ok) {
    refuse(name, text,
           std::string(std::is_integral_v<T> ? "an integer" : "a number") + " from " + number_text(low) + " to " +
               number_text(high) + (automatic ? ", or " + number_text(*automatic) : ""));
  }
  return value;
}

template <class T>
Option number(const std::string& name, T DetectorOptions::*field, double low, double high, const std::string& help,
              std::optional<double> automatic = std::nullopt) {
  return {{name, std::is_integral_v<T> ? "integer" : "number", "", help},
          [=](const DetectorOptions& o) { return number_text(o.*field); },
          [=](DetectorOptions& o, const std::string& text) {
            o.*field = parse_number<T>(name, text, low, high, automatic);
          }};
}

template <class T>
Option numbers(const std::string& name, std::vector<T> DetectorOptions::*field, double low, double high,
               std::size_t most, const std::string& help) {
  return {{name, "list", "", help},
          [=](const DetectorOptions& o) {
            std::string text;
            for (T value : o.*field) text += (text.empty() ? "" : ",") + number_text(value);
            return text;
          },
          [=](DetectorOptions& o, const std::string& text) {
            std::vector<T> values;
            for (const std::string& part : split_list(text)) values.push_back(parse_number<T>(name, part, low, high));
            if (values.size() > most) refuse(name, text, "at most " + std::to_string(most) + " values");
            o.*field = values;
          }};
}

Option flag(const std::string& name, bool DetectorOptions::*field, const std::string& help) {
  return {{name, "boolean", "true|false", help},
          [=](const DetectorOptions& o) { return std::string(o.*field ? "true" : "false"); },
          [=](DetectorOptions& o, const std::string& text) {
            if (text != "true" && text != "false") refuse(name, text, "true or false");
            o.*field = text == "true";
          }};
}

template <class T>
Option choice(const std::string& name, T DetectorOptions::*field, std::vector<std::pair<std::string, T>> values,
              const std::string& help) {
  std::string choices;
  for (const auto& [text, value] : values) choices += (choices.empty() ? "" : "|") + text;
  return {{name, "text", choices, help},
          [=](const DetectorOptions& o) {
            for (const auto& [text, value] : values) {
              if (value == o.*field) return text;
            }
            return std::string();
          },
          [=](DetectorOptions& o, const std::string& text) {
            for (const auto& [known, value] : values) {
              if (known == text) {
                o.*field = value;
                return;
              }
            }
            refuse(name, text, "one of " + choices);
          }};
}

using MethodName = std::pair<const char*, Method>;
constexpr MethodName method_names[] = {
    {"anogan", Method::anogan},   {"gan", Method::gan},     {"bigan", Method::bigan},
    {"ali", Method::ali},         {"egbad", Method::egbad}, {"ganomaly", Method::ganomaly},
    {"fanogan", Method::fanogan}, {"alad", Method::alad},   {"translation", Method::translation}};

std::string method_name(Method method) {
  for (const auto& [name, known] : method_names) {
    if (known == method) return name;
  }
  return "";
}

Method method_named(const std::string& text) {
  std::string choices;
  for (const auto& [name, known] : method_names) {
    if (text == name) return known;
    choices += (choices.empty() ? "" : "|") + std::string(name);
  }
  refuse("method", text, "one of " + choices);
}

/// A list of column names; empty where there are none.
Option names(const std::string& name, std::vector<std::string> DetectorOptions::*field, const std::string& help) {
  return {{name, "list", "", help},
          [=](const DetectorOptions& o) { return join_list(o.*field); },
          [=](DetectorOptions& o, const std::string& text) { o.*field = split_list(text); }};
}

std::vector<Option> make_options() {
  using O = DetectorOptions;
  constexpr double big = 1e9, tiny_rate = 0.0, seed_limit = 18446744073709549568.0;
  std::vector<Option> list;
  list.push_back({{"method", "text", "anogan|gan|bigan|ali|egbad|ganomaly|fanogan|alad|translation",
                   "detection method; several, separated by commas, are an ensemble"},
                  [](const O& o) {
                    std::string text = method_name(o.method);
                    for (const Method method : o.ensemble) text += "," + method_name(method);
                    return text;
                  },
                  [](O& o, const std::string& text) {
                    std::vector<Method> methods;
                    for (const std::string& part : split_list(text)) methods.push_back(method_named(part));
                    if (methods.empty()) refuse("method", text, "a method");
                    o.method = methods.front();
                    o.ensemble.assign(methods.begin() + 1, methods.end());
                  }});
  list.push_back(number("population", &O::population, 1, 65536, "models trained and averaged; model m uses seed + m"));
  list.push_back(number("seed", &O::seed, 0, seed_limit, "seed of everything random"));
  list.push_back(
      {{"log1p", "list", "", "columns to take log1p of: auto (minimum >= 0 and skewness > 2), none, numeric, or names"},
       [](const O& o) { return join_list(o.log1p); },
       [](O& o, const std::string& text) {
         if (text.empty()) refuse("log1p", text, "auto, none, numeric or column names");
         o.log1p = split_list(text);
       }});
  list.push_back(choice<Scale>(
      "scale", &O::scale,
      {{"none", Scale::none}, {"minmax", Scale::minmax}, {"standard", Scale::standard}, {"robust", Scale::robust}},
      "scaling of numeric columns, fitted on the training rows"));
  list.push_back(flag("center", &O::center, "with scale none: subtract the training mean"));
  list.push_back(flag("deduplicate", &O::deduplicate, "train on distinct rows only"));
  list.push_back(number("latent", &O::latent, 0, 4096, "latent size; 0: half the columns, at least 2"));
  list.push_back(
      numbers("hidden", &O::hidden, 1, 65536, NetworkView::max_layers - 1, "hidden layers of the generator"));
  list.push_back(numbers("discriminator_hidden", &O::discriminator_hidden, 1, 65536, NetworkView::max_layers - 1,
                         "hidden layers of the discriminator"));
  list.push_back(number("slope", &O::slope, 1e-6, 1, "slope of the discriminator's leaky ReLU"));
  list.push_back(number("dropout", &O::dropout, 0, 0.95, "dropout in the discriminator while training"));
  list.push_back(number("generator_dropout", &O::generator_dropout, 0, 0.95,
                        "dropout in the generator while training; translation: 0 is 0.1"));
  constexpr std::size_t most_layers = NetworkView::max_layers - 1;
  list.push_back(numbers("encoder_hidden", &O::encoder_hidden, 1, 65536, most_layers, "hidden layers of the encoder"));
  list.push_back(flag("encoder_tanh", &O::encoder_tanh, "the encoder ends in tanh"));
  list.push_back(numbers("data_branch", &O::data_branch, 1, 65536, 4, "joint discriminator: layers on x"));
  list.push_back(numbers("latent_branch", &O::latent_branch, 1, 65536, 4, "joint discriminator: layers on z"));
  list.push_back(numbers("cycle_hidden", &O::cycle_hidden, 1, 65536, most_layers, "alad: hidden layers of D(x, x')"));
  list.push_back(numbers("latent_cycle_hidden", &O::latent_cycle_hidden, 1, 65536, most_layers,
                         "alad: hidden layers of D(z, z')"));
  list.push_back(number("cycle_dropout", &O::cycle_dropout, 0, 0.95, "alad: dropout of D(x, x') and D(z, z')"));
  list.push_back(flag("batch_norm", &O::batch_norm, "batch normalisation on the joint discriminator's data branch"));
  list.push_back(flag("spectral_norm", &O::spectral_norm,
                      "spectral normalisation of the hidden layers of discriminators and encoder"));
  list.push_back(number("minibatch_kernels", &O::minibatch_kernels, 0, 1024,
                        "minibatch discrimination in the discriminator: number of kernels; 0: none"));
  list.push_back(number("minibatch_dimensions", &O::minibatch_dimensions, 1, 64, "and their dimensions"));
  list.push_back(number("virtual_batch", &O::virtual_batch, 0, 65536,
                        "virtual batch normalisation of the generator: reference rows; 0: none"));
  list.push_back(names("condition", &O::condition, "columns that the networks and the search are given"));
  list.push_back(names("target", &O::target, "translation: columns to predict from the others"));
  list.push_back(number("steps", &O::steps, 0, 1e12, "generator updates"));
  list.push_back(number("epochs", &O::epochs, 0, big, "when > 0, steps = epochs * (rows / batch)"));
  list.push_back(number("batch", &O::batch, 1, 1 << 20, "rows per minibatch"));
  list.push_back(number("learning_rate", &O::learning_rate, tiny_rate, 1,
                        "Adam step size of the generator; 0: 5e-4, or 1e-3 with more than 30,000 distinct rows", 0.0));
  list.push_back(number("discriminator_learning_rate", &O::discriminator_learning_rate, tiny_rate, 1,
                        "Adam step size of the discriminator"));
  list.push_back(number("beta1", &O::beta1, 0, 0.999999, "Adam's decay of the first moment"));
  list.push_back(number("beta2", &O::beta2, 0, 0.999999, "Adam's decay of the second moment"));
  list.push_back(choice<AdamForm>("adam_form", &O::adam_form,
                                  {{"standard", AdamForm::standard}, {"epsilon_hat", AdamForm::epsilon_hat}},
                                  "where Adam adds epsilon (epsilon_hat: as TensorFlow 1)"));
  list.push_back(number("final_rate", &O::final_rate, 0, 1,
                        "share of the learning rates left after the cosine decay; 1: constant"));
  list.push_back(
      number("decay_steps", &O::decay_steps, 0, 1e12, "steps of the decay; 0: the larger of steps and 4,000"));
  list.push_back(
      number("average_decay", &O::average_decay, 0, 0.999999, "moving average of the weights, for scoring; 0: none"));
  list.push_back(
      flag("average_discriminator", &O::average_discriminator, "score with the averaged discriminator, too"));
  list.push_back(
      number("discriminator_steps", &O::discriminator_steps, 1, 64, "discriminator updates per generator update"));
  list.push_back(choice<GeneratorLoss>("generator_loss", &O::generator_loss,
                                       {{"non_saturating", GeneratorLoss::non_saturating},
                                        {"minimax", GeneratorLoss::minimax},
                                        {"feature_matching", GeneratorLoss::feature_matching},
                                        {"wasserstein", GeneratorLoss::wasserstein}},
                                       "generator loss"));
  list.push_back(
      number("label_smoothing", &O::label_smoothing, 0, 0.5, "one-sided label smoothing: real target 1 - value"));
  list.push_back(number("r1", &O::r1, 0, 1e6, "R1 gradient penalty; 0: none"));
  list.push_back(
      number("r1_every", &O::r1_every, 1, 1024, "steps between gradient penalties (each weighted so many times)"));
  list.push_back(number("coverage", &O::coverage, 0, 1e6,
                        "weight of the coverage term; 0: none; -1: 1, or 30 with more than 30,000 distinct rows",
                        -1.0));
  list.push_back(number("coverage_rows", &O::coverage_rows, 0, 1 << 20,
                        "generated rows of the coverage term; 0: 256, or 1,024 with more than 30,000 distinct rows"));
  list.push_back(number("fence", &O::fence, 0, 1e6, "weight of negatives made from real rows; 0: none"));
  list.push_back(number("historical_averaging", &O::historical_averaging, 0, 1e6,
                        "weight of the parameters' distance to their mean over time"));
  list.push_back(number("adversarial", &O::adversarial, 0, 1e6, "weight of D's view in the losses of G and E"));
  list.push_back(number("reconstruction", &O::reconstruction, 0, 1e6,
                        "encoder methods: weight of the mean |x - G(E(x))| in the losses of G and E"));
  list.push_back(number("latent_cycle", &O::latent_cycle, 0, 1e6,
                        "encoder methods: weight of the mean (z - E(G(z)))^2 in the losses of G and E"));
  list.push_back(number("contextual", &O::contextual, 0, 1e6,
                        "ganomaly: weight of the mean |x - G(E(x))|; translation: of the mean |t - G(s)|"));
  list.push_back(flag("latent_discriminator", &O::latent_discriminator, "alad: D(z, z') steers G and E"));
  list.push_back(number("gradient_penalty", &O::gradient_penalty, 0, 1e6,
                        "weight of the critic's gradient penalty (generator_loss wasserstein)"));
  list.push_back(choice<EncoderTraining>("encoder_training", &O::encoder_training,
                                         {{"joint", EncoderTraining::joint},
                                          {"izi", EncoderTraining::izi},
                                          {"ziz", EncoderTraining::ziz},
                                          {"izi_f", EncoderTraining::izi_f}},
                                         "fanogan: how the encoder is trained"));
  list.push_back(number("encoder_steps", &O::encoder_steps, 0, 1e12,
                        "fanogan: encoder updates after the GAN; 0: as many as steps"));
  list.push_back(
      number("encoder_learning_rate", &O::encoder_learning_rate, tiny_rate, 1, "Adam step size of the encoder"));
  list.push_back(number("kappa", &O::kappa, 0, 1e6, "fanogan: weight of the feature residual"));
  list.push_back(number("patience", &O::patience, 0, 1 << 20,
                        "label-free stopping: checks (every 500 steps) without gain before a model rests; 0: never"));
  list.push_back(number("search_steps", &O::search_steps, 0, 1 << 24, "Adam steps of the latent search per query"));
  list.push_back(numbers("search_rate", &O::search_rate, 0, 10, StepSchedule::max_pieces,
                         "learning rates of the search, one per piece of its schedule"));
  list.push_back(numbers("search_until", &O::search_until, 1, 1 << 24, StepSchedule::max_pieces - 1,
                         "steps at which the pieces but the last end"));
  list.push_back(choice<SearchStart>("search_from", &O::search_from,
                                     {{"normal", SearchStart::normal},
                                      {"truncated_normal", SearchStart::truncated_normal},
                                      {"bank", SearchStart::bank},
                                      {"encoder", SearchStart::encoder}},
                                     "where searches start"));
  list.push_back(
      number("restarts", &O::restarts, 1, NearestRows::max_neighbours, "searches per query, the best counts"));
  list.push_back(number("bank_rows", &O::bank_rows, 0, 1 << 20,
                        "generated rows kept per model; 0: 3,000, or 12,000 with more than 30,000 distinct rows"));
  list.push_back(choice<Discrimination>("discrimination", &O::discrimination,
                                        {{"none", Discrimination::none},
                                         {"cross_entropy", Discrimination::cross_entropy},
                                         {"feature_l1", Discrimination::feature_l1},
                                         {"feature_l2", Discrimination::feature_l2},
                                         {"feature_squared", Discrimination::feature_squared}},
                                        "discrimination loss of the search"));
  list.push_back(number("lambda", &O::lambda, 0, 1, "weight of the discrimination loss; the residual has 1 - lambda"));
  list.push_back(choice<Distance>("residual", &O::residual,
                                  {{"l1", Distance::l1}, {"l2", Distance::l2}, {"squared", Distance::squared}},
                                  "residual loss of the search"));
  list.push_back(number("prior_weight", &O::prior_weight, 0, 1e6, "weight of log(1 - D(G(z))) in the search (Yeh)"));
  list.push_back(number("latent_weight", &O::latent_weight, 0, 1e6, "weight of |z|^2 in the search"));
  list.push_back(number("latent_clip", &O::latent_clip, 0, 1e6, "clip z to [-c, c] in the search; 0: not"));
  list.push_back(choice<ScoreRule>("score", &O::score,
                                   {{"automatic", ScoreRule::automatic},
                                    {"search", ScoreRule::search},
                                    {"bank", ScoreRule::bank},
                                    {"discriminator", ScoreRule::discriminator},
                                    {"reconstruction", ScoreRule::reconstruction},
                                    {"latent", ScoreRule::latent},
                                    {"cycle_features", ScoreRule::cycle_features},
                                    {"cycle_logits", ScoreRule::cycle_logits}},
                                   "what a row's score measures; automatic: the method's own"));
  list.push_back(choice<JudgedPair>(
      "judged_pair", &O::judged_pair, {{"reconstruction", JudgedPair::reconstruction}, {"query", JudgedPair::query}},
      "the pair that a joint discriminator judges in the score: (G(E(x)), E(x)) or (x, E(x))"));
  list.push_back(flag("column_spread", &O::column_spread,
                      "reconstruction: residuals in units of their spread on the training rows, at most 20 each"));
  list.push_back(flag("standardise", &O::standardise, "scores in units of the spread of normal rows"));
  list.push_back(
      number("neighbours", &O::neighbours, 1, NearestRows::max_neighbours, "which nearest generated row counts"));
  list.push_back(number("discriminator_weight", &O::discriminator_weight, 0, 1e6,
                        "weight of the discriminator's positive part in the score"));
  list.push_back(number("novelty", &O::novelty, 0, 1e6,
                        "weight of cells without a value and of values that training did not have; 0: none"));
  list.push_back(flag("compress", &O::compress, "standardised scores u become sign(u) log(1 + |u|)"));
  list.push_back(number("contamination", &O::contamination, 0, 0.5, "share of new normal rows above the threshold"));
  list.push_back(number("false_alarm_rate", &O::false_alarm_rate, 0, 0.5,
                        "threshold that a new normal row passes with at most this probability; 0: by contamination"));
  list.push_back(
      number("folds", &O::folds, 0, 100,
             "cross-fitting: each model leaves out one of so many folds of the rows, which calibrate it; 0: 5; "
             "1: none"));
  list.push_back(number("fold", &O::fold, 0, 99, "the fold that the first model leaves out"));
  return list;
}

/// Never freed, as all tables that calls read: the library may be called while the process ends (atexit).
const std::vector<Option>& options_table() {
  static const auto& table = *new std::vector<Option>(make_options());
  return table;
}

/// `besides`: what else a name may be, for the message.
const Option& find_option(const std::string& name, std::vector<std::string> besides = {}) {
  for (const Option& option : options_table()) {
    if (option.info.name == name) return option;
    besides.push_back(option.info.name);
  }
  throw Error(ErrorCode::invalid_argument, "unknown option '" + one_line(name) + "'" + did_you_mean(name, besides));
}

constexpr const char* preset_key = "preset";

[[noreturn]] void refuse_repeated(const std::string& name) {
  throw Error(ErrorCode::invalid_argument, "option '" + one_line(name) + "' is given twice");
}

/// A JSON value as set_option takes it. Numbers and booleans must be just that; a list, or an ensemble's methods, may
/// also be given as one value.
std::string flat_text(const OptionInfo& info, const nlohmann::json& value) {
  const auto plain = [](const nlohmann::json& one) { return one.is_string() ? one.get<std::string>() : one.dump(); };
  const auto require = [&](bool fits, const char* expected) {
    if (!fits) refuse(info.name, value.dump(), expected);
  };
  if (info.kind == "integer") require(value.is_number_integer(), "an integer");
  if (info.kind == "number") require(value.is_number(), "a number");
  if (info.kind == "boolean") require(value.is_boolean(), "true or false");
  if (!value.is_array()) {
    if (info.kind == "text") require(value.is_string(), "a text");
    if (info.kind == "list") require(value.is_string() || value.is_number(), "a list");
    return plain(value);
  }
  std::vector<std::string> parts;
  for (const auto& part : value) {
    require(part.is_string() || (part.is_number() && info.kind == "list"), "a list of texts or numbers");
    parts.push_back(plain(part));
  }
  return join_list(parts);
}

}  // namespace

const std::vector<OptionInfo>& option_list() {
  static const auto& list = *new std::vector<OptionInfo>([] {
    std::vector<OptionInfo> infos;
    for (const Option& option : options_table()) infos.push_back(option.info);
    return infos;
  }());
  return list;
}

void set_option(DetectorOptions& options, const std::string& name, const std::string& value) {
  const FloatingPointEnvironment environment;
  find_option(name).set(options, value);
}

std::string get_option(const DetectorOptions& options, const std::string& name) {
  const FloatingPointEnvironment environment;
  return find_option(name).get(options);
}

std::vector<std::string> presets() {
  std::vector<std::string> names;
  for (const Preset& preset : preset_table()) names.emplace_back(preset.name);
  return names;
}

void apply_preset(DetectorOptions& options, const std::string& name) {
  for (const Preset& preset : preset_table()) {
    if (name != preset.name) continue;
    for (const auto* values : {&values_of_all_presets(), &preset.values}) {
      for (const auto& [option, value] : *values) set_option(options, option, value);
    }
    return;
  }
  std::string known;
  for (const std::string& preset : presets()) known += (known.empty() ? "" : ", ") + preset;
  throw Error(ErrorCode::invalid_argument,
              "unknown preset '" + one_line(name) + "'" + did_you_mean(name, presets()) + ", expected one of " + known);
}

std::string options_to_json(const DetectorOptions& options) {
  const FloatingPointEnvironment environment;
  OrderedJson json = OrderedJson::object();
  const TakenApart parts(json);
  for (const Option& option : options_table()) {
    const std::string text = option.get(options);
    if (option.info.kind == "integer" || option.info.kind == "number" || option.info.kind == "boolean") {
      // What is not finite stays null.
      parse_json(text, json[option.info.name]);
    } else if (option.info.kind == "list") {
      put_list(json[option.info.name], split_list(text));
    } else {
      json[option.info.name] = text;
    }
  }
  return json.dump();
}

DetectorOptions options_from_json(const std::string& text, DetectorOptions base) {
  const FloatingPointEnvironment environment;
  nlohmann::json json;
  const TakenApart parts(json);
  if (!parse_json(text, json, refuse_repeated) || !json.is_object())
    throw Error(ErrorCode::invalid_argument, "options are not a JSON object");
  if (json.contains(preset_key)) {
    if (!json[preset_key].is_string()) refuse(preset_key, json[preset_key].dump(), "a text");
    apply_preset(base, json[preset_key].get<std::string>());
  }
  for (const auto& [name, value] : json.items()) {
    if (name == preset_key) continue;
    const Option& option = find_option(name, {preset_key});
    option.set(base, flat_text(option.info, value));
  }
  return base;
}

}  // namespace cugad
