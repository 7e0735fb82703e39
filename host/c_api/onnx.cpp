#include "cugad/onnx.hpp"

#include "cugad/cugad_onnx.h"
#include "host/c_api/arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"

using namespace cugad;
using namespace cugad::c_api;

extern "C" {

cugad_status cugad_detector_export_onnx(cugad_detector* detector, const char* path) {
  return guard(__func__, [&] { export_onnx(model_of(detector), text_of(path, "path")); });
}

}  // extern "C"
