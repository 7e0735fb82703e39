#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "tests/methods/clusters.hpp"

/// options_without_effect() is right in both directions: an option that it names changes no bit of what a detector
/// says, and one that it could have named but did not changes something.
namespace cugad::test {
namespace {

/// Another valid value for each option that can be without effect.
const std::map<std::string, std::string> other_values = {
    {"center", "false"},
    {"latent", "4"},
    {"encoder_hidden", "9"},
    {"encoder_tanh", "true"},
    {"encoder_learning_rate", "0.003"},
    {"data_branch", "7"},
    {"latent_branch", "7"},
    {"cycle_hidden", "7"},
    {"latent_cycle_hidden", "7"},
    {"cycle_dropout", "0.3"},
    {"latent_discriminator", "false"},
    {"minibatch_dimensions", "3"},
    {"steps", "33"},
    {"decay_steps", "50"},
    {"average_discriminator", "false"},
    {"generator_loss", "feature_matching"},
    {"label_smoothing", "0.2"},
    {"discriminator_steps", "2"},
    {"r1", "0.6"},
    {"r1_every", "2"},
    {"gradient_penalty", "3"},
    {"coverage", "0.4"},
    {"coverage_rows", "48"},
    {"fence", "0.7"},
    {"reconstruction", "0.4"},
    {"latent_cycle", "0.4"},
    {"contextual", "7"},
    {"encoder_training", "ziz"},
    {"encoder_steps", "11"},
    {"kappa", "0.3"},
    {"search_steps", "5"},
    {"search_rate", "0.07"},
    {"search_from", "truncated_normal"},
    {"restarts", "4"},
    {"bank_rows", "80"},
    {"neighbours", "2"},
    {"prior_weight", "0.5"},
    {"latent_weight", "0.5"},
    {"latent_clip", "0.5"},
    {"discrimination", "none"},
    {"lambda", "0.6"},
    {"residual", "squared"},
    {"judged_pair", "query"},
    {"column_spread", "true"},
    {"compress", "false"},
    {"contamination", "0.2"},
};
// Needs more than 500 steps before it can matter; and a list that must fit another one.
const std::set<std::string> not_tried = {"patience", "search_until"};

struct Said {
  std::vector<float> scores;
  float threshold;
};

std::optional<Said> said(const DetectorOptions& options) {
  try {
    Detector detector(test_device(1), options);
    detector.fit(normal_rows(150, 3).view(), {}, {"a", "b", "c", "d", "e", "f"});
    return Said{detector.score(mixed_rows(60, 4).view()), detector.threshold()};
  } catch (const Error&) {
    return std::nullopt;  // refused: nobody can be misled
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
       o.epochs = 3;
     }},
    {"minibatch discrimination",
     [](DetectorOptions& o) {
       o.minibatch_kernels = 2;
       o.r1 = 0.0f;
     }},
};

class IdleOptions : public ::testing::TestWithParam<Method> {};

TEST_P(IdleOptions, AreThoseThatChangeNothing) {
  for (const Settings& settings : all_settings) {
    DetectorOptions base = quick_options();
    base.method = GetParam();
    base.population = 1;
    base.steps = 25;
    base.hidden = base.discriminator_hidden = base.encoder_hidden = base.data_branch = base.latent_branch = {12};
    base.cycle_hidden = base.latent_cycle_hidden = {12};
    if (base.method == Method::translation) base.target = {"b", "e"};
    settings.change(base);
    const std::optional<Said> before = said(base);
    if (!before) continue;
    const std::vector<std::string> idle = options_without_effect(base);
    for (const auto& [name, value] : other_values) {
      SCOPED_TRACE(get_option(base, "method") + ", " + settings.name + ", " + name + " = " + value);
      DetectorOptions options = base;
      set_option(options, name, value);
      const std::optional<Said> after = said(options);
      if (!after) continue;
      const bool same = same_bits(after->scores, before->scores) && after->threshold == before->threshold;
      EXPECT_EQ(same, std::find(idle.begin(), idle.end(), name) != idle.end());
    }
    for (const std::string& name : idle) EXPECT_TRUE(other_values.contains(name) || not_tried.contains(name)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, IdleOptions,
                         ::testing::Values(Method::anogan, Method::gan, Method::bigan, Method::ali, Method::egbad,
                                           Method::ganomaly, Method::fanogan, Method::alad, Method::translation),
                         [](const auto& info) {
                           DetectorOptions options;
                           options.method = info.param;
                           return get_option(options, "method");
                         });

/// An ensemble uses what any of its methods does.
TEST(IdleOptions, OfAnEnsembleAreThoseOfAllItsMethods) {
  DetectorOptions options;
  const auto is_idle = [&](const char* name) {
    const std::vector<std::string> names = options_without_effect(options);
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  EXPECT_TRUE(is_idle("cycle_hidden"));
  EXPECT_TRUE(is_idle("lambda"));
  EXPECT_FALSE(is_idle("bank_rows"));
  options.ensemble = {Method::alad};
  EXPECT_FALSE(is_idle("cycle_hidden"));
  EXPECT_FALSE(is_idle("bank_rows"));
  EXPECT_TRUE(is_idle("kappa"));
}

}  // namespace
}  // namespace cugad::test
