#pragma once

#include <string>

#include "cugad/device.hpp"

/// Present in programs that are linked with the emulator: chooses lane order, copy moments, chip (see its own header).
extern "C" __attribute__((weak)) int cugad_emulator_set_policy(const char* policy);

/// Present in programs that execute the kernels' PTX, on the emulator's runtime (tests/ptx).
extern "C" __attribute__((weak)) int cugad_executes_ptx();

/// The device under test: `-b NAME` on the command line; else the emulated one in a program that has it, else the CPU.
namespace cugad::test {

inline std::string& chosen_device() {
  static std::string name;
  return name;
}

inline bool is_emulated_program() { return &cugad_emulator_set_policy != nullptr; }

/// Whether the lanes of an emulated GPU may run in any order.
inline bool has_emulated_lanes() { return is_emulated_program() && &cugad_executes_ptx == nullptr; }

inline std::string device_name() {
  if (!chosen_device().empty()) return chosen_device();
  return is_emulated_program() ? "emulated" : "cpu";
}

inline Device test_device(int threads = 1) { return Device::open(device_name(), threads); }

}  // namespace cugad::test
