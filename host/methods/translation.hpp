#pragma once

#include "host/training/gan_step.hpp"

namespace cugad {

/// One training step of paired translation (Isola 2016): a conditional GAN whose generator sees the source columns
/// alone, its noise being dropout, and is held to the target columns by the mean absolute difference.
class TranslationStep : public GanStep {
 public:
  using GanStep::GanStep;

 protected:
  void add_generator_terms(std::int64_t t, bool report) override;
};

}  // namespace cugad
