#include <chrono>
#include <cstring>

#include "cugad/error.hpp"
#include "host/backend/backend.hpp"
#include "tests/common/device.hpp"
#include "tests/ops/parity.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

/// Moves problems onto a device and back. A device whose memory the host cannot see needs nothing more than its
/// Backend: allocate, copy, release.
namespace cugad::test {
namespace {

/// Marks guards (not padding: rows may start anywhere in a sanitizer's granule) so that a sanitizer reports reads too.
void forbid(const Tensor& tensor, bool forbidden) {
#if defined(__SANITIZE_ADDRESS__)
  const std::size_t tail = (tensor.end_element + 7) / 8 * 8;
  if (forbidden) {
    ASAN_POISON_MEMORY_REGION(tensor.device_image, tensor.first_element / 8 * 8);
    ASAN_POISON_MEMORY_REGION(tensor.device_image + tail, tensor.initial.size() - tail);
  } else {
    ASAN_UNPOISON_MEMORY_REGION(tensor.device_image, tensor.initial.size());
  }
#else
  static_cast<void>(tensor);
  static_cast<void>(forbidden);
#endif
}

/// The tensors of a problem on a device, for as long as this object lives.
class DeviceImages {
 public:
  DeviceImages(const Problem& problem, const Results& images, const Device& device)
      : problem_(problem), backend_(device.backend()) {
    for (std::size_t i = 0; i < images.size(); ++i) {
      Tensor& tensor = *problem.tensors[i];
      tensor.device_image = static_cast<std::byte*>(backend_.allocate(images[i].size()));
      backend_.copy(tensor.device_image, images[i].data(), images[i].size(), nullptr);
    }
    backend_.synchronize(nullptr);
    if (backend_.is_host_memory()) {
      for (const auto& tensor : problem.tensors) forbid(*tensor, true);
    }
  }
  ~DeviceImages() {
    for (const auto& tensor : problem_.tensors) {
      if (backend_.is_host_memory() && tensor->device_image != nullptr) forbid(*tensor, false);
      backend_.release(tensor->device_image);
      tensor->device_image = nullptr;
    }
  }
  DeviceImages(const DeviceImages&) = delete;
  DeviceImages& operator=(const DeviceImages&) = delete;

  Results download() const {
    Results results;
    for (const auto& tensor : problem_.tensors) {
      if (backend_.is_host_memory()) forbid(*tensor, false);
      Bytes bytes(tensor->initial.size());
      backend_.copy(bytes.data(), tensor->device_image, bytes.size(), nullptr);
      results.push_back(std::move(bytes));
    }
    backend_.synchronize(nullptr);
    return results;
  }

 private:
  const Problem& problem_;
  Backend& backend_;
};

}  // namespace

const std::vector<NamedDevice>& devices() {
  static const std::vector<NamedDevice> opened = [] {
    std::vector<NamedDevice> list;
    const std::string tested = device_name();
    if (tested != "cpu") {
      // The widest CPU set, run beside the device for cases whose bits all backends share.
      list.push_back({"cpu", Device::open("cpu", 2)});
      list.push_back({tested, Device::open(tested, 2)});
      return list;
    }
    for (const char* name :
         {"cpu:baseline", "cpu:avx2", "cpu:avx512", "cpu:avx512bf16", "cpu:neon", "cpu:sve256", "cpu:sve512"}) {
      try {
        list.push_back({name, Device::open(name, 2)});
      } catch (const Error& error) {
        // The baseline runs everywhere; the others only if the build and the machine have them.
        const bool absent = error.code() == ErrorCode::unsupported || error.code() == ErrorCode::invalid_argument;
        if (!absent || name == std::string("cpu:baseline")) throw;
      }
    }
    return list;
  }();
  return opened;
}

Results initial_images(const Problem& problem) {
  Results images;
  for (const auto& tensor : problem.tensors) images.push_back(tensor->initial);
  return images;
}

Results reversed(const Problem& problem, const Results& images) {
  Results turned = images;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const Tensor& tensor = *problem.tensors[i];
    const std::int64_t each = tensor.rows_per_item;
    if (each == 0 || tensor.columns == 0) continue;
    const std::int64_t items = tensor.rows / each;
    const auto row_bytes = static_cast<std::size_t>(tensor.columns) * tensor.element_bytes;
    for (std::int64_t m = 0; m < (tensor.shared ? 1 : tensor.models); ++m)
      for (std::int64_t r = 0; r < tensor.rows; ++r) {
        const std::int64_t source = (items - 1 - r / each) * each + r % each;
        std::memcpy(turned[i].data() + tensor.offset(m, r, 0), images[i].data() + tensor.offset(m, source, 0),
                    row_bytes);
      }
  }
  return turned;
}

Results execute(const Problem& problem, const Results& images, const Device& device, int threads,
                const std::vector<Slice>& slices, std::string* refusal, cugad_device* c_device) {
  Context context = device.make_context(threads);
  const DeviceImages on_device(problem, images, device);
  for (const Slice& slice : slices) {
    Call call(context, slice);
    call.c_device = c_device;
    problem.call(call);
    if (!call.refusal.empty()) *refusal = call.refusal;
  }
  context.synchronize();
  return on_device.download();
}

double seconds_per_run(const Problem& problem, const Device& device, int runs) {
  Context context = device.make_context();
  const DeviceImages on_device(problem, initial_images(problem), device);
  const auto run_times = [&](int times) {
    for (int i = 0; i < times; ++i) {
      Call call(context, Slice{});
      problem.call(call);
    }
    context.synchronize();
  };
  run_times(1);
  const auto start = std::chrono::steady_clock::now();
  run_times(runs);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / runs;
}

}  // namespace cugad::test
