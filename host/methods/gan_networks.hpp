#pragma once

#include <initializer_list>

#include "host/training/method_definition.hpp"

namespace cugad {

/// What the GAN alone reads of the options that not every method has.
inline constexpr std::initializer_list<const char*> gan_options = {
    "generator_loss", "discriminator_steps", "negatives", "generator_dropout", "virtual_batch",
    "coverage",       "coverage_rows"};
/// The scores of methods with an encoder and a prior.
inline constexpr std::initializer_list<ScoreRule> encoder_scores = {
    ScoreRule::reconstruction, ScoreRule::search, ScoreRule::bank, ScoreRule::discriminator, ScoreRule::latent};

/// G and D on whole rows, as AnoGAN, GAN and f-AnoGAN have them (f-AnoGAN with an encoder).
MethodNetworks gan_networks(const DetectorOptions& options, std::int64_t columns, std::int64_t condition);
/// An encoder of rows: leaky-ReLU layers, then `outputs` linear (or tanh) units.
Network encoder_network(const DetectorOptions& options, int inputs, int outputs);
/// A discriminator of pairs (x, z): a branch for each, then a trunk with one linear output.
Network joint_discriminator_network(const DetectorOptions& options, int columns, int latent);
/// The techniques that the options select for a discriminator of rows or pairs.
Techniques discriminator_techniques(const DetectorOptions& options);
/// A generator with `outputs` linear (or tanh) outputs.
Network generator_network(const DetectorOptions& options, int inputs, int outputs);

}  // namespace cugad
