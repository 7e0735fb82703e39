#pragma once

#include <map>
#include <memory>
#include <string>

#include "tests/ptx/executor/module.hpp"

/// The kernels that nvcc put into this program, by the address of their host function.
namespace ptx {

/// One .cu file's PTX, parsed at the first use of one of its kernels.
struct Image {
  std::string text;
  std::unique_ptr<Module> module;
  /// Throws the errors of Module.
  const Module& parsed();
};

struct Kernel {
  Image* image = nullptr;
  std::string name;
};

std::map<const void*, Kernel>& kernels();

/// Where the environment names a folder in CUGAD_PTX_COVERAGE: when the program ends, a file for coverage.py with the
/// instructions of each kernel that no lane has run. To be called before the first launch.
void cover();

}  // namespace ptx
