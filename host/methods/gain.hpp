#pragma once

#include "host/training/training_step.hpp"

namespace cugad {

/// One training step of a masked conditional GAN (after Yoon 2018, GAIN). G sees a row with some cells hidden, and the
/// mask; it gives a Gaussian per column, and logits for the values of a category, whose 0/1 columns are one cell.
/// Hidden cells are drawn from these (a category as its probabilities), and D judges every column: real, or drawn?
///   D minimises the mean over cells of CE(D_j(x'), 1 where visible, 0 where hidden) + CE(D_j(x), 1) / 2;
///   G minimises the mean over hidden cells of ((mean_j - x_j)^2 / variance_j + log variance_j) / 2, or of -log of the
///   probability of the category's value, + adversarial * CE(D_j(x'), 1), on the same draw, after D's update.
/// Condition columns are never hidden and not judged. Missing cells are hidden from G and 0 for D; no loss counts them.
class GainStep : public TrainingStep {
 public:
  GainStep(Context context, const DetectorOptions& options, const MethodNetworks& networks, const TrainingRows& rows,
           std::int64_t models);

  void step(std::int64_t t, bool report) override;
  StackView<const float> generated() const override { return judged(imputed()); }

  // The parts, for tests that bring their own batches.
  void sample(std::int64_t t);
  void impute(std::int64_t t);
  void update_discriminator(std::int64_t t, bool report);
  void update_generator(std::int64_t t, bool report);
  /// The training rows of the batch, with their missing cells, and as D sees them.
  StackView<float> given() const { return given_; }
  StackView<float> real() const { return stacked_.slice_rows(0, batch()); }
  StackView<float> imputed() const { return stacked_.slice_rows(batch(), batch()); }
  StackView<float> mask() const { return masked_.slice_columns(networks_.row_columns(), networks_.columns); }
  StackView<float> noise() const { return noise_; }
  StackView<float> masked() const { return masked_; }
  StackView<float> generator_gradient() const { return generator_gradient_; }
  StackView<float> discriminator_gradient() const { return discriminator_gradient_; }

 private:
  /// The columns that are judged: all but conditions.
  StackView<float> judged(StackView<float> rows) const { return rows.slice_columns(0, networks_.columns); }
  StackView<const std::int32_t> group() const { return group_ ? shared_by(models(), group_.model(0)) : group_; }
  void judge_imputed(std::int64_t t);

  StackView<std::int32_t> index_;
  StackView<const std::int32_t> group_;  ///< of the networks; null: every column is a cell of its own
  StackView<float> given_;
  StackView<float> stacked_;         ///< real rows, then the same with hidden cells drawn
  StackView<float> masked_, noise_;  ///< [visible cells | mask], what G takes; of the draw
  StackView<float> row_gradient_;    ///< of G's adversarial loss with respect to drawn rows
  StackView<float> generator_gradient_, discriminator_gradient_;
  Network::Buffers generator_buffers_, discriminator_buffers_;
};

}  // namespace cugad
