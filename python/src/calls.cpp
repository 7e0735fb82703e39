#include <nanobind/stl/string.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <thread>

#include "binding.hpp"

namespace cugad::python {
namespace {

/// How long Ctrl-C may wait.
constexpr auto between_signals = std::chrono::milliseconds(50);

/// A thread that runs body() and keeps what it throws.
class Worker {
 public:
  explicit Worker(const std::function<void()>& body)
      : thread_([this, &body] {
          try {
            body();
          } catch (...) {
            thrown_ = std::current_exception();
          }
          const std::lock_guard lock(mutex_);
          is_done_ = true;
          done_.notify_all();
        }) {}
  ~Worker() { thread_.join(); }

  bool wait() {
    std::unique_lock lock(mutex_);
    return done_.wait_for(lock, between_signals, [&] { return is_done_; });
  }
  /// After wait() has returned true.
  void rethrow() const {
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  bool is_done_ = false;
  std::exception_ptr thrown_;
  std::thread thread_;
};

nb::dict to_dict(const ModelTelemetry& model) {
  nb::dict values;
  values["discriminator_loss"] = model.discriminator_loss;
  values["generator_loss"] = model.generator_loss;
  values["real_probability"] = model.real_probability;
  values["fake_probability"] = model.fake_probability;
  values["discriminator_gradient"] = model.discriminator_gradient;
  values["generator_gradient"] = model.generator_gradient;
  values["restorations"] = model.restorations;
  values["resting"] = model.resting;
  return values;
}

}  // namespace

void Calls::run(bool may_take_long, const std::function<void()>& body) {
  const nb::gil_scoped_release released;
  const std::lock_guard lock(one_at_a_time_);
  cancel_ = false;
  if (!may_take_long) return body();
  std::exception_ptr of_signal;
  Worker worker(body);
  while (!worker.wait()) {
    const nb::gil_scoped_acquire acquired;
    if (of_signal || PyErr_CheckSignals() == 0) continue;
    of_signal = std::make_exception_ptr(nb::python_error());
    cancel_ = true;
  }
  if (of_signal) std::rethrow_exception(of_signal);
  worker.rethrow();
}

void Calls::fit(const FitArguments& arguments, const std::function<void(const FitControl&)>& body) {
  std::exception_ptr of_callable;
  const auto call = [&](const auto& callable) {
    if (of_callable) return;
    const nb::gil_scoped_acquire acquired;
    try {
      callable();
    } catch (...) {
      of_callable = std::current_exception();
      cancel_ = true;
    }
  };
  FitControl control;
  if (!arguments.on_progress.is_none()) {
    control.on_progress = [&](const FitProgress& progress) {
      call([&] {
        nb::list models;
        for (const ModelTelemetry& model : progress.models) models.append(to_dict(model));
        arguments.on_progress(progress.step, progress.steps, models);
      });
    };
  }
  if (!arguments.on_message.is_none()) {
    control.on_message = [&](const std::string& text) { call([&] { arguments.on_message(text); }); };
  }
  control.cancel = &cancel_;
  control.checkpoint_directory = arguments.checkpoint_directory;
  control.resume = arguments.resume;
  control.row_directory = arguments.row_directory;
  try {
    run(true, [&] { body(control); });
  } catch (const Error&) {
    if (of_callable) std::rethrow_exception(of_callable);
    throw;
  }
  if (of_callable) std::rethrow_exception(of_callable);
}

}  // namespace cugad::python
