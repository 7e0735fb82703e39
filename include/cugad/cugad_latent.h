#ifndef CUGAD_CUGAD_LATENT_H
#define CUGAD_CUGAD_LATENT_H

/*
 * The latent space of a detector: cugad/latent.hpp has what the functions do. CUGAD_ERROR_INVALID_ARGUMENT before fit or
 * load, CUGAD_ERROR_UNSUPPORTED for a detector without a latent space and for conditional models.
 */

#include "cugad/cugad.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers in one z; 0 for a detector without a latent space. */
CUGAD_API cugad_status cugad_detector_latent_size(cugad_detector* detector, int64_t* size);
/* The z of which cugad_detector_sample makes its rows, rows x latent size floats in host memory: row i of the sample is
 * G(z) of row i by model i % population. */
CUGAD_API cugad_status cugad_detector_draw_latents(cugad_detector* detector, uint64_t seed, int64_t rows, float* z);
/* E(x) by one model of the population, rows x latent size floats in host memory. */
CUGAD_API cugad_status cugad_detector_encode(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                             int64_t row_stride, int64_t model, float* z);
/* G(z) by one model of the population, in the units of the training rows: rows x columns floats in host memory. z [rows,
 * latent] is finite; x lies apart from it. */
CUGAD_API cugad_status cugad_detector_decode(cugad_detector* detector, const float* z, int64_t rows, int64_t latent,
                                             int64_t row_stride, int64_t model, float* x);

#ifdef __cplusplus
}
#endif

#endif /* CUGAD_CUGAD_LATENT_H */
