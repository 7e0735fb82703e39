#include <charconv>
#include <cmath>
#include <optional>
#include <type_traits>

#include "cugad/error.hpp"
#include "cugad/image_shape.hpp"
#include "host/options/layer_text.hpp"
#include "host/options/method_options.hpp"
#include "host/options/option_record.hpp"
#include "host/text/cell.hpp"
#include "host/text/list_text.hpp"

/// The record of every option.
namespace cugad {

void refuse_option(const std::string& name, const std::string& value, const std::string& expected) {
  throw Error(ErrorCode::invalid_argument,
              "option '" + name + "' is '" + one_line(value, 200) + "', expected " + expected);
}

namespace {

using O = DetectorOptions;
using M = MethodDefinition;

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
                  ((value >= static_cast<T>(low) && value <= static_cast<T>(high)) || number == automatic);
  if (!ok) {
    refuse_option(name, text,
                  std::string(std::is_integral_v<T> ? "an integer" : "a number") + " from " + number_text(low) +
                      " to " + number_text(high) + (automatic ? ", or " + number_text(*automatic) : ""));
  }
  return value;
}

template <class T>
OptionRecord number(const std::string& name, T DetectorOptions::*field, double low, double high,
                    const std::string& help, std::optional<double> automatic = std::nullopt) {
  return {{name, std::is_integral_v<T> ? "integer" : "number", "", help, low, high, automatic},
          [=](const DetectorOptions& o) { return number_text(o.*field); },
          [=](DetectorOptions& o, const std::string& text) {
            o.*field = parse_number<T>(name, text, low, high, automatic);
          }};
}

template <class T>
OptionRecord numbers(const std::string& name, std::vector<T> DetectorOptions::*field, double low, double high,
                     std::size_t most, const std::string& help) {
  return {{name, "list", "", help, low, high},
          [=](const DetectorOptions& o) {
            std::string text;
            for (T value : o.*field) text += (text.empty() ? "" : ",") + number_text(value);
            return text;
          },
          [=](DetectorOptions& o, const std::string& text) {
            std::vector<T> values;
            for (const std::string& part : split_list(text)) values.push_back(parse_number<T>(name, part, low, high));
            if (values.size() > most) refuse_option(name, text, "at most " + std::to_string(most) + " values");
            o.*field = values;
          }};
}

/// A list of hidden layers.
OptionRecord layers(const std::string& name, std::vector<Layer> DetectorOptions::*field, std::size_t most,
                    const std::string& help) {
  constexpr int widest = 65536;
  return {{name, "list", "", help, 1.0, double{widest}},
          [=](const DetectorOptions& o) {
            std::string text;
            for (const Layer& layer : o.*field) text += (text.empty() ? "" : ",") + layer_text(layer);
            return text;
          },
          [=](DetectorOptions& o, const std::string& text) {
            std::vector<Layer> list;
            for (const std::string& part : split_list(text)) list.push_back(parse_layer(name, part, widest));
            if (list.size() > most) refuse_option(name, text, "at most " + std::to_string(most) + " values");
            o.*field = list;
          }};
}

OptionRecord flag(const std::string& name, bool DetectorOptions::*field, const std::string& help) {
  return {{name, "boolean", "true|false", help},
          [=](const DetectorOptions& o) { return std::string(o.*field ? "true" : "false"); },
          [=](DetectorOptions& o, const std::string& text) {
            if (text != "true" && text != "false") refuse_option(name, text, "true or false");
            o.*field = text == "true";
          }};
}

template <class T>
OptionRecord choice(const std::string& name, T DetectorOptions::*field, std::vector<std::pair<std::string, T>> values,
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
            refuse_option(name, text, "one of " + choices);
          }};
}

/// A list of column names; empty where there are none.
OptionRecord names(const std::string& name, std::vector<std::string> DetectorOptions::*field, const std::string& help) {
  return {{name, "list", "", help},
          [=](const DetectorOptions& o) { return join_list(o.*field); },
          [=](DetectorOptions& o, const std::string& text) { o.*field = split_list(text); }};
}

/// "auto" is -1.
OptionRecord or_auto(OptionRecord record) {
  record.set = [set = record.set](DetectorOptions& o, const std::string& text) {
    try {
      set(o, text == "auto" ? "-1" : text);
    } catch (const Error& error) {
      throw Error(error.code(), std::string(error.what()) + " (auto)");
    }
  };
  return std::move(record).later();
}

std::string method_names() {
  std::string names;
  for (const MethodDefinition* method : all_methods()) names += (names.empty() ? "" : "|") + std::string(method->name);
  return names;
}

