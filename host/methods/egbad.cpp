#include "host/methods/bigan.hpp"
#include "host/training/method_definition.hpp"

/// EGBAD (Zenati 2018): a BiGAN, scored by the reconstruction and by what its discriminator says of it.
namespace cugad {

extern const MethodDefinition egbad_definition{.method = Method::egbad,
                                               .name = "egbad",
                                               .networks = bigan_networks,
                                               .step = make_step<BiganStep>,
                                               .steps = steps_as_given};

}  // namespace cugad
