#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cugad/cugad.h"
#include "cugad/cugad_fleet.h"
#include "cugad/detector.hpp"
#include "cugad/device.hpp"
#include "cugad/fleet.hpp"

/// What stands behind the handles of the C interface.

struct cugad_device {
  explicit cugad_device(cugad::Device device_)
      : device(std::move(device_)), context(device.make_context()), description(device.description()) {}

  cugad::Device device;  ///< with the precision that was chosen
  /// The caller's stream or null. Detectors follow it, also when the handle is gone.
  std::shared_ptr<std::atomic<void*>> stream = std::make_shared<std::atomic<void*>>(nullptr);
  cugad::Context context;  ///< for ops, on that stream
  std::string description;
};

struct cugad_detector {
  /// `stream`: that of the device's handle.
  cugad_detector(cugad::Device device_, std::shared_ptr<const std::atomic<void*>> stream, cugad::Detector detector_)
      : device(std::move(device_)), device_stream(std::move(stream)), detector(std::move(detector_)) {
    detector.cancel_by(&cancel);
  }
  /// Another handle on what `other` scores with.
  explicit cugad_detector(cugad_detector& other)
      : device(other.device),
        device_stream(other.device_stream),
        own_stream(other.own_stream),
        detector(other.detector.share()) {
    detector.cancel_by(&cancel);
  }

  /// The caller's stream, or null: then a call waits for its results.
  void* stream() const { return own_stream != nullptr ? own_stream : device_stream->load(); }

  cugad::Device device;
  std::shared_ptr<const std::atomic<void*>> device_stream;
  void* own_stream = nullptr;
  cugad::Detector detector;
  std::atomic<bool> cancel = false;  ///< of the fit or the scoring that runs, or of the next one
  std::string description, telemetry;
  std::vector<std::byte> saved;
};

struct cugad_fleet {
  cugad_fleet(const cugad_device& opened, cugad::Fleet fleet_)
      : device(opened.device), device_stream(opened.stream), fleet(std::move(fleet_)) {
    fleet.cancel_by(&cancel);
  }

  cugad::Device device;
  std::shared_ptr<const std::atomic<void*>> device_stream;  ///< for detectors that are taken out
  cugad::Fleet fleet;
  std::atomic<bool> cancel = false;
  std::string description;
  std::vector<std::byte> saved;
};
