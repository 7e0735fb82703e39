#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "emulator_control.hpp"
#include "kernels/device/runtime.cuh"

namespace emulator_test {

/// Sets a policy for one test, and the default afterwards.
class Emulated : public testing::Test {
 protected:
  void SetUp() override { use("forward,deferred"); }
  void TearDown() override { use("forward,deferred"); }
  static void use(const std::string& policy) {
    emulator::reset();
    emulator::set_policy(emulator::parse_policy(policy));
  }
};

/// `count` elements of device memory, freed at the end.
template <class T>
class OnDevice {
 public:
  explicit OnDevice(const std::vector<T>& values) : count_(values.size()) {
    cudaMalloc(&data_, count_ * sizeof(T));
    cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice);
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  ~OnDevice() { cudaFree(data_); }
  T* data() const { return data_; }
  std::vector<T> values() const {
    std::vector<T> values(count_);
    cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost);
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

}  // namespace emulator_test
