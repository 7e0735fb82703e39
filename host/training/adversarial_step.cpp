#include "host/training/adversarial_step.hpp"

#include <algorithm>

#include "host/backend/elementwise.hpp"
#include "host/network/images.hpp"

namespace cugad {

std::int64_t AdversarialStep::generator_batch() const {
  return options_.coverage > 0.0f ? std::max<std::int64_t>(batch(), options_.coverage_rows) : batch();
}

void AdversarialStep::judge(const Network::Buffers& stack, std::int64_t first, float target, float weight,
                            StackView<float> loss, StackView<float> probability, bool accumulate) {
  // A discriminator of patches gives a map of logits, whose losses are averaged (Isola 2016).
  const std::int64_t patches = stack.result().columns;
  const StackView<float> logit = rows_of_pixels(stack.result().slice_rows(first, batch()), patches);
  const StackView<float> gradient = rows_of_pixels(stack.result_gradient().slice_rows(first, batch()), patches);
  if (!is_critic() || probability) {
    SigmoidCrossEntropy args;
    args.logit = logit;
    args.target = target;
    args.weight = weight;
    args.dlogit = gradient;
    if (!is_critic()) args.loss = loss;
    args.mean_probability = probability;
    args.accumulate = accumulate;
    run(context_, args);
  }
  if (!is_critic()) return;
  run(context_, LinearLoss{.logit = logit,
                           .weight = target > 0.0f ? -weight : weight,
                           .dlogit = gradient,
                           .loss = loss,
                           .accumulate = accumulate});
}

void AdversarialStep::judge_stack(const Network::Buffers& stack, std::int64_t generated, std::int64_t negatives,
                                  bool report) {
  const float share = 1.0f / (1.0f + options_.fence);  // of generated rows among those that are not real
  judge(stack, 0, is_critic() ? 1.0f : 1.0f - options_.label_smoothing, 1.0f, when(report, telemetry_.real_loss),
        when(report, telemetry_.real_probability));
  judge(stack, generated, 0.0f, share, when(report, telemetry_.fake_loss), when(report, telemetry_.fake_probability));
  if (options_.fence <= 0.0f) return;
  judge(stack, negatives, 0.0f, options_.fence * share, when(report, telemetry_.fake_loss), {}, true);
}

void AdversarialStep::penalise(const Network::Input& in, const Network::Buffers& real,
                               const Network::InputGradient& input_gradient, const Network::Buffers& tangent,
                               StackView<float> gradient) {
  const Network& network = networks_.discriminator();
  const float scale = options_.r1 * static_cast<float>(options_.r1_every) / static_cast<float>(batch());
  network.add_gradient_penalty(context_, parameter(Role::discriminator), in, real, input_gradient, tangent,
                               {.scale = scale, .dropout = network.has_dropout()}, gradient);
}

void AdversarialStep::fool(const Network::Buffers& stack, std::int64_t first, float wanted, StackView<float> loss,
                           bool accumulate) {
  const bool minimax = options_.generator_loss == GeneratorLoss::minimax;
  judge(stack, first, minimax ? 1.0f - wanted : wanted, minimax ? -options_.adversarial : options_.adversarial, loss,
        {}, accumulate);
}

void AdversarialStep::fool_or_match(const Network::Buffers& stack, std::int64_t first, std::int64_t other, float wanted,
                                    StackView<float> loss) {
  if (!matches_features()) return fool(stack, first, wanted, loss);
  run(context_, FeatureMatching{.real = stack.features().slice_rows(other, batch()),
                                .generated = stack.features().slice_rows(first, batch()),
                                .weight = options_.adversarial,
                                .dgenerated = stack.features_gradient().slice_rows(first, batch()),
                                .loss = loss});
}

void AdversarialStep::cover(StackView<const float> generated, StackView<const float> real, StackView<float> gradient) {
  const std::int64_t further = gradient.rows - batch();
  if (further > 0) fill(context_, gradient.slice_rows(batch(), further), 0.0f);
  if (options_.coverage <= 0.0f) return;
  Coverage args;
  args.generated = generated;
  args.real = real;
  args.weight = options_.coverage;
  args.dgenerated = gradient;
  run(context_, args);
}

void AdversarialStep::copy_condition(StackView<const float> rows, StackView<float> to, std::int64_t first_column) {
  if (networks_.condition == 0) return;
  const StackView<const float> condition = rows.slice_columns(networks_.columns, networks_.condition);
  const StackView<float> out = to.slice_columns(first_column, networks_.condition);
  for (std::int64_t first = 0; first < to.rows; first += rows.rows) {
    const std::int64_t count = std::min(rows.rows, to.rows - first);
    copy(context_, condition.slice_rows(0, count), out.slice_rows(first, count));
  }
}

}  // namespace cugad
