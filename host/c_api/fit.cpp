#include <utility>

#include "host/backend/backend.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/fit_controls.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"
#include "host/c_api/rows.hpp"

using namespace cugad;
using namespace cugad::c_api;

namespace {

/// `source`: the arguments of Rows.
template <class Source>
void fit(cugad_detector* detector, const Source& source, const cugad_fit_controls* given) {
  require(detector, "detector");
  Rows x(detector->device, source);
  FitControls controls(given, x.columns(), detector->cancel);
  const CancelOnce once{detector->cancel};
  // The caller's stream may still be writing the rows.
  if (detector->stream() != nullptr) detector->device.backend().synchronize(detector->stream());
  const MatrixView<const float> rows = x.bring(detector->device, detector->stream());
  if (controls.control.on_message) x.report_lost_digits(controls.described.names, controls.control.on_message);
  detector->detector.fit(rows, std::move(controls.described), controls.control);
}

}  // namespace

extern "C" {

cugad_status cugad_detector_fit(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                int64_t row_stride) {
  return guard(__func__, [&] { fit(detector, MatrixView<const float>(x, rows, columns, row_stride), nullptr); });
}

cugad_status cugad_detector_fit_with(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                     int64_t row_stride, const cugad_fit_controls* controls) {
  return guard(__func__, [&] { fit(detector, MatrixView<const float>(x, rows, columns, row_stride), controls); });
}

cugad_status cugad_detector_fit_matrix(cugad_detector* detector, const cugad_matrix* x,
                                       const cugad_fit_controls* controls) {
  return guard(__func__, [&] { fit(detector, x, controls); });
}

cugad_status cugad_detector_cancel(cugad_detector* detector) {
  return guard(__func__, [&] {
    require(detector, "detector");
    detector->cancel = true;
  });
}

}  // extern "C"
