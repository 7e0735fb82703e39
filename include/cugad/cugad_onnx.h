#ifndef CUGAD_CUGAD_ONNX_H
#define CUGAD_CUGAD_ONNX_H

/*
 * Detectors as ONNX models. docs/onnx.md is the guide.
 */

#include "cugad/cugad.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the detector as an ONNX model, atomically: one graph from rows to scores, probabilities and decisions, as
 * export_onnx() in cugad/onnx.hpp. CUGAD_ERROR_INVALID_ARGUMENT before fit or load, CUGAD_ERROR_UNSUPPORTED for scores
 * that search the latent space, CUGAD_ERROR_INPUT_OUTPUT if the file cannot be written. */
CUGAD_API cugad_status cugad_detector_export_onnx(cugad_detector* detector, const char* path);

#ifdef __cplusplus
}
#endif

#endif /* CUGAD_CUGAD_ONNX_H */
