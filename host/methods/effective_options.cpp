#include <algorithm>

#include "host/methods/column_roles.hpp"
#include "host/methods/detector_impl.hpp"
#include "host/training/method_definition.hpp"

/// Which options change nothing, given the others.
namespace cugad {
namespace {

/// Whether an option matters to one method, whose options are resolved. What is not listed always does.
struct Rule {
  const char* name;
  bool (*matters)(const DetectorOptions& o);
};

bool judges_pairs(const DetectorOptions& o) { return judges_pairs(o.method); }
bool is_joint_fanogan(const DetectorOptions& o) {
  return o.method == Method::fanogan && o.encoder_training == EncoderTraining::joint;
}
bool has_encoder(const DetectorOptions& o) { return has_encoder(o.method); }
bool is_alad(const DetectorOptions& o) { return o.method == Method::alad; }
bool is_fanogan(const DetectorOptions& o) { return o.method == Method::fanogan; }
bool is_critic(const DetectorOptions& o) { return o.generator_loss == GeneratorLoss::wasserstein; }
bool covers(const DetectorOptions& o) { return o.method != Method::ganomaly && o.method != Method::translation; }
bool searches(const DetectorOptions& o) { return o.score == ScoreRule::search; }
bool moves(const DetectorOptions& o) { return searches(o) && o.search_steps > 0; }
/// A discriminator of pairs has no view of G(z) alone.
bool judges_search(const DetectorOptions& o) { return searches(o) && !judges_pairs(o); }
/// A critic has the gradient penalty in R1's place.
bool is_regularised(const DetectorOptions& o) { return o.method == Method::ganomaly || !is_critic(o); }
bool rebuilds(const DetectorOptions& o) { return o.score == ScoreRule::reconstruction; }

constexpr Rule rules[] = {
    {"center", [](const DetectorOptions& o) { return o.scale == Scale::none; }},
    {"latent", [](const DetectorOptions& o) { return o.method != Method::translation; }},
    {"encoder_hidden", has_encoder},
    {"encoder_tanh", has_encoder},
    {"encoder_learning_rate", [](const DetectorOptions& o) { return has_encoder(o) && o.method != Method::ganomaly; }},
    {"data_branch", judges_pairs},
    {"latent_branch", judges_pairs},
    {"cycle_hidden", is_alad},
    {"latent_cycle_hidden", is_alad},
    {"cycle_dropout", is_alad},
    {"latent_discriminator", is_alad},
    {"minibatch_dimensions", [](const DetectorOptions& o) { return o.minibatch_kernels > 0; }},
    {"steps", [](const DetectorOptions& o) { return o.epochs == 0; }},
    {"decay_steps", [](const DetectorOptions& o) { return o.final_rate < 1.0f; }},
    {"average_discriminator", [](const DetectorOptions& o) { return o.average_decay > 0.0f; }},
    {"generator_loss", [](const DetectorOptions& o) { return o.method != Method::ganomaly; }},
    {"label_smoothing", [](const DetectorOptions& o) { return o.method == Method::ganomaly || !is_critic(o); }},
    {"discriminator_steps", [](const DetectorOptions& o) { return o.method != Method::ganomaly; }},
    {"r1", is_regularised},
    {"r1_every", [](const DetectorOptions& o) { return is_regularised(o) && o.r1 > 0.0f; }},
    {"gradient_penalty", [](const DetectorOptions& o) { return is_critic(o) && o.method != Method::ganomaly; }},
    {"coverage", covers},
    {"coverage_rows", [](const DetectorOptions& o) { return covers(o) && o.coverage != 0.0f; }},
    {"fence", [](const DetectorOptions& o) { return o.method != Method::ganomaly && !is_alad(o); }},
    {"reconstruction", [](const DetectorOptions& o) { return judges_pairs(o) || is_joint_fanogan(o); }},
    {"latent_cycle",
     [](const DetectorOptions& o) { return judges_pairs(o) || is_joint_fanogan(o) || o.method == Method::ganomaly; }},
    {"contextual",
     [](const DetectorOptions& o) { return o.method == Method::ganomaly || o.method == Method::translation; }},
    {"encoder_training", is_fanogan},
    {"encoder_steps", [](const DetectorOptions& o) { return is_fanogan(o) && !is_joint_fanogan(o); }},
    {"kappa",
     [](const DetectorOptions& o) {
       return is_fanogan(o) && (rebuilds(o) || o.encoder_training == EncoderTraining::izi_f);
     }},
    {"patience",
     [](const DetectorOptions& o) {
       const bool ends_with_gan = !has_encoder(o) || (is_fanogan(o) && !is_joint_fanogan(o));
       return definition_of(o.method).stops_by_coverage && !is_conditional(o) && ends_with_gan;
     }},
    {"search_steps", searches},
    {"search_rate", moves},
    {"search_until", moves},
    {"search_from", [](const DetectorOptions& o) { return searches(o) || o.score == ScoreRule::bank; }},
    {"restarts", searches},
    {"bank_rows",
     [](const DetectorOptions& o) {
       return o.score == ScoreRule::bank || (searches(o) && o.search_from == SearchStart::bank);
     }},
    {"neighbours", [](const DetectorOptions& o) { return o.score == ScoreRule::bank; }},
    {"prior_weight", judges_search},
    {"latent_weight", searches},
    {"latent_clip", moves},
    {"discrimination",
     [](const DetectorOptions& o) { return judges_search(o) || (rebuilds(o) && o.method != Method::translation); }},
    {"lambda",
     [](const DetectorOptions& o) {
       return judges_search(o) || (rebuilds(o) && o.method != Method::translation && !is_fanogan(o));
     }},
    {"residual", [](const DetectorOptions& o) { return searches(o) || rebuilds(o) || o.score == ScoreRule::latent; }},
    {"judged_pair",
     [](const DetectorOptions& o) {
       return rebuilds(o) && (judges_pairs(o) || is_fanogan(o)) && o.discrimination == Discrimination::cross_entropy;
     }},
    {"column_spread", rebuilds},
    {"compress", [](const DetectorOptions& o) { return o.standardise; }},
    {"contamination", [](const DetectorOptions& o) { return !(o.false_alarm_rate > 0.0f); }},
    {"fold", [](const DetectorOptions& o) { return o.folds != 1; }},
};

}  // namespace

std::vector<std::string> options_without_effect(const DetectorOptions& options) {
  const std::vector<DetectorOptions> methods = options_of_methods(options);
  std::vector<std::string> names;
  for (const Rule& rule : rules) {
    if (std::none_of(methods.begin(), methods.end(), rule.matters)) names.push_back(rule.name);
  }
  return names;
}

}  // namespace cugad
