#include "tests/emulator/runtime/launch.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "tests/emulator/runtime/fiber.hpp"
#include "tests/emulator/runtime/races.hpp"
#include "tests/emulator/runtime/state.hpp"
#include "tests/ptx/runtime/kernels.hpp"

/// The calls of the CUDA runtime that concern kernels, as code of nvcc makes them, on the emulator's runtime (memory,
/// streams, graphs, errors). Structures have the toolkit's layout (driver_types.h), which is not the emulator's.
namespace {

struct ToolkitAttribute {
  int id;
  char padding[4];
  union {
    char bytes[64];
    int number;
    unsigned cluster[3];
  } value;
};
struct ToolkitLaunch {
  dim3 grid, block;
  std::size_t shared_bytes;
  cudaStream_t stream;
  const ToolkitAttribute* attributes;
  unsigned count;
};
struct ToolkitFunctionAttributes {
  std::size_t shared, constant, local;
  int most_threads, registers, ptx_version, binary_version, cache_mode, most_dynamic_shared;  // and more, left alone
};

ptx::Region find_allocation(std::uint64_t address) {
  const auto* pointer = reinterpret_cast<const void*>(address);
  const emulator::Allocation* found = emulator::find_allocation(pointer, 1);
  if (found == nullptr) return {};
  const auto begin = std::prev(emulator::state().allocations.upper_bound(address))->first;
  return {begin, begin + found->bytes};
}

/// Null if the program has no such kernel; throws if its PTX cannot be executed.
const ptx::Function* find_kernel(const void* host, const ptx::Module** module) {
  [[maybe_unused]] static const bool once = (ptx::cover(), true);
  const auto found = ptx::kernels().find(host);
  if (found == ptx::kernels().end()) return nullptr;
  *module = &found->second.image->parsed();
  return (*module)->find(found->second.name);
}

cudaError_t launch(const ToolkitLaunch& shape, const void* host, void** arguments) {
  ptx::Launch grid;
  try {
    grid.function = find_kernel(host, &grid.module);
  } catch (const std::exception& e) {
    emulator::fail_device(e.what());
    return cudaErrorInvalidDeviceFunction;
  }
  if (grid.function == nullptr) return cudaErrorInvalidDeviceFunction;
  const ptx::Function& f = *grid.function;
  auto parameters = std::make_shared<std::vector<std::uint64_t>>(f.parameter_bytes / 8 + 2);
  for (std::size_t n = 0; n < f.parameters.size(); ++n) {
    std::memcpy(reinterpret_cast<unsigned char*>(parameters->data()) + f.parameters[n].offset, arguments[n],
                f.parameters[n].bytes);
  }
  std::vector<cudaLaunchAttribute> attributes(shape.count);
  for (unsigned n = 0; n < shape.count; ++n) {
    const ToolkitAttribute& from = shape.attributes[n];
    attributes[n].id = static_cast<cudaLaunchAttributeID>(from.id);
    if (from.id == cudaLaunchAttributeClusterDimension) {
      attributes[n].val.clusterDim = {from.value.cluster[0], from.value.cluster[1], from.value.cluster[2]};
      grid.cluster = from.value.cluster[0];
    } else {
      attributes[n].val.cooperative = from.value.number;
      if (from.id == cudaLaunchAttributeCooperative) grid.cooperative = from.value.number != 0;
      if (from.id == cudaLaunchAttributeProgrammaticStreamSerialization) grid.early = from.value.number != 0;
    }
  }
  const dim3 &blocks = shape.grid, &threads = shape.block;
  std::copy_n(std::begin({blocks.x, blocks.y, blocks.z}), 3, grid.grid);
  std::copy_n(std::begin({threads.x, threads.y, threads.z}), 3, grid.block);
  grid.shared_bytes = shape.shared_bytes;
  grid.parameters = reinterpret_cast<const unsigned char*>(parameters->data());
  grid.find_allocation = &find_allocation;
  const cudaLaunchConfig_t config = {blocks, threads, shape.shared_bytes, shape.stream, attributes.data(), shape.count};
  return emulator::launch_kernel(config, host, [grid, parameters] { ptx::execute(grid); });
}

thread_local ToolkitLaunch pushed;  // of <<<>>>

}  // namespace

// What the emulator's own lanes would bring.
namespace emulator {

std::string run_launch(const Launch& launch) {
  try {
    launch.body();
    return {};
  } catch (const std::exception& e) {
    return e.what();
  }
}
void poison(const void*, std::size_t) {}
void unpoison(const void*, std::size_t) {}
bool has_race_check() { return false; }
namespace races {
void access(const void*, std::size_t, Kind, const void*) {}
void begin_launch() {}
void forget(const void*) {}
}  // namespace races

}  // namespace emulator

extern "C" {

int cugad_executes_ptx() { return 1; }

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t shared_bytes, void* stream) {
  pushed = {grid, block, shared_bytes, static_cast<cudaStream_t>(stream), nullptr, 0};
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, std::size_t* shared_bytes, void* stream) {
  *grid = pushed.grid;
  *block = pushed.block;
  *shared_bytes = pushed.shared_bytes;
  *static_cast<cudaStream_t*>(stream) = pushed.stream;
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(const void* kernel, dim3 grid, dim3 block, void** arguments, std::size_t shared_bytes,
                               cudaStream_t stream) {
  return launch({grid, block, shared_bytes, stream, nullptr, 0}, kernel, arguments);
}
cudaError_t cudaLaunchKernel(const void* kernel, dim3 grid, dim3 block, void** arguments, std::size_t shared_bytes,
                             cudaStream_t stream) {
  return launch({grid, block, shared_bytes, stream, nullptr, 0}, kernel, arguments);
}
cudaError_t cudaLaunchKernelExC(const void* config, const void* kernel, void** arguments) {
  return launch(*static_cast<const ToolkitLaunch*>(config), kernel, arguments);
}

// Templates in the emulator's header.
cudaError_t cudaFuncSetAttribute(const void* kernel, int attribute, int value) {
  return emulator::set_function_attribute(kernel, static_cast<cudaFuncAttribute>(attribute), value);
}
cudaError_t cudaFuncGetAttributes(ToolkitFunctionAttributes* attributes, const void* kernel) {
  cudaFuncAttributes own;
  const cudaError_t status = emulator::get_function_attributes(&own, kernel);
  const ptx::Module* module = nullptr;
  const ptx::Function* function = find_kernel(kernel, &module);
  if (function == nullptr) return cudaErrorInvalidDeviceFunction;
  *attributes = {function->shared_bytes,
                 0,
                 function->local_bytes,
                 static_cast<int>(function->most_threads),
                 own.numRegs,
                 module->architecture,
                 module->architecture,
                 0,
                 own.maxDynamicSharedSizeBytes};
  return status;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void* kernel, int threads,
                                                                   std::size_t shared_bytes, unsigned) {
  return emulator::active_blocks(blocks, kernel, threads, shared_bytes);
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* kernel, int threads,
                                                          std::size_t shared_bytes) {
  return emulator::active_blocks(blocks, kernel, threads, shared_bytes);
}

}  // extern "C"
