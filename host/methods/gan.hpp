#pragma once

#include "host/methods/anogan.hpp"

namespace cugad {

/// The GAN alone (Goodfellow 2014): a row is as anomalous as its discriminator finds it unreal. Bank and search scores
/// are AnoGAN's.
class Gan : public AnoGan {
 public:
  using AnoGan::AnoGan;

 protected:
  std::unique_ptr<AnomalyModel> copy() const override { return std::make_unique<Gan>(*this); }
  void take_memory(std::int64_t rows) override;
  RawScores raw_scores(MatrixView<const float> rows, bool with_residuals) override;
  void explain(MatrixView<const float> rows) override;
};

}  // namespace cugad
