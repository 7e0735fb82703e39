#pragma once

#include "host/training/training_step.hpp"

namespace cugad {

/// A training step of networks against discriminators: the terms of their losses, each in one place. A method decides
/// which batches they take and in which order.
class AdversarialStep : public TrainingStep {
 protected:
  using TrainingStep::TrainingStep;

  // R1 is due in every r1_every-th step.
  int kind(std::int64_t t) const override { return is_penalised(t) ? 1 : 0; }
  std::int64_t cycle() const override { return uses_r1() ? options_.r1_every : 1; }
  bool is_penalised(std::int64_t t) const { return uses_r1() && t % options_.r1_every == 0; }
  /// D is a critic (Arjovsky 2017): its loss is linear, its penalty is the method's.
  virtual bool is_critic() const { return false; }
  bool matches_features() const { return options_.generator_loss == GeneratorLoss::feature_matching; }

  /// Rows that G generates in its step: a batch, of which D sees all, or more for the coverage term.
  std::int64_t generator_batch() const;

  // Discriminators judge stacks of batches (real, generated, ...); `first` is the first row of a batch.
  /// D's loss on a batch from its logits, and its gradient: weight * CE(logit, target); a critic's is -weight * logit
  /// for a positive target, else weight * logit. A null loss or probability is not reported.
  void judge(const Network::Buffers& stack, std::int64_t first, float target, float weight, StackView<float> loss,
             StackView<float> probability, bool accumulate = false);
  /// D's loss on real rows, which come first, on generated ones and, with the option, on negatives.
  void judge_stack(const Network::Buffers& stack, std::int64_t generated, std::int64_t negatives, bool report);
  /// Adds the gradient of R1 on real rows after D's passes over them: see Network::add_gradient_penalty.
  void penalise(const Network::Input& in, const Network::Buffers& real, const Network::InputGradient& input_gradient,
                const Network::Buffers& tangent, StackView<float> gradient);
  /// The loss of a network that wants D to label a batch with `wanted`, 1 or 0: non-saturating CE(logit, wanted),
  /// minimax -CE(logit, 1 - wanted), or the critic's.
  void fool(const Network::Buffers& stack, std::int64_t first, float wanted, StackView<float> loss,
            bool accumulate = false);
  /// The same, or with the option the distance of the batch's mean features to those of the batch from `other` on.
  void fool_or_match(const Network::Buffers& stack, std::int64_t first, std::int64_t other, float wanted,
                     StackView<float> loss);
  /// Adds the coverage term to the gradient of the generated rows, which begins with that of a batch from D.
  void cover(StackView<const float> generated, StackView<const float> real, StackView<float> gradient);
  /// Copies the conditions of the rows, in turn, to the columns of `to` from first_column on.
  void copy_condition(StackView<const float> rows, StackView<float> to, std::int64_t first_column);

 private:
  bool uses_r1() const { return options_.r1 > 0.0f && !is_critic(); }
};

}  // namespace cugad
