#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "cugad/cugad.h"
#include "cugad/cugad_fleet.h"
#include "cugad/detector.hpp"
#include "cugad/device.hpp"
#include "cugad/error.hpp"
#include "cugad/fleet.hpp"
#include "host/c_api/arguments.hpp"

/// The objects of the handles of the C interface.

struct cugad_device {
  explicit cugad_device(cugad::Device device_)
      : device(std::move(device_)), context(device.make_context()), description(device.description()) {}

  cugad::Device device;  ///< with the precision that was chosen
  /// The caller's stream or null. Detectors use it, also after the handle is destroyed.
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
  /// Another handle on the model of `other`.
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

namespace cugad::c_api {

/// The object of a handle. Throws Error{invalid_argument} if it is NULL.
inline Detector& model_of(cugad_detector* handle) {
  require(handle, "detector");
  return handle->detector;
}
inline Fleet& model_of(cugad_fleet* handle) {
  require(handle, "fleet");
  return handle->fleet;
}

/// The same; throws unless it is fitted.
template <class Handle>
auto& fitted(Handle* handle) {
  auto& model = model_of(handle);
  if (model.fitted()) return model;
  throw Error(ErrorCode::invalid_argument, std::string("the ") +
                                               (std::is_same_v<Handle, cugad_fleet> ? "fleet" : "detector") +
                                               " is not fitted: call fit or load first");
}

template <class Handle>
void save_to_memory(Handle* handle, const void** bytes, std::size_t* size) {
  start_bytes(bytes, size);
  handle->saved = model_of(handle).save();
  *bytes = handle->saved.data();
  *size = handle->saved.size();
}

template <class Handle>
void get_attachment(Handle* handle, const char* name, const char** text) {
  const char*& place = started(text, "text");
  const std::string* found = model_of(handle).attachment(text_of(name, "name"));
  if (found != nullptr) place = found->c_str();
}

inline void give(const Detector::Calibration& calibration, std::int64_t* rows, std::int64_t* folds) {
  if (rows != nullptr) *rows = calibration.rows;
  if (folds != nullptr) *folds = calibration.folds;
}

}  // namespace cugad::c_api
