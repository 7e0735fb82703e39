#pragma once

#include "host/scores/anomaly_model.hpp"

/// Latents of a model with a generator, and rows made of them. All matrices are on the host; rows are transformed, in
/// the networks' order. All wait.
namespace cugad {

/// The latents of AnomalyModel::sample(): row i is for model i % population.
Matrix draw_latents(AnomalyModel& model, std::int64_t count, std::uint64_t seed);

/// G(z) by model m of the population, and the condition behind it.
void decode(AnomalyModel& model, MatrixView<const float> latents, std::int64_t m, std::span<const float> condition,
            MatrixView<float> rows);

/// E(x) by model m; a missing cell (NaN) enters E as 0.
Matrix encode(AnomalyModel& model, MatrixView<const float> rows, std::int64_t m);

}  // namespace cugad
