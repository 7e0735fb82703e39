#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "host/methods/methods.hpp"
#include "host/model_file/safetensors.hpp"
#include "tests/methods/clusters.hpp"

/// Every option changes a detector's scores or threshold, is named by options_without_effect(), or is refused, whatever
/// the method.
namespace cugad::test {
namespace {

/// Another valid value for each option that is no boolean. Those of `method` and `score` are the tests' parameters.
const std::map<std::string, std::string> other_values = {
    {"population", "2"},
    {"seed", "43"},
    {"image", "3x2x1"},
    {"shift", "1"},
    {"log1p", "f"},
    {"scale", "minmax"},
    {"latent", "4"},
    {"generator_hidden", "9"},
    {"discriminator_hidden", "9"},
    {"slope", "0.1"},
    {"discriminator_dropout", "0.3"},
    {"generator_dropout", "0.3"},
    {"encoder_hidden", "9"},
    {"data_branch", "7"},
    {"latent_branch", "7"},
    {"cycle_hidden", "7"},
    {"latent_cycle_hidden", "7"},
    {"cycle_dropout", "0.3"},
    {"minibatch_kernels", "3"},
    {"minibatch_dimensions", "3"},
    {"virtual_batch", "16"},
    {"condition", "c"},
    {"target", "c"},
    {"trim", "0.1"},
    {"reference_rows", "50"},
    {"steps", "33"},
    {"epochs", "2"},
    {"batch", "24"},
    {"generator_learning_rate", "0.001"},
    {"discriminator_learning_rate", "0.001"},
    {"beta1", "0.3"},
    {"beta2", "0.9"},
    {"adam_form", "epsilon_hat"},
    {"final_rate", "0.5"},
    {"decay_steps", "50"},
    {"average_decay", "0.5"},
    {"discriminator_steps", "2"},
    {"generator_loss", "feature_matching"},
    {"label_smoothing", "0.2"},
    {"r1", "0.6"},
    {"r1_every", "2"},
    {"coverage", "0.4"},
    {"coverage_rows", "48"},
    {"negatives", "0.7"},
    {"historical_averaging", "0.5"},
    {"adversarial", "0.7"},
    {"reconstruction", "0.4"},
    {"latent_cycle", "0.4"},
    {"contextual", "7"},
    {"gradient_penalty", "3"},
    {"encoder_training", "ziz"},
    {"encoder_steps", "11"},
    {"encoder_learning_rate", "0.003"},
    {"kappa", "0.3"},
    {"search_steps", "5"},
    {"search_rate", "0.07,0.05"},
    {"search_until", "1"},
    {"search_from", "truncated_normal"},
    {"restarts", "4"},
    {"bank_rows", "80"},
    {"discrimination", "none"},
    {"lambda", "0.6"},
    {"residual", "squared"},
    {"prior_weight", "0.5"},
    {"latent_weight", "0.5"},
    {"latent_clip", "0.5"},
    {"judged_pair", "query"},
    {"neighbours", "2"},
    {"discriminator_weight", "0.2"},
    {"novelty", "0.3"},
    {"contamination", "0.2"},
    {"false_alarm_rate", "0.2"},
    {"folds", "3"},
    {"fold", "1"},
};

struct Result {
  std::vector<float> scores;
  float threshold;
};

/// Gradients to which Adam's epsilon matters.
Matrix small(Matrix rows) {
  for (float& cell : rows.data) cell *= 0.01f;
  return rows;
}

std::optional<Result> result_of(const DetectorOptions& options) {
  try {
    Detector detector(test_device(1), options);
    Matrix rows = small(normal_rows(150, 3));
    for (std::int64_t r = 0; r < rows.rows; ++r) rows.row(r)[5] = std::abs(rows.row(r)[5]);  // log1p can take it
    for (std::int64_t r = 0; r < 40; ++r) std::copy_n(rows.row(r), rows.columns, rows.row(r + 40));  // not distinct
    detector.fit(rows.view(), {.names = {"a", "b", "c", "d", "e", "f"}});
    Result result{detector.score(small(mixed_rows(60, 4)).view()), detector.threshold()};
    // Scores by p-values move in steps; the values that they are made of do not.
    const safetensors::File file = safetensors::read(detector.save());
    if (const auto table = file.tensors.find("column_table"); table != file.tensors.end()) {
      result.scores.insert(result.scores.end(), table->second.f32.begin(), table->second.f32.end());
    }
    return result;
  } catch (const Error&) {
    return std::nullopt;  // refused, with an error that names the reason
  }
}

struct Settings {
  const char* name;
  std::function<void(DetectorOptions&)> change;
};

const Settings all_settings[] = {
    {"as usual", [](DetectorOptions&) {}},
    {"search", [](DetectorOptions& o) { o.score = ScoreRule::search; }},
    {"steps of a search from random latents",
     [](DetectorOptions& o) {
       o.score = ScoreRule::search;
       o.search_from = SearchStart::normal;
       o.search_steps = 3;
     }},
    {"bank", [](DetectorOptions& o) { o.score = ScoreRule::bank; }},
    {"discriminator", [](DetectorOptions& o) { o.score = ScoreRule::discriminator; }},
    {"latent", [](DetectorOptions& o) { o.score = ScoreRule::latent; }},
    {"reconstruction", [](DetectorOptions& o) { o.score = ScoreRule::reconstruction; }},
    {"encoder afterwards, by features",
     [](DetectorOptions& o) {
       o.encoder_training = EncoderTraining::izi_f;
       o.discrimination = Discrimination::feature_l2;
     }},
    {"cross-entropy", [](DetectorOptions& o) { o.discrimination = Discrimination::cross_entropy; }},
    {"critic", [](DetectorOptions& o) { o.generator_loss = GeneratorLoss::wasserstein; }},
    {"much switched off",
     [](DetectorOptions& o) {
       o.r1 = o.coverage = o.fence = 0.0f;
       o.final_rate = 1.0f;
       o.average_decay = 0.0f;
       o.standardise = false;
       o.discriminator_weight = 0.0f;
       o.false_alarm_rate = 0.1f;
       o.scale = Scale::none;
       o.epochs = 20;
     }},
    {"kth nearest row", [](DetectorOptions& o) { o.score = ScoreRule::kth_nearest; }},
    {"minibatch discrimination",
     [](DetectorOptions& o) {
       o.minibatch_kernels = 2;
       o.r1 = 0.0f;
     }},
};

DetectorOptions tiny_options(Method method) {
  DetectorOptions options = quick_options();
  options.method = method;
  options.population = 1;
  options.steps = 25;
  options.hidden = options.discriminator_hidden = options.encoder_hidden = {12};
  options.data_branch = options.latent_branch = options.cycle_hidden = options.latent_cycle_hidden = {12};
  options.search_rate = {0.01f, 0.05f};
  options.search_until = {2};
  if (definition_of(method).reads("target")) options.target = {"b", "e"};
  if (!definition_of(method).trains()) options.reference_rows = 60;  // fewer than there are: the seed draws them
  return options;
}

std::string another_value(const DetectorOptions& options, const OptionInfo& option) {
  const std::string now = get_option(options, option.name);
  if (option.kind == "boolean") return now == "true" ? "false" : "true";
  const auto found = other_values.find(option.name);
  EXPECT_NE(found, other_values.end()) << "give " << option.name << " another value";
  if (found == other_values.end()) return now;
  EXPECT_NE(found->second, now) << option.name;
  return found->second;
}

bool is_idle(const DetectorOptions& options, const std::string& name) {
  const std::vector<std::string> idle = options_without_effect(options);
  return std::find(idle.begin(), idle.end(), name) != idle.end();
}

class IdleOptions : public ::testing::TestWithParam<const MethodDefinition*> {
 protected:
  /// An option changes the bits of scores or threshold if and only if options_without_effect() does not list it.
  static void expect_true_record(const DetectorOptions& base, const Result& before, const std::string& name,
                                 const std::string& value) {
    DetectorOptions options = base;
    set_option(options, name, value);
    const std::optional<Result> after = result_of(options);
    if (!after) return;
    const bool same = same_bits(after->scores, before.scores) && after->threshold == before.threshold;
    EXPECT_EQ(same, is_idle(base, name));
  }
};

TEST_P(IdleOptions, AreThoseThatChangeNothing) {
  for (const Settings& settings : all_settings) {
    DetectorOptions base = tiny_options(GetParam()->method);
    settings.change(base);
    const std::optional<Result> before = result_of(base);
    if (!before) continue;
    for (const OptionInfo& option : option_list()) {
      if (option.name == "method" || option.name == "score" || option.name == "patience") continue;
      const std::string value = another_value(base, option);
      SCOPED_TRACE(std::string(GetParam()->name) + ", " + settings.name + ", " + option.name + " = " + value);
      expect_true_record(base, *before, option.name, value);
    }
  }
}

/// Training stops by itself after hundreds of steps at the earliest.
TEST_P(IdleOptions, PatienceChangesWhatItShould) {
  DetectorOptions base = tiny_options(GetParam()->method);
  base.steps = 2500;
  base.patience = 1;
  const std::optional<Result> before = result_of(base);
  ASSERT_TRUE(before);
  expect_true_record(base, *before, "patience", "0");
}

INSTANTIATE_TEST_SUITE_P(Methods, IdleOptions, ::testing::ValuesIn(all_methods().begin(), all_methods().end()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(MethodRecords, NameOptionsThatExist) {
  for (const MethodDefinition* method : all_methods()) {
    for (const char* name : method->options) {
      const auto is_called = [&](const OptionInfo& option) { return option.name == name; };
      EXPECT_TRUE(std::any_of(option_list().begin(), option_list().end(), is_called)) << method->name << ", " << name;
    }
  }
}

/// An ensemble uses what any of its methods does.
TEST(IdleOptionsOfEnsembles, AreThoseOfAllMethods) {
  DetectorOptions options;
  EXPECT_TRUE(is_idle(options, "cycle_hidden"));
  EXPECT_TRUE(is_idle(options, "lambda"));
  EXPECT_FALSE(is_idle(options, "bank_rows"));
  options.ensemble = {Method::alad};
  EXPECT_FALSE(is_idle(options, "cycle_hidden"));
  EXPECT_FALSE(is_idle(options, "bank_rows"));
  EXPECT_TRUE(is_idle(options, "kappa"));
}

}  // namespace
}  // namespace cugad::test
