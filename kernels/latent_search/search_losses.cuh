#pragma once

#include "cugad/ops.hpp"
#include "kernels/device/runtime.cuh"
#include "kernels/latent_search/search_terms.hpp"

/// The losses of one row of the latent search and their gradients: operation by operation those of losses.hpp.
namespace cugad::device {

/// The distance of two rows, in every lane of a half-warp: lane l holds partial sum l (column c belongs to sum c % 16),
/// then first to last. All 32 lanes of a warp come here together.
__device__ inline float half_warp_distance(Distance metric, const float* a, const float* b, int columns) {
  const int lane = static_cast<int>(threadIdx.x) % 16;
  float partial = 0.0f;
  for (int c = lane; c < columns; c += 16) {
    const float delta = b[c] - a[c];
    partial = metric == Distance::l1 ? partial + fabsf(delta) : multiply_add(delta, delta, partial);
  }
  float sum = 0.0f;
#pragma unroll
  for (int l = 0; l < 16; ++l) sum += __shfl_sync(full_warp, partial, l, 16);
  return metric == Distance::l2 ? sqrtf(sum) : sum;
}

/// factor * d distance / d b of one element, delta = b - a; `scale` is factor / distance for l2 (0 at distance 0).
__device__ inline float distance_gradient(Distance metric, float delta, float factor, float scale) {
  if (metric == Distance::l1) return (delta > 0.0f ? 1.0f : delta < 0.0f ? -1.0f : 0.0f) * factor;
  return delta * (metric == Distance::squared ? 2.0f * factor : scale);
}

/// d/dl of lambda softplus(-l) - prior softplus(l).
__device__ inline float logit_gradient(const LatentSearch& args, float logit) {
  const float probability = logistic_scalar(logit);
  float gradient = -args.prior_weight * probability;
  if (args.discrimination_kind == Discrimination::cross_entropy) gradient += args.lambda * (probability - 1.0f);
  return gradient;
}

/// loss(z) from its parts; `square` is |z|^2.
__device__ inline float total_loss(const LatentSearch& args, float residual, float discrimination, float logit,
                                   float square) {
  float loss = (1.0f - args.lambda) * residual + args.lambda * discrimination;
  if (args.prior_weight != 0.0f) loss -= args.prior_weight * softplus(logit);
  if (args.latent_weight != 0.0f) loss += args.latent_weight * square;
  return loss;
}

/// The factors of an Adam step, from the running powers of the decay rates: computed by one thread, in double, as the
/// CPU backend does.
struct AdamPowers {
  double first = 1.0, second = 1.0;
};
struct AdamStep {
  float rate, correction;  ///< learning rate / (1 - beta1^t) and 1 / sqrt(1 - beta2^t)
};
__device__ inline AdamStep next_adam_step(const LatentSearch& args, std::int64_t step, AdamPowers& powers) {
  powers.first *= static_cast<double>(args.beta1);
  powers.second *= static_cast<double>(args.beta2);
  return {args.learning_rate.at(step) / static_cast<float>(1.0 - powers.first),
          static_cast<float>(1.0 / sqrt(1.0 - powers.second))};
}

/// The moments of one element of z after a gradient; then its step.
__device__ inline void update_moments(const LatentSearch& args, float gradient, float z, float& first, float& second) {
  if (args.latent_weight != 0.0f) gradient = multiply_add(2.0f * args.latent_weight, z, gradient);
  first = multiply_add(args.beta1, first, (1.0f - args.beta1) * gradient);
  second = multiply_add(args.beta2, second, (1.0f - args.beta2) * (gradient * gradient));
}
__device__ inline float stepped(const LatentSearch& args, const AdamStep& step, float z, float first, float second) {
  z = z - step.rate * first / multiply_add(sqrtf(second), step.correction, args.epsilon);
  if (args.latent_clip > 0.0f) {
    z = z > -args.latent_clip ? z : -args.latent_clip;
    z = z < args.latent_clip ? z : args.latent_clip;
  }
  return z;
}

}  // namespace cugad::device
