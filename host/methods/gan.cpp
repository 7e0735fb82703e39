#include "host/methods/gan_networks.hpp"
#include "host/training/gan_step.hpp"

/// The GAN alone (Goodfellow 2014): a row is as anomalous as its discriminator finds it unreal.
namespace cugad {

extern constinit const MethodDefinition gan_definition{
    .method = Method::gan,
    .name = "gan",
    .networks = gan_networks,
    .step = make_step<GanStep>,
    .scores = {ScoreRule::discriminator, ScoreRule::bank, ScoreRule::search},
    .options = gan_options,
    .takes_images = true,
    .stops_by_coverage = true,
};

}  // namespace cugad
