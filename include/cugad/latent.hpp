#pragma once

#include <cstdint>
#include <span>

#include "cugad/detector.hpp"
#include "cugad/tensor.hpp"

/// The latent space of a detector: that of its first method with one (all but gain, knn and translation). Functions
/// throw Error{invalid_argument} before fit or load and for arguments that do not fit, Error{unsupported} for a
/// detector without a latent space and for conditional models, whose generators take more than z.
namespace cugad {

/// Numbers in one z; 0 for a detector without a latent space.
CUGAD_API std::int64_t latent_size(const Detector& detector);

/// The z of which Detector::sample(count, seed) makes its rows, count x latent_size() floats in host memory: row i of
/// the sample is decode() of row i by model i % population. Error{unsupported} for a method without a prior.
CUGAD_API void draw_latents(const Detector& detector, std::int64_t count, std::uint64_t seed, std::span<float> z);

/// E(x) of rows by one model of the population, rows x latent_size() floats in host memory; a missing cell enters E as
/// its column's centre. Batch-invariant. Error{unsupported} for a method without an encoder.
CUGAD_API void encode(Detector& detector, MatrixView<const float> rows, std::int64_t model, std::span<float> z);

/// G(z) by one model of the population, in the units of the training rows: z.rows x columns() floats in host memory. z
/// [rows, latent_size()] is in host or device memory and finite. Batch-invariant.
CUGAD_API void decode(Detector& detector, MatrixView<const float> z, std::int64_t model, std::span<float> rows);

}  // namespace cugad
