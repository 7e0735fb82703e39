#include "host/methods/bigan.hpp"
#include "host/methods/gan_networks.hpp"
#include "host/training/method_definition.hpp"

/// EGBAD (Zenati 2018): a BiGAN, scored by the reconstruction and by the view of its discriminator.
namespace cugad {

extern constinit const MethodDefinition egbad_definition{
    .method = Method::egbad,
    .name = "egbad",
    .networks = bigan_networks,
    .step = make_step<BiganStep>,
    .scores = encoder_scores,
    .options = bidirectional_options,
    .has_encoder = true,
    .judges_pairs = true,
    .takes_images = true,
};

}  // namespace cugad
