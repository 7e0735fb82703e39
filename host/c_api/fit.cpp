#include <vector>

#include "cugad/error.hpp"
#include "host/backend/backend.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"
#include "host/c_api/rows.hpp"

using namespace cugad;
using namespace cugad::c_api;

namespace {

std::vector<std::string> names_of(const cugad_fit_controls& controls, std::int64_t columns) {
  std::vector<std::string> names;
  if (controls.column_names == nullptr) return names;
  for (std::int64_t c = 0; c < columns; ++c) {
    names.push_back(text_of(controls.column_names[c], ("column_names[" + std::to_string(c) + "]").c_str()));
  }
  return names;
}

cugad_model_telemetry telemetry_of(const ModelTelemetry& model) {
  return {model.discriminator_loss,     model.generator_loss,     model.real_probability, model.fake_probability,
          model.discriminator_gradient, model.generator_gradient, model.restorations,     model.resting ? 1 : 0};
}

/// Calls back; false where the callback threw, which must not pass through the library.
template <class Callback>
bool call(Callback&& callback) {
  try {
    callback();
    return true;
  } catch (...) {
    return false;
  }
}

FitControl control_of(cugad_detector& detector, const cugad_fit_controls& controls) {
  FitControl control;
  control.cancel = &detector.cancel;
  if (controls.on_progress != nullptr) {
    control.on_progress = [&detector, &controls](const FitProgress& progress) {
      std::vector<cugad_model_telemetry> telemetry;
      for (const ModelTelemetry& model : progress.models) telemetry.push_back(telemetry_of(model));
      const cugad_progress told = {progress.step, progress.steps, static_cast<int64_t>(telemetry.size()),
                                   telemetry.data()};
      int stop = 1;
      call([&] { stop = controls.on_progress(&told, controls.user); });
      if (stop != 0) detector.cancel = true;
    };
  }
  if (controls.on_message != nullptr) {
    control.on_message = [&detector, &controls](const std::string& message) {
      if (!call([&] { controls.on_message(message.c_str(), controls.user); })) detector.cancel = true;
    };
    // A host whose interrupts wait for a callback (Python's do) must not wait for the whole fit.
    if (controls.on_progress == nullptr) {
      control.on_progress = [tell = control.on_message](const FitProgress& progress) {
        tell("step " + std::to_string(progress.step) + " of " + std::to_string(progress.steps));
      };
    }
  }
  if (controls.checkpoint_directory != nullptr) control.checkpoint_directory = controls.checkpoint_directory;
  if (controls.checkpoint_every < 0) {
    throw Error(ErrorCode::invalid_argument, "checkpoint_every is " + std::to_string(controls.checkpoint_every) +
                                                 ", expected a number of steps, or 0");
  }
  if (controls.checkpoint_every > 0) control.checkpoint_every = controls.checkpoint_every;
  control.resume = controls.resume != 0;
  return control;
}

/// A request to cancel serves for one fit.
struct CancelOnce {
  ~CancelOnce() { flag = false; }
  std::atomic<bool>& flag;
};

/// `source`: what Rows are made of.
template <class Source>
void fit(cugad_detector* detector, const Source& source, const cugad_fit_controls* given) {
  require(detector, "detector");
  Rows x(detector->device, source);
  const cugad_fit_controls controls = given == nullptr ? cugad_fit_controls{} : known_struct(given, "controls");
  if (controls.binary_columns < 0 || controls.binary_columns > x.columns()) {
    throw Error(ErrorCode::invalid_argument, "binary_columns is " + std::to_string(controls.binary_columns) +
                                                 ", but there are " + std::to_string(x.columns()) + " columns");
  }
  std::vector<std::string> names = names_of(controls, x.columns());
  const FitControl control = control_of(*detector, controls);
  const CancelOnce once{detector->cancel};
  // The rows may be what the caller's stream is still writing.
  if (detector->stream() != nullptr) detector->device.backend().synchronize(detector->stream());
  const MatrixView<const float> rows = x.bring(*detector);
  if (control.on_message) x.tell_lost_digits(names, control.on_message);
  detector->detector.fit(rows, control, std::move(names), x.columns() - controls.binary_columns);
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
