#include "cugad/error.hpp"
#include "host/backend/backend.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"
#include "host/detector/impl.hpp"

/// Where detectors come from and go to.

using namespace cugad;
using namespace cugad::c_api;

extern "C" {

cugad_status cugad_detector_create(cugad_device* device, const char* config_json, cugad_detector** detector) {
  return guard(__func__, [&] {
    started(detector, "detector");
    require(device, "device");
    const std::string config = config_json == nullptr ? "" : config_json;
    DetectorOptions options = options_from_json(config.empty() ? "{}" : config);
    check_options(options);  // as fit would, when more has been invested
    *detector = new cugad_detector(device->device, device->stream, Detector(device->device, std::move(options)));
  });
}

cugad_status cugad_detector_load(cugad_device* device, const char* path, cugad_detector** detector) {
  return guard(__func__, [&] {
    started(detector, "detector");
    require(device, "device");
    Detector loaded = Detector::load(device->device, text_of(path, "path"));
    *detector = new cugad_detector(device->device, device->stream, std::move(loaded));
  });
}

cugad_status cugad_detector_load_from_memory(cugad_device* device, const void* bytes, size_t size,
                                             cugad_detector** detector) {
  return guard(__func__, [&] {
    started(detector, "detector");
    require(device, "device");
    Detector loaded = Detector::load(device->device, bytes_of(bytes, size));
    *detector = new cugad_detector(device->device, device->stream, std::move(loaded));
  });
}

cugad_status cugad_detector_share(cugad_detector* detector, cugad_detector** other) {
  return guard(__func__, [&] {
    started(other, "other");
    require(detector, "detector");
    *other = new cugad_detector(*detector);
  });
}

void cugad_detector_destroy(cugad_detector* detector) { delete detector; }

cugad_status cugad_detector_save(cugad_detector* detector, const char* path) {
  return guard(__func__, [&] { model_of(detector).save(text_of(path, "path")); });
}

cugad_status cugad_detector_save_to_memory(cugad_detector* detector, const void** bytes, size_t* size) {
  return guard(__func__, [&] { save_to_memory(detector, bytes, size); });
}

cugad_status cugad_detector_use_stream(cugad_detector* detector, void* stream) {
  return guard(__func__, [&] {
    require(detector, "detector");
    detector->own_stream = stream;
  });
}

cugad_status cugad_detector_synchronize(cugad_detector* detector) {
  return guard(__func__, [&] {
    require(detector, "detector");
    if (detector->stream() != nullptr) detector->device.backend().synchronize(detector->stream());
  });
}

}  // extern "C"
