#include "host/scores/scoring_rule.hpp"

#include "cugad/error.hpp"

namespace cugad {

std::unique_ptr<ScoringRule> make_rule(ScoringNetworks& networks) {
  switch (networks.options().score) {
    case ScoreRule::bank:
      return make_bank_rule(networks);
    case ScoreRule::search:
      return make_search_rule(networks);
    case ScoreRule::discriminator:
      return make_discriminator_rule(networks);
    case ScoreRule::reconstruction:
      return make_reconstruction_rule(networks);
    case ScoreRule::latent:
      return make_latent_rule(networks);
    case ScoreRule::cycle_features:
    case ScoreRule::cycle_logits:
      return make_cycle_rule(networks);
    case ScoreRule::nearest_and_mean:
    case ScoreRule::kth_nearest:
    case ScoreRule::mean_nearest:
      return make_nearest_rows_rule(networks);
    case ScoreRule::likelihood:
      return make_likelihood_rule(networks);
    case ScoreRule::automatic:
      break;  // resolved options name a rule
  }
  throw Error(ErrorCode::invalid_argument, "option 'score' is 'automatic', expected resolved options");
}

}  // namespace cugad
