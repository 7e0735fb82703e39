#pragma once

#include <vector>

#include "host/training/training_step.hpp"

namespace cugad {

/// Label-free quality of each model's generator: the mean distance of up to 512 fixed training rows to the nearest of
/// 1,024 generated rows, both drawn with the model's own seed (seed + m): it does not depend on the other models.
std::vector<float> coverage_criterion(Context& context, const MethodNetworks& networks,
                                      StackView<const float> generator, const TrainingRows& data, std::uint64_t seed);

}  // namespace cugad