std::string name_of_method(Method method) {
  for (const MethodDefinition* one : all_methods()) {
    if (one->method == method) return one->name;
  }
  return "";
}

Method method_named(const std::string& text) {
  for (const MethodDefinition* method : all_methods()) {
    if (text == method->name) return method->method;
  }
  refuse_option("method", text, "one of " + method_names());
}

// When options matter.
bool has_encoder(const O&, const M& m) { return m.has_encoder; }
bool judges_pairs(const O&, const M& m) { return m.judges_pairs; }
bool trains_encoder_with_gan(const O& o, const M& m) { return m.steps(o) == o.steps; }
bool has_critic(const O& o, const M& m) {
  return m.reads("generator_loss") && o.generator_loss == GeneratorLoss::wasserstein;
}
bool has_no_critic(const O& o, const M& m) { return !has_critic(o, m); }
/// R1 is of a discriminator with one logit.
bool is_image(const O& o, const M& m) { return o.image && m.trains(); }
bool takes_r1(const O& o, const M& m) {
  return has_no_critic(o, m) && !m.judges_cells && !(o.image && m.reads("target"));  // whose D has bn
}
bool searches(const O& o, const M&) { return o.score == ScoreRule::search; }
bool moves(const O& o, const M& m) { return searches(o, m) && o.search_steps > 0; }
/// A discriminator of pairs has no view of G(z) alone.
bool judges_search(const O& o, const M& m) { return searches(o, m) && !m.judges_pairs; }
bool has_bank(const O& o, const M&) { return o.score == ScoreRule::bank; }
bool counts_neighbours(const O& o, const M& m) { return has_bank(o, m) || !m.trains(); }
/// Parts of a score are standardised in any case.
bool is_of_parts(const O& o) { return o.score == ScoreRule::nearest_and_mean; }
bool rebuilds(const O& o) { return o.score == ScoreRule::reconstruction; }

