#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <vector>

#include "cugad/device.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad {

/// Work in pieces on a device and those beside it.
class OnDevices {
 public:
  /// Each device gets its share of the host's threads.
  explicit OnDevices(const Device& device) {
    const int threads = std::max(1, device.threads() / static_cast<int>(device.others().size() + 1));
    devices_.push_back(device.alone().with_threads(device.others().empty() ? device.threads() : threads));
    for (const Device& other : device.others()) devices_.push_back(other.with_threads(threads));
  }
  std::int64_t count() const { return static_cast<std::int64_t>(devices_.size()); }

  /// Calls body(device, i) for each i of [0, pieces): a device takes the next one when it is free, the first device on
  /// the calling thread. After an exception no further piece begins, and it is thrown once the others have ended.
  template <class Body>
  void run(std::int64_t pieces, const Body& body) {
    std::atomic<std::int64_t> next = 0;
    cpu::parallel_ranges(static_cast<int>(count()), count(), [&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t d = begin; d < end; ++d) {
        try {
          for (std::int64_t i = next++; i < pieces && !failed_; i = next++) body(devices_[d], i);
        } catch (...) {
          const std::lock_guard lock(mutex_);
          if (!failed_) failure_ = std::current_exception();
          failed_ = true;
        }
      }
    });
    if (failure_) std::rethrow_exception(failure_);
  }
  /// Whether a piece has failed: the others need not go on.
  bool failed() const { return failed_; }

 private:
  std::vector<Device> devices_;
  std::mutex mutex_;
  std::atomic<bool> failed_ = false;
  std::exception_ptr failure_;
};

}  // namespace cugad
