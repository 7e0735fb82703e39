#pragma once

#include "host/cli/reproduce/protocol.hpp"

/// A denoising auto-encoder (Vincent 2008): a network learns to undo noise on training rows, and a row scores by the
/// distance to its own reconstruction.
namespace cugad::cli {

Baseline denoising_autoencoder_baseline();

}  // namespace cugad::cli