// A field's name and place, and a value's.
#define FIELD(name) #name, &O::name
#define VALUE(type, name) \
  { #name, type::name }

std::vector<OptionRecord> make_records() {
  constexpr double big = 1e9, seed_limit = 18446744073709549568.0;
  constexpr std::size_t most_layers = NetworkView::max_layers - 1, most_generator_layers = 15;
  return {
      OptionRecord{
          {"method", "text", method_names(), "detection method; several, separated by commas, are an ensemble"},
          [](const O& o) {
            std::string text = name_of_method(o.method);
            for (const Method method : o.ensemble) text += "," + name_of_method(method);
            return text;
          },
          [](O& o, const std::string& text) {
            std::vector<Method> methods;
            for (const std::string& part : split_list(text)) methods.push_back(method_named(part));
            if (methods.empty()) refuse_option("method", text, "a method");
            o.method = methods.front();
            o.ensemble.assign(methods.begin() + 1, methods.end());
          }},
      number(FIELD(population), 1, 65536, "models trained and averaged; model m uses seed + m"),
      number(FIELD(seed), 0, seed_limit, "seed of everything random"),
      OptionRecord{{"image", "text", "",
                    "rows are images of so many lines, columns and channels, such as 28x28x1, to which those of "
                    "folders are resized"},
                   [](const O& o) { return o.image ? image_shape_text(*o.image) : std::string(); },
                   [](O& o, const std::string& text) {
                     o.image.reset();
                     try {
                       if (!text.empty()) o.image = image_shape_from(text);
                     } catch (const Error&) {
                       refuse_option("image", text, "height, width and channels as 28x28x1, at most 1,000,000 values");
                     }
                   }}
          .later(),
      flag(FIELD(flip), "training images are mirrored at random").later().when(is_image),
      number(FIELD(shift), 0, 1024, "training images are moved at random by up to so many pixels")
          .later()
          .when(is_image),
      OptionRecord{{"log1p", "list", "",
                    "columns to take log1p of: auto (minimum >= 0 and skewness > 2), none, numeric, or names"},
                   [](const O& o) { return join_list(o.log1p); },
                   [](O& o, const std::string& text) {
                     if (text.empty()) refuse_option("log1p", text, "auto, none, numeric or column names");
                     o.log1p = split_list(text);
                   }},
      choice(
          FIELD(scale),
          {VALUE(Scale, none), VALUE(Scale, minmax), VALUE(Scale, standard), VALUE(Scale, robust), VALUE(Scale, range)},
          "scaling of numeric columns, fitted on the training rows; range: one map of all columns to -1..1"),
      flag("centre", &O::center, "with scale none: subtract the training mean")
          .once("center")
          .when([](const O& o, const M&) { return o.scale == Scale::none; }),
      flag(FIELD(deduplicate), "train on distinct rows only"),
      or_auto(number(FIELD(trim), 0, 0.5,
                     "for training rows that are not all normal: the largest share of them that is left out, the most "
                     "surprising ones; -1 or auto: those that lie apart; 0: none",
                     -1.0)),
      number(FIELD(latent), 0, 4096, "latent size; 0: half the columns, at least 2").when([](const O&, const M& m) {
        return m.has_latent();
      }),
      layers("generator_hidden", &O::hidden, most_generator_layers, "hidden layers of the generator").once("hidden"),
      layers(FIELD(discriminator_hidden), most_layers, "hidden layers of the discriminator"),
      number(FIELD(slope), 1e-6, 1, "slope of the leaky ReLU of discriminators and encoder"),
      number("discriminator_dropout", &O::dropout, 0, 0.95, "dropout in the discriminator while training")
          .once("dropout"),
      number(FIELD(generator_dropout), 0, 0.95, "dropout in the generator while training; translation: 0 is 0.1")
          .technique(),
      flag(FIELD(generator_tanh), "the generator ends in tanh: for columns within -1 and 1")
          .later()
          .when([](const O&, const M& m) { return !m.judges_cells; }),
      layers(FIELD(encoder_hidden), most_layers, "hidden layers of the encoder").when(has_encoder),
      flag(FIELD(encoder_tanh), "the encoder ends in tanh").when(has_encoder),
      layers(FIELD(data_branch), 4, "joint discriminator: layers on x").when(judges_pairs),
      layers(FIELD(latent_branch), 4, "joint discriminator: layers on z").when(judges_pairs),
      layers(FIELD(cycle_hidden), most_layers, "alad: hidden layers of D(x, x')").for_some_methods(),
      layers(FIELD(latent_cycle_hidden), most_layers, "alad: hidden layers of D(z, z')").for_some_methods(),
      number(FIELD(cycle_dropout), 0, 0.95, "alad: dropout of D(x, x') and D(z, z')").for_some_methods(),
      flag(FIELD(batch_norm), "batch normalisation on the joint discriminator's data branch").technique(),
      flag(FIELD(spectral_norm), "spectral normalisation of the hidden layers of discriminators and encoder"),
      number(FIELD(minibatch_kernels), 0, 1024,
             "minibatch discrimination in the discriminator: number of kernels; 0: none"),
      number(FIELD(minibatch_dimensions), 1, 64, "and their dimensions").when([](const O& o, const M&) {
        return o.minibatch_kernels > 0;
      }),
      number(FIELD(virtual_batch), 0, 65536, "virtual batch normalisation of the generator: reference rows; 0: none")
          .technique(),
      names(FIELD(condition), "columns that the networks and the search are given"),
      names(FIELD(target), "translation: columns to predict from the others; of images the half, right or left")
          .for_some_methods(),
      or_auto(number(FIELD(reference_rows), 0, 1 << 20,
                     "distinct training rows kept in the model, for distances (knn) as a part of the score; -1 or "
                     "auto: 20,000; 0: none, or 20,000 with method knn",
                     -1.0)),
      number(FIELD(steps), 0, 1e12, "generator updates").when([](const O& o, const M&) { return o.epochs == 0; }),
      number(FIELD(epochs), 0, big, "when > 0, steps = epochs * (rows / batch)"),
      number(FIELD(batch), 1, 1 << 20, "rows per minibatch"),
      number("generator_learning_rate", &O::learning_rate, 0, 1,
             "Adam step size of the generator; 0: 5e-4, or 1e-3 with more than 30,000 distinct rows", 0.0)
          .once("learning_rate"),
      number(FIELD(discriminator_learning_rate), 0, 1, "Adam step size of the discriminator"),
      number(FIELD(beta1), 0, 0.999999, "Adam's decay of the first moment"),
      number(FIELD(beta2), 0, 0.999999, "Adam's decay of the second moment"),
      choice(FIELD(adam_form), {VALUE(AdamForm, standard), VALUE(AdamForm, epsilon_hat)},
             "where Adam adds epsilon (epsilon_hat: as TensorFlow 1)"),
      number(FIELD(final_rate), 0, 1, "share of the learning rates left after the cosine decay; 1: constant"),
      number(FIELD(decay_steps), 0, 1e12, "steps of the decay; 0: the larger of steps and 4,000")
          .when([](const O& o, const M&) { return o.final_rate < 1.0f; }),
      number(FIELD(average_decay), 0, 0.999999, "moving average of the weights, for scoring; 0: none"),
      flag(FIELD(average_discriminator), "score with the averaged discriminator, too").when([](const O& o, const M&) {
        return o.average_decay > 0.0f;
      }),
      number(FIELD(discriminator_steps), 1, 64, "discriminator updates per generator update").for_some_methods(),
      choice(FIELD(generator_loss),
             {VALUE(GeneratorLoss, non_saturating), VALUE(GeneratorLoss, minimax),
              VALUE(GeneratorLoss, feature_matching), VALUE(GeneratorLoss, wasserstein)},
             "generator loss")
          .for_some_methods(),
      number(FIELD(label_smoothing), 0, 0.5, "one-sided label smoothing: real target 1 - value").when(has_no_critic),
      number(FIELD(r1), 0, 1e6, "R1 gradient penalty; 0: none").when(takes_r1),
      number(FIELD(r1_every), 1, 1024, "steps between gradient penalties (each weighted so many times)")
          .when([](const O& o, const M& m) { return takes_r1(o, m) && o.r1 > 0.0f; }),
      number(FIELD(coverage), 0, 1e6,
             "weight of the coverage term; 0: none; -1: 1, or 30 with more than 30,000 distinct rows", -1.0)
          .for_some_methods(),
      number(FIELD(coverage_rows), 0, 1 << 20,
             "generated rows of the coverage term; 0: 256, or 1,024 with more than 30,000 distinct rows")
          .for_some_methods()
          .when([](const O& o, const M&) { return o.coverage != 0.0f; }),
      number("negatives", &O::fence, 0, 1e6, "weight of negatives made from real rows; 0: none")
          .once("fence")
          .for_some_methods(),
      number(FIELD(historical_averaging), 0, 1e6, "weight of the parameters' distance to their mean over time"),
      number(FIELD(adversarial), 0, 1e6, "weight of D's view in the losses of G and E"),
      number(FIELD(reconstruction), 0, 1e6,
             "encoder methods: weight of the mean |x - G(E(x))| in the losses of G and E")
          .for_some_methods()
          .when(trains_encoder_with_gan),
      number(FIELD(latent_cycle), 0, 1e6,
             "encoder methods: weight of the mean (z - E(G(z)))^2 in the losses of G and E")
          .for_some_methods()
          .when(trains_encoder_with_gan),
      number(FIELD(contextual), 0, 1e6,
             "ganomaly: weight of the mean |x - G(E(x))|; translation: of the mean |t - G(s)|")
          .for_some_methods(),
      flag(FIELD(latent_discriminator), "alad: D(z, z') steers G and E").for_some_methods(),
      number(FIELD(gradient_penalty), 0, 1e6, "weight of the critic's gradient penalty (generator_loss wasserstein)")
          .when(has_critic),
      choice(FIELD(encoder_training),
             {VALUE(EncoderTraining, joint), VALUE(EncoderTraining, izi), VALUE(EncoderTraining, ziz),
              VALUE(EncoderTraining, izi_f)},
             "fanogan: how the encoder is trained")
          .for_some_methods(),
      number(FIELD(encoder_steps), 0, 1e12, "fanogan: encoder updates after the GAN; 0: as many as steps")
          .for_some_methods()
          .when([](const O& o, const M&) { return o.encoder_training != EncoderTraining::joint; }),
      number(FIELD(encoder_learning_rate), 0, 1, "Adam step size of the encoder").for_some_methods(),
      number(FIELD(kappa), 0, 1e6, "fanogan: weight of the feature residual")
          .for_some_methods()
          .when([](const O& o, const M&) { return rebuilds(o) || o.encoder_training == EncoderTraining::izi_f; }),
      number(FIELD(patience), 0, 1 << 20,
             "label-free stopping: checks (every 500 steps) without gain before a model rests; 0: never")
          .when([](const O& o, const M& m) {
            return m.stops_by_coverage && !is_conditional(o) && !(m.has_encoder && trains_encoder_with_gan(o, m));
          }),
      number(FIELD(search_steps), 0, 1 << 24, "Adam steps of the latent search per query").when(searches),
      numbers(FIELD(search_rate), 0, 10, StepSchedule::max_pieces,
              "learning rates of the search, one per piece of its schedule")
          .when(moves),
      numbers(FIELD(search_until), 1, 1 << 24, StepSchedule::max_pieces - 1,
              "steps at which the pieces but the last end")
          .when(moves),
      choice(FIELD(search_from),
             {VALUE(SearchStart, normal), VALUE(SearchStart, truncated_normal), VALUE(SearchStart, bank),
              VALUE(SearchStart, encoder)},
             "where searches start")
          .when([](const O& o, const M& m) { return searches(o, m) || has_bank(o, m); }),
      number(FIELD(restarts), 1, NearestRows::max_neighbours, "searches per query, the best counts").when(searches),
      number(FIELD(bank_rows), 0, 1 << 20,
             "generated rows kept per model; 0: 3,000, or 12,000 with more than 30,000 distinct rows")
          .when([](const O& o, const M& m) {
            return has_bank(o, m) || (searches(o, m) && o.search_from == SearchStart::bank);
          }),
      choice(FIELD(discrimination),
             {VALUE(Discrimination, none), VALUE(Discrimination, cross_entropy), VALUE(Discrimination, feature_l1),
              VALUE(Discrimination, feature_l2), VALUE(Discrimination, feature_squared)},
             "discrimination loss of the search")
          .when([](const O& o, const M& m) { return judges_search(o, m) || (rebuilds(o) && m.has_encoder); }),
      number(FIELD(lambda), 0, 1, "weight of the discrimination loss; the residual has 1 - lambda")
          .when([](const O& o, const M& m) {
            return judges_search(o, m) || (rebuilds(o) && m.has_encoder && !m.reads("kappa"));
          }),
      choice(FIELD(residual), {VALUE(Distance, l1), VALUE(Distance, l2), VALUE(Distance, squared)},
             "residual loss of the search")
          .when([](const O& o, const M& m) { return searches(o, m) || rebuilds(o) || o.score == ScoreRule::latent; }),
      number(FIELD(prior_weight), 0, 1e6, "weight of log(1 - D(G(z))) in the search (Yeh)").when(judges_search),
      number(FIELD(latent_weight), 0, 1e6, "weight of |z|^2 in the search").when(searches),
      number(FIELD(latent_clip), 0, 1e6, "clip z to [-c, c] in the search; 0: not").when(moves),
      choice(FIELD(score),
             {VALUE(ScoreRule, automatic), VALUE(ScoreRule, search), VALUE(ScoreRule, bank),
              VALUE(ScoreRule, discriminator), VALUE(ScoreRule, reconstruction), VALUE(ScoreRule, latent),
              VALUE(ScoreRule, cycle_features), VALUE(ScoreRule, cycle_logits), VALUE(ScoreRule, nearest_and_mean),
              VALUE(ScoreRule, kth_nearest), VALUE(ScoreRule, mean_nearest), VALUE(ScoreRule, likelihood)},
             "what a row's score measures; automatic: the method's own"),
      choice(FIELD(judged_pair), {VALUE(JudgedPair, reconstruction), VALUE(JudgedPair, query)},
             "the pair that a joint discriminator judges in the score: (G(E(x)), E(x)) or (x, E(x))")
          .for_some_methods()
          .when([](const O& o, const M&) { return rebuilds(o) && o.discrimination == Discrimination::cross_entropy; }),
      flag(FIELD(column_spread),
           "reconstruction: residuals in units of their spread on the training rows, at most 20 each")
          .when([](const O& o, const M&) { return rebuilds(o); }),
      flag(FIELD(standardise), "scores in units of the spread of normal rows").when([](const O& o, const M&) {
        return !is_of_parts(o);
      }),
      number(FIELD(neighbours), 1, NearestRows::max_neighbours,
             "which nearest generated row counts; knn: how many nearest reference rows")
          .when(counts_neighbours),
      number(FIELD(discriminator_weight), 0, 1e6, "weight of the discriminator's positive part in the score"),
      number(FIELD(novelty), 0, 1e6,
             "weight of cells without a value and of values that training did not have; 0: none"),
      flag(FIELD(compress), "standardised scores u become sign(u) log(1 + |u|)").when([](const O& o, const M&) {
        return o.standardise || is_of_parts(o);
      }),
      number(FIELD(contamination), 0, 0.5, "share of new normal rows above the threshold")
          .when([](const O& o, const M&) { return !(o.false_alarm_rate > 0.0f); }),
      number(FIELD(false_alarm_rate), 0, 0.5,
             "threshold that a new normal row passes with at most this probability; 0: by contamination"),
      number(FIELD(folds), 0, 100,
             "cross-fitting: each model leaves out one of so many folds of the rows, which calibrate it; 0: 5; "
             "1: none"),
      number(FIELD(fold), 0, 99, "the fold that the first model leaves out").when([](const O& o, const M&) {
        return o.folds != 1;
      })};
}

}  // namespace

/// Never freed, as all tables that calls read: the library may be called while the process ends (atexit).
const std::vector<OptionRecord>& option_records() {
  static const auto& records = *new std::vector<OptionRecord>(make_records());
  return records;
}

}  // namespace cugad
