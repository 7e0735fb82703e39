#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "cugad/cugad.h"
#include "cugad/detector.hpp"
#include "cugad/device.hpp"

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
  cugad_detector(const cugad_device& opened, cugad::Detector detector_)
      : device(opened.device), device_stream(opened.stream), detector(std::move(detector_)) {}
  /// Another handle on what `other` scores with.
  explicit cugad_detector(cugad_detector& other)
      : device(other.device),
        device_stream(other.device_stream),
        own_stream(other.own_stream),
        detector(other.detector.share()) {}

  /// The caller's stream, or null: then a call waits for its results.
  void* stream() const { return own_stream != nullptr ? own_stream : device_stream->load(); }

  cugad::Device device;
  std::shared_ptr<const std::atomic<void*>> device_stream;
  void* own_stream = nullptr;
  cugad::Detector detector;
  std::atomic<bool> cancel = false;
  std::string description, telemetry;
};
