#include <utility>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"
#include "host/detector/fitting.hpp"
#include "host/detector/held.hpp"
#include "host/detector/impl.hpp"
#include "host/detector/model_rows.hpp"
#include "host/floating_point.hpp"
#include "host/methods/methods.hpp"

namespace cugad {

/// Rows that are prepared and on the device, and what is trained on them.
class Detector::Impl::Fit {
 public:
  /// For models [first, first + count) of the population; count 0: all. The arguments are checked, the columns named.
  Fit(const Impl& detector, MatrixView<const float> rows, const Columns& columns, std::int64_t first,
      std::int64_t count, const FitControl& control);

  PreparedRows prepared;
  DetectorOptions resolved;  ///< of all models
  /// The methods' options, with as many models as are trained.
  const std::vector<DetectorOptions>& methods() const { return of_methods_; }
  std::unique_ptr<AnomalyModel> make(const DetectorOptions& options) const {
    return make_model(device_, options, columns_, prepared.roles.condition, prepared.roles.group);
  }
  ReferenceRows reference_rows(const DetectorOptions& options) {
    return reference_rows_of(on_host_, std::as_const(prepared.training).view(), options, control_.row_directory);
  }
  /// Trains one method's models; appends what they reported last. The model that scores takes memory after that, which
  /// the training may have none of to spare.
  std::unique_ptr<AnomalyModel> train(const DetectorOptions& options, std::vector<ModelTelemetry>& reported);

