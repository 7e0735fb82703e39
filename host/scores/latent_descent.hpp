#pragma once

#include "host/backend/arena.hpp"
#include "host/backend/elementwise.hpp"

namespace cugad {

/// Adam on latents, for any loss.
class LatentDescent {
 public:
  /// For up to `rows` latents of `inputs` values a model.
  void take_memory(Arena& arena, std::int64_t models, std::int64_t rows, std::int64_t inputs) {
    gradient_ = arena.stack("gradient of the latents", models, rows, inputs);
    first_moment_ = arena.stack("first moment of the latents", models, rows, inputs);
    second_moment_ = arena.stack("second moment of the latents", models, rows, inputs);
  }
  /// Where the loss's gradient with respect to the first `rows` latents belongs.
  StackView<float> gradient(std::int64_t rows) const { return gradient_.slice_rows(0, rows); }

  /// Moves all rows of `latent`, from moments of 0. Before each step, evaluate() writes the gradient at `latent`;
  /// rate_at(step), from step 0 on, is the step's learning rate.
  template <class Rate, class Evaluate>
  void run(Context& context, StackView<float> latent, int steps, const Rate& rate_at, const Evaluate& evaluate) const {
    const auto flat = [&](StackView<float> view) {
      const std::int64_t values = latent.rows * view.columns;
      return StackView<float>(view.data, view.models, 1, values, view.model_stride, values);
    };
    Adam adam;
    adam.parameter = flat(latent);
    adam.gradient = flat(gradient_);
    adam.first_moment = flat(first_moment_);
    adam.second_moment = flat(second_moment_);
    fill(context, adam.first_moment, 0.0f);
    fill(context, adam.second_moment, 0.0f);
    for (int step = 0; step < steps; ++step) {
      evaluate();
      adam.learning_rate = rate_at(step);
      adam.step = step + 1;
      cugad::run(context, adam);
    }
  }

 private:
  StackView<float> gradient_, first_moment_, second_moment_;
};

}  // namespace cugad
