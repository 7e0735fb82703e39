#include "host/methods/gan_networks.hpp"
#include "host/training/gan_step.hpp"

/// AnoGAN (Schlegl 2017): a GAN of normal rows; a row is scored by how badly the best G(z) explains it, found by the
/// latent search or among a bank of generated rows, and by the discriminator.
namespace cugad {

extern constinit const MethodDefinition anogan_definition{
    .method = Method::anogan,
    .name = "anogan",
    .networks = gan_networks,
    .step = make_step<GanStep>,
    .scores = {ScoreRule::bank, ScoreRule::search},
    .options = gan_options,
    .takes_images = true,
    .stops_by_coverage = true,
};

}  // namespace cugad