 private:
  Device device_;
  const FitControl& control_;
  std::int64_t columns_;
  Context on_host_, on_device_;  // the rows are prepared on the host, once, by the same code on every device
  std::vector<DetectorOptions> of_methods_;
  std::optional<ResidentRows> rows_, incomplete_;
  Arena ranges_;
  TrainingRows training_rows_;
  std::int64_t steps_before_ = 0;
};

Detector::Impl::Fit::Fit(const Impl& detector, MatrixView<const float> rows, const Columns& columns, std::int64_t first,
                         std::int64_t count, const FitControl& control)
    : device_(detector.device),
      control_(control),
      columns_(rows.columns),
      on_host_(Device::open("cpu", device_.threads()).make_context()),
      on_device_(device_.make_context()),
      ranges_(device_.backend()) {
  check_options(detector.options);
  check_image_columns(detector.options, columns);
  check_texts(columns.names, detector.attachments);
  const RowsToFit to_fit = rows_to_fit(device_, rows, control.on_message, control.row_directory);
  const std::size_t bytes = sizeof(float) * static_cast<std::size_t>(to_fit.rows.rows * columns_);
  if (!control.row_directory.empty() && !device_.backend().is_host_memory() &&
      !ResidentRows::has_room_for(device_.backend(), bytes)) {
    throw Error(ErrorCode::unsupported, "the training rows have " + std::to_string(bytes >> 20) +
                                            " MiB, more than the memory of " + device_.name() +
                                            " has room for: rows that are kept in files are trained on by cpu");
  }
  prepared = prepare_rows(on_host_, to_fit.rows, detector.options,
                          fit_columns(to_fit.rows, detector.options, columns.names, columns_ - columns.binary),
                          control.on_message, control.row_directory);
  prepared.training.data.expect_random_access();
  prepared.incomplete.data.expect_random_access();
  resolved =
      resolve(detector.options, prepared.training.rows, columns_ - prepared.roles.condition, prepared.distinct_rows);
  of_methods_ = options_of_methods(resolved);
  for (DetectorOptions& options : of_methods_) {
    if (!definition_of(options.method).trains() || count == 0) continue;
    options.population = static_cast<int>(count);
    options.seed += static_cast<std::uint64_t>(first);
  }
  for (const DetectorOptions& options : of_methods_) {
    check_memory(options, definition_of(options.method).networks(options, columns_, prepared.roles.condition));
  }
  rows_.emplace(on_device_, std::as_const(prepared.training).view());
  training_rows_ = rows_->view();
  if (prepared.training_begin.size() > 2) {
    ModelRows models;
    models.add(0, prepared.training_begin, count == 0 ? resolved.population : static_cast<int>(count),
               resolved.fold + static_cast<int>(first), resolved.seed + static_cast<std::uint64_t>(first));
    training_rows_ = models.of(rows_->view(), on_device_, ranges_);
  }
  incomplete_.emplace(on_device_, std::as_const(prepared.incomplete).view());
  if (rows_->is_pinned() && control.on_message) {
    control.on_message("the rows exceed the memory of " + device_.name() + ": they are read over the bus");
  }
}

std::unique_ptr<AnomalyModel> Detector::Impl::Fit::train(const DetectorOptions& options,
                                                         std::vector<ModelTelemetry>& reported) {
  const MethodDefinition& method = definition_of(options.method);
  TrainingRows own_rows = training_rows_;
  if (method.judges_cells && prepared.incomplete.rows > 0) own_rows.rows = incomplete_->view();
  GanTraining training(device_, method, options, own_rows, prepared.roles.condition, prepared.roles.group);
  training.run(of_methods_.size() == 1 ? control_ : part_of(control_, options, steps_before_, of_methods_));
  steps_before_ += training.steps();
  reported.insert(reported.end(), training.telemetry().begin(), training.telemetry().end());
  std::unique_ptr<AnomalyModel> model = make(options);
  model->take_weights(training);
  return model;
}

void Detector::Impl::fit(MatrixView<const float> rows, Columns columns, const FitControl& control,
                         const TrainedModels* trained) {
  check_fit_arguments(rows, columns);
  if (trained == nullptr && !device.others().empty() && trains_networks(options) && options.population > 1) {
    const RowsToFit to_fit = rows_to_fit(device, rows, {}, control.row_directory);  // no device reads another's memory
    const TrainedModels models = train_on_devices(to_fit.rows, columns, control);
    return fit(rows, std::move(columns), control, &models);
  }
  Fit fit(*this, rows, columns, 0, 0, control);
  std::vector<std::unique_ptr<AnomalyModel>> members;
  std::vector<ModelTelemetry> reported;
  std::size_t next = 0;
  for (const DetectorOptions& one : fit.methods()) {
    const bool trains = definition_of(one.method).trains();
    if (trains && trained == nullptr) {
      members.push_back(fit.train(one, reported));
      continue;
    }
    members.push_back(fit.make(one));
    if (!trains) {
      members.back()->set_reference_rows(fit.reference_rows(one));
      continue;
    }
    const TrainedModels::OfMethod& given = trained->methods.at(next++);
    members.back()->set_weights(given.weights);
    reported.insert(reported.end(), given.telemetry.begin(), given.telemetry.end());
  }
  std::vector<std::string> of_fit = std::move(fit.prepared.notes);
  finish(fit.resolved, std::move(members), std::move(fit.prepared));
  telemetry = std::move(reported);
  notes = std::move(of_fit);
  names = std::move(columns.names);
  for (const std::string& text : standing_notes()) {
    if (control.on_message) control.on_message(text);
  }
}

TrainedModels Detector::Impl::train(MatrixView<const float> rows, Columns columns, std::int64_t first,
                                    std::int64_t count, const FitControl& control) {
  check_fit_arguments(rows, columns);
  Fit fit(*this, rows, columns, first, count, control);
  TrainedModels trained;
  for (const DetectorOptions& one : fit.methods()) {
    if (!definition_of(one.method).trains()) continue;
    TrainedModels::OfMethod& of_method = trained.methods.emplace_back();
    of_method.weights = fit.train(one, of_method.telemetry)->take_out_weights();
  }
  return trained;
}

void Detector::fit(MatrixView<const float> rows, Columns columns, const FitControl& control) {
  const FloatingPointEnvironment environment;
  Impl& d = held(impl_);
  const NamedRange range(d.device.backend(), "cugad fit");
  d.fit(rows, std::move(columns), control);
}

}  // namespace cugad
