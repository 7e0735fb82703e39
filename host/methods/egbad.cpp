#include "host/methods/bigan.hpp"

/// EGBAD (Zenati 2018): a BiGAN, scored by the reconstruction and by the view of its discriminator.
namespace cugad {

extern constinit const MethodDefinition egbad_definition =
    bidirectional_definition(Method::egbad, "egbad", bigan_networks);

}  // namespace cugad
