#include <algorithm>
#include <mutex>
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

void TrainedModels::append(const TrainedModels& next) {
  methods.resize(next.methods.size());
  for (std::size_t i = 0; i < methods.size(); ++i) {
    OfMethod& to = methods[i];
    const OfMethod& from = next.methods[i];
    for (const auto& [role, values] : from.weights) {
      std::vector<float>& all = to.weights[role];
      all.insert(all.end(), values.begin(), values.end());
    }
    to.telemetry.insert(to.telemetry.end(), from.telemetry.begin(), from.telemetry.end());
  }
}

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
  TrainedModels all;
  for (const TrainedModels& part : trained) all.append(part);
  return all;
}

}  // namespace cugad
