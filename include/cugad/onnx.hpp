#pragma once

#include <optional>
#include <string>

#include "cugad/detector.hpp"

namespace cugad {

struct OnnxOptions {
  std::optional<float> threshold = {};  ///< in place of the detector's own
  std::string output_prefix = {};       ///< in front of the names of the outputs
};

/// Writes the detector as an ONNX model, atomically: one graph from the caller's rows to the scores, of which
/// docs/onnx.md is the guide. Inputs: "rows", float32 [batch, columns]; or, with a TableEncoder's JSON attached as
/// "encoder" (which the command and the Python package do), one input [batch, 1] for each column of the table, unless
/// it has numbers without names alone. Outputs [batch]: "score", "probability" (of the kind rank; not of a model file
/// without calibration) and "is_anomaly". Throws Error{invalid_argument} before fit or load, Error{unsupported} for
/// scores that search the latent space and where the name of a column is also that of an output, Error{input_output} if
/// the file cannot be written.
CUGAD_API void export_onnx(const Detector& detector, const std::string& path, const OnnxOptions& options = {});

}  // namespace cugad
