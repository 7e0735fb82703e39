#include "host/training/method_definition.hpp"

/// The k nearest neighbours (Ramaswamy 2000, Angiulli 2002): the simple detector that every other has to be compared
/// with, and a part of a score beside networks.
namespace cugad {
namespace {

MethodNetworks no_networks(const DetectorOptions&, std::int64_t columns, std::int64_t condition) {
  MethodNetworks networks;
  networks.columns = static_cast<int>(columns - condition);
  networks.condition = static_cast<int>(condition);
  return networks;
}

}  // namespace

extern constinit const MethodDefinition knn_definition{
    .method = Method::knn,
    .name = "knn",
    .networks = no_networks,
    .step = nullptr,
    .scores = {ScoreRule::nearest_and_mean, ScoreRule::kth_nearest, ScoreRule::mean_nearest},
    .options = {"method", "seed", "log1p", "scale", "centre", "deduplicate", "trim", "reference_rows", "score",
                "standardise", "neighbours", "novelty", "compress", "contamination", "false_alarm_rate"},
    .steps = [](const DetectorOptions&) { return std::int64_t{0}; },
    .has_prior = false,
    .settle =
        [](DetectorOptions& o) {
          o.population = 1;
          o.discriminator_weight = 0.0f;
        },
};

}  // namespace cugad
