#include "host/methods/bigan.hpp"

/// ALI (Dumoulin 2017): BiGAN with Gaussian E and G, both drawn from by reparameterisation. Scores use their means. G
/// of images gives the image itself, as in the authors' code.
namespace cugad {
namespace {

MethodNetworks ali_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition) {
  return bidirectional_networks(options, columns, condition, options.image ? 1 : 2, 2);
}

}  // namespace

extern constinit const MethodDefinition ali_definition = bidirectional_definition(Method::ali, "ali", ali_networks);

}  // namespace cugad
