#include "host/training/training_memory.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "cugad/error.hpp"

namespace cugad {
namespace {

std::string shown(std::size_t bytes) {
  constexpr double mebibyte = 1 << 20, gibibyte = 1 << 30;
  const auto size = static_cast<double>(bytes);
  return size < gibibyte ? fmt::format("{:.1f} MiB", size / mebibyte) : fmt::format("{:.1f} GiB", size / gibibyte);
}

}  // namespace

std::size_t TrainingMemory::total() const {
  return static_cast<std::size_t>(models) * weights + static_cast<std::size_t>(at_once) * activations;
}

std::string TrainingMemory::text() const {
  std::string text = fmt::format("weights {} and activations {} per model, {} in all", shown(weights),
                                 shown(activations), shown(total()));
  if (models > 1) text += fmt::format(" for {} models, {} at a time", models, at_once);
  return text + ", beside the rows";
}

std::int64_t activations_per_row(const MethodNetworks& networks) {
  std::int64_t values = 0;
  for (const Network& network : networks.networks) {
    if (!network) continue;
    for (const Network::Part& part : network.parts()) {
      for (int l = 0; l < part.mlp.layers(); ++l)
        values += part.mlp.layer(l).out + (part.mlp.joins(l) ? part.mlp.layer_inputs(l) : 0);
    }
  }
  return values;
}

std::int64_t weight_copies(const DetectorOptions& options) {
  return 2 * (3 + (options.average_decay > 0.0f ? 1 : 0) + (options.historical_averaging > 0.0f ? 1 : 0));
}

TrainingMemory least_memory(const MethodNetworks& networks, std::int64_t batch, std::int64_t copies) {
  TrainingMemory memory;
  for (const Network& network : networks.networks) {
    if (network) memory.weights += sizeof(float) * static_cast<std::size_t>(copies * network.parameters());
  }
  memory.activations = 2 * sizeof(float) * static_cast<std::size_t>(batch * activations_per_row(networks));
  return memory;
}

void require_memory(const TrainingMemory& memory, std::size_t available, const std::string& where) {
  if (available == 0 || memory.total() <= available) return;
  throw Error(ErrorCode::out_of_memory,
              fmt::format("training needs more memory than {} has ({}): {}; use smaller images, fewer channels, or a "
                          "smaller batch or population",
                          where, shown(available), memory.text()));
}

std::size_t machine_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  std::size_t bytes = pages < 0 || page < 0 ? 0 : static_cast<std::size_t>(pages) * static_cast<std::size_t>(page);
  for (const char* file : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::size_t limit = 0;
    if (std::ifstream(file) >> limit && limit > 0) bytes = bytes == 0 ? limit : std::min(bytes, limit);
  }
  return bytes;
}

}  // namespace cugad
