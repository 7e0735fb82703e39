#pragma once

#include "cugad/device.hpp"
#include "cugad/ops.hpp"

/// How a backend offers its ops: one entry per op, generated from CUGAD_OPS.
namespace cugad {

template <class Args>
struct OpEntry {
  void (*run)(Context&, const Args&) = nullptr;
  std::size_t (*workspace)(const Context&, const Args&) = nullptr;
  /// The path that run() chooses; null if there is only one.
  std::string (*path)(const Context&, const Args&) = nullptr;
};

struct OpTable {
#define CUGAD_ENTRY(name, Args) OpEntry<Args> name;
  CUGAD_OPS(CUGAD_ENTRY)
#undef CUGAD_ENTRY
};

/// The contract of each op, checked once for all backends: empty, or the violation. In kernels/<op>/contract.cpp.
#define CUGAD_CONTRACT(name, Args) std::string check_contract(const Args& args);
CUGAD_OPS(CUGAD_CONTRACT)
#undef CUGAD_CONTRACT

}  // namespace cugad
