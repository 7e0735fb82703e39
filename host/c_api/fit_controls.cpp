#include "host/c_api/fit_controls.hpp"

#include "cugad/error.hpp"
#include "host/c_api/arguments.hpp"

namespace cugad::c_api {

template <>
inline constexpr std::size_t first_size<cugad_fit_controls> = offsetof(cugad_fit_controls, row_directory);

namespace {

cugad_model_telemetry telemetry_of(const ModelTelemetry& model) {
  return {model.discriminator_loss,     model.generator_loss,     model.real_probability, model.fake_probability,
          model.discriminator_gradient, model.generator_gradient, model.restorations,     model.resting ? 1 : 0};
}

/// Calls back; false if the callback threw: exceptions must not pass through the library.
template <class Callback>
bool call(Callback&& callback) {
  try {
    callback();
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

FitControls::FitControls(const cugad_fit_controls* given, std::int64_t columns, std::atomic<bool>& cancel)
    : given_(given == nullptr ? cugad_fit_controls{} : known_struct(given, "controls")) {
  if (given_.binary_columns < 0 || given_.binary_columns > columns) {
    throw Error(ErrorCode::invalid_argument, "binary_columns is " + std::to_string(given_.binary_columns) +
                                                 ", but there are " + std::to_string(columns) + " columns");
  }
  described.binary = given_.binary_columns;
  if (given_.column_names != nullptr) described.names = texts_of(given_.column_names, columns, "column_names");
  control.cancel = &cancel;
  if (given_.on_progress != nullptr) {
    control.on_progress = [this, &cancel](const FitProgress& progress) {
      std::vector<cugad_model_telemetry> telemetry;
      for (const ModelTelemetry& model : progress.models) telemetry.push_back(telemetry_of(model));
      const cugad_progress report = {progress.step, progress.steps, static_cast<int64_t>(telemetry.size()),
                                     telemetry.data()};
      int stop = 1;
      call([&] { stop = given_.on_progress(&report, given_.user); });
      if (stop != 0) cancel = true;
    };
  }
  if (given_.on_message != nullptr) {
    control.on_message = [this, &cancel](const std::string& message) {
      if (!call([&] { given_.on_message(message.c_str(), given_.user); })) cancel = true;
    };
    // A host whose interrupts wait for a callback (Python's do) must not wait for the whole fit.
    if (given_.on_progress == nullptr) {
      control.on_progress = [write = control.on_message](const FitProgress& progress) {
        write("step " + std::to_string(progress.step) + " of " + std::to_string(progress.steps));
      };
    }
  }
  if (given_.checkpoint_directory != nullptr) control.checkpoint_directory = given_.checkpoint_directory;
  if (given_.checkpoint_every < 0) {
    throw Error(ErrorCode::invalid_argument, "checkpoint_every is " + std::to_string(given_.checkpoint_every) +
                                                 ", expected a number of steps, or 0");
  }
  if (given_.checkpoint_every > 0) control.checkpoint_every = given_.checkpoint_every;
  control.resume = given_.resume != 0;
  if (given_.row_directory != nullptr) control.row_directory = given_.row_directory;
}

}  // namespace cugad::c_api
