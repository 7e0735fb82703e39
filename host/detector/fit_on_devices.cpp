#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "cugad/error.hpp"
#include "host/backend/on_devices.hpp"
#include "host/detector/fitting.hpp"
#include "host/detector/impl.hpp"

namespace cugad {
namespace {

/// Tells of a population whose ranges train apart as if it trained in one place.
class JoinedProgress {
 public:
  JoinedProgress(const FitControl& control, std::int64_t ranges)
      : control_(control), latest_(static_cast<std::size_t>(ranges)), ended_(latest_.size(), false) {}

  /// A range's own control; `models` says which models it has.
  FitControl of(std::int64_t range, const std::string& models, const OnDevices& devices) {
    FitControl control = control_;
    if (!control.checkpoint_directory.empty()) control.checkpoint_directory += "/" + models;
    control.on_progress = [this, range, &devices](const FitProgress& progress) {
      if (devices.failed()) throw Error(ErrorCode::cancelled, "another device's training failed");
      const std::lock_guard lock(mutex_);
      latest_[static_cast<std::size_t>(range)] = progress;
      tell();
    };
    if (control_.on_message) {
      control.on_message = [this, models](const std::string& text) {
        const std::lock_guard lock(mutex_);
        control_.on_message(models + ": " + text);
      };
    }
    return control;
  }
  /// A range whose models rest ends before the others.
  void ended(std::int64_t range) {
    const std::lock_guard lock(mutex_);
    ended_[static_cast<std::size_t>(range)] = true;
    tell();
  }

 private:
  /// Once all ranges have reached a step.
  void tell() {
    if (!control_.on_progress) return;
    FitProgress all{.step = -1, .steps = 0, .models = {}};
    for (std::size_t i = 0; i < latest_.size(); ++i) {
      if (latest_[i].models.empty()) return;
      if (!ended_[i]) all.step = all.step < 0 ? latest_[i].step : std::min(all.step, latest_[i].step);
      all.steps = std::max(all.steps, latest_[i].steps);
      all.models.insert(all.models.end(), latest_[i].models.begin(), latest_[i].models.end());
    }
    if (all.step <= told_) return;
    told_ = all.step;
    control_.on_progress(all);
  }

  const FitControl& control_;
  std::mutex mutex_;
  std::vector<FitProgress> latest_;
  std::vector<bool> ended_;
  std::int64_t told_ = 0;
};

}  // namespace

TrainedModels Detector::Impl::train_on_devices(MatrixView<const float> rows, const Columns& columns,
                                               const FitControl& control) const {
  const std::int64_t population = options.population;
  OnDevices devices(device);
  const std::int64_t ranges = std::min(devices.count(), population);
  JoinedProgress progress(control, ranges);
  std::vector<TrainedModels> trained(static_cast<std::size_t>(ranges));
  devices.run(ranges, [&](const Device& own, std::int64_t i) {
    const std::int64_t first = population * i / ranges, count = population * (i + 1) / ranges - first;
    Impl part(own, options);
    const std::string models = "models " + std::to_string(first) + " to " + std::to_string(first + count - 1);
    trained[static_cast<std::size_t>(i)] = part.train(rows, columns, first, count, progress.of(i, models, devices));
    progress.ended(i);
  });
  TrainedModels all = std::move(trained.front());
  for (std::size_t i = 1; i < trained.size(); ++i) {
    for (std::size_t k = 0; k < all.methods.size(); ++k) {
      TrainedModels::OfMethod &to = all.methods[k], &from = trained[i].methods[k];
      for (auto& [role, values] : to.weights) {
        const std::vector<float>& more = from.weights.at(role);
        values.insert(values.end(), more.begin(), more.end());
      }
      to.telemetry.insert(to.telemetry.end(), from.telemetry.begin(), from.telemetry.end());
    }
  }
  return all;
}

}  // namespace cugad
