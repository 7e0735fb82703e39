#include "host/methods/bigan.hpp"
#include "host/methods/gan_networks.hpp"
#include "host/training/method_definition.hpp"

/// ALI (Dumoulin 2017): BiGAN with Gaussian E and G, both drawn from by reparameterisation. Scores use their means. G
/// of images gives the image itself, as in the authors' code.
namespace cugad {
namespace {

MethodNetworks ali_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition) {
  return bidirectional_networks(options, columns, condition, options.image ? 1 : 2, 2);
}

}  // namespace

extern constinit const MethodDefinition ali_definition{
    .method = Method::ali,
    .name = "ali",
    .networks = ali_networks,
    .step = make_step<BiganStep>,
    .scores = encoder_scores,
    .options = bidirectional_options,
    .has_encoder = true,
    .judges_pairs = true,
    .takes_images = true,
};

}  // namespace cugad
