#include <string>

#include "cugad/error.hpp"
#include "host/backend/backend.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"

using namespace cugad;
using namespace cugad::c_api;

namespace {

void open(const char* name, int32_t threads, cugad_device** device) {
  require(device, "device");
  *device = nullptr;
  const std::string asked = name == nullptr ? "" : name;
  *device = new cugad_device(Device::open(asked.empty() ? "auto" : asked, threads));
}

}  // namespace

extern "C" {

cugad_status cugad_device_open(const char* name, cugad_device** device) {
  return guard(__func__, [&] { open(name, 0, device); });
}

cugad_status cugad_device_open_with_threads(const char* name, int32_t threads, cugad_device** device) {
  return guard(__func__, [&] { open(name, threads, device); });
}

void cugad_device_close(cugad_device* device) { delete device; }

cugad_status cugad_device_name(cugad_device* device, const char** name) {
  return guard(__func__, [&] {
    require(name, "name");
    *name = nullptr;
    require(device, "device");
    *name = device->device.name().c_str();
  });
}

cugad_status cugad_device_description(cugad_device* device, const char** description) {
  return guard(__func__, [&] {
    require(description, "description");
    *description = nullptr;
    require(device, "device");
    *description = device->description.c_str();
  });
}

cugad_status cugad_device_use_precision(cugad_device* device, const char* precision) {
  return guard(__func__, [&] {
    require(device, "device");
    device->device = device->device.with_precision(precision_from(text_of(precision, "precision")));
    device->context.use_precision(device->device.precision());
  });
}

cugad_status cugad_device_use_stream(cugad_device* device, void* stream) {
  return guard(__func__, [&] {
    require(device, "device");
    device->stream->store(stream);
    device->context.use_stream(stream);
  });
}

cugad_status cugad_device_synchronize(cugad_device* device) {
  return guard(__func__, [&] {
    require(device, "device");
    device->context.synchronize();
  });
}

cugad_status cugad_device_limit_memory(cugad_device* device, int64_t max_device_bytes) {
  return guard(__func__, [&] {
    require(device, "device");
    if (max_device_bytes < 0) {
      throw Error(ErrorCode::invalid_argument,
                  "max_device_bytes is " + std::to_string(max_device_bytes) + ", expected 0 (no limit) or more");
    }
    device->device.limit_memory(static_cast<std::size_t>(max_device_bytes));
  });
}

cugad_status cugad_device_use_allocator(cugad_device* device, void* (*allocate)(size_t bytes, void* stream, void* user),
                                        void (*free)(void* memory, size_t bytes, void* stream, void* user),
                                        void* user) {
  return guard(__func__, [&] {
    require(device, "device");
    device->device.use_allocator({allocate, free, user});
  });
}

cugad_status cugad_device_memory(cugad_device* device, int64_t* bytes, int64_t* peak_bytes) {
  return guard(__func__, [&] {
    require(device, "device");
    const MemoryUse use = device->device.memory();
    if (bytes != nullptr) *bytes = static_cast<int64_t>(use.bytes);
    if (peak_bytes != nullptr) *peak_bytes = static_cast<int64_t>(use.peak_bytes);
  });
}

}  // extern "C"
