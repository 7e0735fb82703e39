#pragma once

#include <cstdint>

#include "kernels/latent_search/search_terms.hpp"

/// The layer-by-layer search: the state of its small kernels, and their launchers. All buffers are dense stacks
/// [models, rows, width] of one chunk of z rows of a group of models.
namespace cugad::cuda {

/// The running powers of Adam's decay rates and the factors of the current step, on the device.
struct AdamClock;
std::size_t adam_clock_bytes();

struct LayersState {
  LatentSearch search;     ///< its views begin at the group's first model
  std::int64_t begin = 0;  ///< first z row of the chunk
  std::int64_t rows = 0;
  std::int64_t models = 0;
  AdamClock* clock = nullptr;
  float *first_moment = nullptr, *second_moment = nullptr;  ///< [latent]
  float* x = nullptr;                                       ///< [d]: the query, missing cells filled
  float* row_scale = nullptr;                               ///< [2]: factor / norm for Euclidean distances
  float *wanted = nullptr, *judged = nullptr;               ///< [features]: of the query, of G(z)
  float* logit = nullptr;                                   ///< [1]
  float* generated = nullptr;                               ///< [d]: G(z)
  std::int64_t features = 0;                                ///< 0: not wanted
  float* row_losses = nullptr;                              ///< [z rows, 3] of every model, with restarts
};

/// Which gradient gradient_layers computes, into [models, rows, width].
enum class LayersGradient { logit, feature, residual };

void load_layers(void* stream, const LayersState& state);
/// Missing cells of x take G(z).
void fill_layers(void* stream, const LayersState& state);
/// Advances the clock and finds the norms that the gradients divide by.
void begin_layers_step(void* stream, const LayersState& state);
/// out = gradient, or out + gradient.
void gradient_layers(void* stream, const LayersState& state, LayersGradient kind, bool add, float* out);
/// One Adam step on z.
void update_layers(void* stream, const LayersState& state, const float* gradient);
/// Copies losses, z and the outputs derived from G(z) (the losses to row_losses if given).
void store_layers(void* stream, const LayersState& state);

}  // namespace cugad::cuda
